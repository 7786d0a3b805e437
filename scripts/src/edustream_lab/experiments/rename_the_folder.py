"""Rename the folder: in a monorepo the neighbour's API breaks; across a registry nobody notices."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from edustream_lab.company import Company
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
    teller.step("multirepo-rename")
    consumer = company.serving()
    sources = _sources(company.checkout.consumer)
    moved = company.home / "equipo-de-datos"
    shutil.copytree(company.checkout.producer, moved, ignore=shutil.ignore_patterns(*MADE))
    config = company.quick_config(2)
    (moved / "configs").rename(moved / "ajustes")
    shutil.move(config, moved / "ajustes" / config.name)
    done = company.train(
        *("--config", f"ajustes/{config.name}", "--out", str(moved / "artefactos" / "churn")), repo=moved
    )
    teller.shows("\n".join(done.output.splitlines()[-10:]))
    teller.fact("multirepo-trains", done.returncode == 0 and (moved / "artefactos").is_dir(), done)
    consumer.wait_until(lambda: consumer.version() == "1.0.1", "swapped to 1.0.1")
    teller.fact("consumer-follows", consumer.program.process.poll() is None)
    fresh = company.serving(cache="cache-fresh")
    teller.fact("fresh-consumer-starts", fresh.version() == "1.0.1", fresh.version())
    changed = sum(text != sources[path] for path, text in _sources(company.checkout.consumer).items())
    teller.fact("nothing-changed", changed == 0, changed, rename_neighbours_lines_multirepo=changed)
    naming = [path for path, text in sources.items() if "repo-ml" in text or "releases/churn" in text]
    teller.fact("no-path-to-break", not naming, naming, consumer_source_files=len(sources))
    teller.measured("rename_neighbours_lines_multirepo", changed)
    teller.measured("consumer_source_files", len(sources))
    fresh.stop()
    consumer.stop()


def _sources(repo: Path) -> dict[Path, str]:
    """The code of a repo, by file."""
    return {path: path.read_text() for path in (*sorted((repo / "src").rglob("*.py")), *sorted(repo.glob("*.py")))}


EXPERIMENT: Final = Experiment("rename-the-folder", tell)
