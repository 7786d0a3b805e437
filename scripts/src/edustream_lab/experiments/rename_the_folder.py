"""Rename the folder: in a monorepo the neighbour's API breaks; across a registry nobody notices."""

from __future__ import annotations

import re
import shutil
from difflib import ndiff
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from edustream_lab.company import Company, code_of
from edustream_lab.experiment import Experiment
from edustream_lab.monorepo import API, TRAINING, Monorepo
from edustream_lab.teller import Teller

MADE: Final = (".*", "__pycache__", "releases", "searches", "pipeline", "tracking", "dvc_plots", "edustream_students*")
"""What a repo holds beside what is in git."""


def tell(company: Company, teller: Teller) -> None:
    """Tell it in a company whose registry holds churn@1.0.0."""
    _in_the_monorepo(company, teller)
    _across_the_registry(company, teller)


def _in_the_monorepo(company: Company, teller: Teller) -> None:
    teller.step("monorepo")
    monorepo = Monorepo.write(company)
    trained = monorepo.train()
    teller.shows(trained.output)
    api = monorepo.start_api()
    api.wait()
    teller.shows(api.program.output)
    row = company.example_row()
    probability = api.probability(row)
    teller.fact("monorepo-works", trained.returncode == 0 and 0 < probability < 1, trained, probability=probability)

    teller.step("monorepo-rename")
    (monorepo.folder / "ml" / "models").rename(monorepo.folder / "ml" / "artefactos")
    changed = monorepo.edit(TRAINING, "models/churn_model.pkl", "artefactos/churn_model.pkl")
    trained = monorepo.train()
    teller.shows(trained.output)
    teller.fact("training-still-works", trained.returncode == 0, trained, lines=changed)
    teller.fact("running-api-answers", api.probability(row) == probability)
    api.program.stop()
    broken = monorepo.start_api().program.finish()
    teller.shows(broken.output.splitlines()[-1])
    teller.fact(
        "api-breaks", broken.returncode == 1 and "FileNotFoundError" in broken.output, broken, code=broken.returncode
    )
    teller.fact("says-nothing-of-why", "artefactos" not in broken.output, broken)

    teller.step("monorepo-repair")
    repaired = monorepo.edit(API, "../ml/models/", "../ml/artefactos/")
    api = monorepo.start_api()
    api.wait()
    teller.fact(
        "api-repaired",
        api.probability(row) == probability,
        rename_own_lines=changed,
        rename_neighbours_lines_monorepo=repaired,
    )
    api.program.stop()
    teller.measured("rename_own_lines", changed)
    teller.measured("rename_neighbours_lines_monorepo", repaired)


def _across_the_registry(company: Company, teller: Teller) -> None:
    teller.step("multirepo")
    # Side by side, as in a monorepo: here a consumer could depend on its neighbour's folder.
    tree = company.home / "side-by-side"
    producer, consumers = tree / company.checkout.producer.name, tree / company.checkout.consumer.name
    for repo, copy in ((company.checkout.producer, producer), (company.checkout.consumer, consumers)):
        copy.mkdir(parents=True)
        for path in filter(_is_kept, repo.iterdir()):
            (shutil.copytree if path.is_dir() else shutil.copy2)(path, copy / path.name)
    consumer = company.serving(repo=consumers)
    before = _sources(consumers)
    teller.fact("multirepo-works", consumer.version() == "1.0.0", consumer.version())

    teller.step("multirepo-rename")
    config = company.quick_config(2)
    moved = producer.rename(tree / "equipo-de-datos")
    settings = (moved / "configs").rename(moved / "ajustes")
    shutil.move(config, settings / config.name)
    done = company.train(
        *("--config", f"ajustes/{config.name}", "--out", str(moved / "artefactos" / "churn")), repo=moved
    )
    teller.shows("\n".join(done.output.splitlines()[-10:]))
    package = _package_of(company, moved)
    trained_there = done.returncode == 0 and (moved / "artefactos").is_dir() and package.is_relative_to(moved)
    teller.fact("multirepo-trains", trained_there and not producer.exists(), (done, package))
    consumer.wait_until(lambda: consumer.version() == "1.0.1", "swapped to 1.0.1")
    teller.fact("consumer-follows", consumer.program.process.poll() is None)
    fresh = company.serving(cache="cache-fresh", repo=consumers)
    teller.fact("fresh-consumer-starts", fresh.version() == "1.0.1", fresh.version())
    changed = _different_lines(before, _sources(consumers))
    teller.fact("nothing-changed", changed == 0, changed, rename_neighbours_lines_multirepo=changed)
    folders = [path.name for path in company.checkout.producer.iterdir() if path.is_dir() and _is_kept(path)]
    neighbour = re.compile(rf"{company.checkout.producer.name}|[\"'/](?:{'|'.join(folders)})/")
    naming = [file for file, text in before.items() if neighbour.search(text)]
    teller.fact("no-path-to-break", folders and not naming, naming, consumer_source_files=len(before))
    teller.measured("rename_neighbours_lines_multirepo", changed)
    teller.measured("consumer_source_files", len(before))
    fresh.stop()
    consumer.stop()


def _is_kept(path: Path) -> bool:
    """Whether its repo keeps this in git."""
    return not any(fnmatch(path.name, pattern) for pattern in MADE)


def _package_of(company: Company, repo: Path) -> Path:
    """Where the producer's interpreter takes the producer's package from when it trains in a copy of its repo."""
    command = [
        company.checkout.python(company.checkout.producer),
        "-c",
        "import edustream_ml; print(edustream_ml.__file__)",
    ]
    done = company.stage.run("where", command, cwd=repo, variables=code_of(repo))
    return Path(done.output.strip())


def _sources(repo: Path) -> dict[Path, str]:
    """The code of a repo, by file."""
    return {path: path.read_text() for path in (*sorted((repo / "src").rglob("*.py")), *sorted(repo.glob("*.py")))}


def _different_lines(before: dict[Path, str], after: dict[Path, str]) -> int:
    """How many lines were written anew or taken away between two states of the code."""
    files = before.keys() | after.keys()
    compared = (ndiff(before.get(file, "").splitlines(), after.get(file, "").splitlines()) for file in files)
    return sum(line.startswith(("+ ", "- ")) for lines in compared for line in lines)


EXPERIMENT: Final = Experiment("rename-the-folder", tell)
