"""Different Pythons: the pickle of a model is at home in one environment, ONNX answers the same in another."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from edustream_lab.company import Company
from edustream_lab.experiment import Experiment
from edustream_lab.monorepo import Monorepo
from edustream_lab.processes import Finished, ProgramFailed
from edustream_lab.publication import pull
from edustream_lab.teller import Teller

TOLERANCE: Final = 1e-5
OTHER_PYTHON: Final = "3.12"
NETWORK: Final = re.compile(r"(PIP|UV|SSL)_.*|.*_PROXY", re.IGNORECASE)
"""Variables that say how packages are reached from here."""
QUIET: Final = {"ORT_DISABLE_TELEMETRY": "1"}
"""Without it ONNX Runtime leaves files in the home of whoever runs this, and reports to its makers."""
WARNING: Final = "InconsistentVersionWarning"
VERSIONS: Final = """\
import json, platform, numpy, sklearn
print(json.dumps([platform.python_version(), numpy.__version__, sklearn.__version__]))
"""
LOAD: Final = "import joblib; joblib.load('models/churn_model.pkl')"


@dataclass(frozen=True, slots=True)
class Versions:
    """What an environment holds."""

    python: str
    numpy: str
    sklearn: str


def tell(company: Company, teller: Teller) -> None:
    """Tell it in a company whose registry holds churn@1.0.0."""
    teller.step("one-environment")
    monorepo = Monorepo.write(company)
    trained = monorepo.train()
    ours = _versions(company, monorepo.python)
    teller.fact(
        "producer", trained.returncode == 0, trained, python=ours.python, numpy=ours.numpy, sklearn=ours.sklearn
    )
    loaded = _load(monorepo)
    teller.fact("at-home", loaded.returncode == 0 and not loaded.output, loaded)

    teller.step("other-environment")
    elsewhere = replace(monorepo, python=str(_other_environment(company)))
    theirs = _versions(company, elsewhere.python)
    different = ours.numpy != theirs.numpy and ours.sklearn != theirs.sklearn
    teller.fact("consumer", different, theirs, python=theirs.python, numpy=theirs.numpy, sklearn=theirs.sklearn)
    if _found(company):
        teller.fact("two-pythons", theirs.python != ours.python, theirs)
    else:
        teller.fact("one-python", theirs.python == ours.python, theirs, wanted=OTHER_PYTHON)

    teller.step("pickle")
    loaded = _load(elsewhere)
    warning = next((line for line in loaded.output.splitlines() if WARNING in line), loaded.output)
    teller.shows(warning)
    teller.fact("pickle-warns", loaded.returncode == 0 and WARNING in loaded.output, loaded)
    api = elsewhere.start_api()
    api.wait()
    answer = api.answer(company.example_row())
    api.program.stop()
    teller.shows(api.last_error)
    failed = answer is None and re.match(r"\w+Error\b", api.last_error)
    teller.fact("pickle-fails", failed, api.program.output)

    teller.step("installed")
    training = {"scikit-learn", "pandas"}
    monorepos, consumers = _packages(company.checkout.producer), _packages(company.checkout.consumer)
    teller.fact("monorepo-installs", training <= monorepos, monorepos)
    teller.fact("consumer-installs", not training & consumers, consumers)

    teller.step("onnx")
    folder = pull(company, "churn@production", "pulled")
    for python, versions in ((monorepo.python, ours), (elsewhere.python, theirs)):
        answered = _answered(company, python, folder)
        teller.shows(answered.output)
        said = json.loads(answered.output.splitlines()[-1]) if answered.returncode == 0 else {}
        teller.fact(
            "onnx-answers",
            said and said["equal_labels"] == said["rows"] and said["largest_difference"] <= TOLERANCE,
            answered,
            python=versions.python,
            numpy=versions.numpy,
            golden_rows=said.get("rows"),
            golden_rows_elsewhere=said.get("equal_labels"),
        )
    teller.measured("golden_rows", said["rows"])
    teller.measured("golden_rows_elsewhere", said["equal_labels"])


def _packages(repo: Path) -> set[str]:
    """The names of what a repo's environment holds."""
    found = (repo / ".venv").glob("lib/python*/site-packages/*.dist-info")
    return {path.name.partition("-")[0].lower().replace("_", "-") for path in found}


def _load(monorepo: Monorepo) -> Finished:
    """Do nothing but unpickle the monorepo's model, with a monorepo's interpreter."""
    variables = {"PYTHONPATH": str(monorepo.folder)}
    command = [monorepo.python, "-c", LOAD]
    return monorepo.stage.run("unpickling", command, cwd=monorepo.folder / "ml", variables=variables)


def _answered(company: Company, python: str, folder: Path) -> Finished:
    program = company.checkout.root / "scripts" / "experiments" / "other_versions" / "answer_golden.py"
    return company.stage.run("golden-rows", [python, str(program), str(folder)], cwd=company.home, variables=QUIET)


def _versions(company: Company, python: str) -> Versions:
    done = company.stage.run("versions", [python, "-c", VERSIONS], cwd=company.home)
    return Versions(*json.loads(done.output.splitlines()[-1]))


def _other_environment(company: Company) -> Path:
    """The interpreter of a throwaway environment: another numpy and scikit-learn, another Python where there is one.

    What is fetched for it goes when the company does.
    """
    folder = company.home / "other-environment"
    lock = company.checkout.root / "scripts" / "experiments" / "other_versions" / "requirements.lock"
    uv = [sys.executable, "-m", "uv"]
    network = {name: value for name, value in os.environ.items() if NETWORK.fullmatch(name)}
    # As pip does, uv is to trust those whom the system trusts.
    fetching = {"UV_SYSTEM_CERTS": "true", **network, "UV_CACHE_DIR": str(company.home / "fetched")}
    python = folder / "bin" / "python"
    for command in (
        [*uv, "venv", "--quiet", "--python", _other_python(company), str(folder)],
        [*uv, "pip", "install", "--quiet", "--python", str(python), "--require-hashes", "--requirement", str(lock)],
    ):
        done = company.stage.run("uv", command, cwd=company.home, variables=fetching)
        if done.returncode:
            raise ProgramFailed(f"{' '.join(command)} ended with {done.returncode}:\n{done.output}")
    return python


def _other_python(company: Company) -> str:
    """An interpreter of the other Python; the producer's own where there is none."""
    return next(iter(_found(company)), company.checkout.python(company.checkout.producer))


def _found(company: Company) -> list[str]:
    """The interpreters of the other Python, on the PATH or of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    on_path = shutil.which(f"python{OTHER_PYTHON}")
    named = [*([on_path] if on_path else []), *map(str, sorted(pyenv.glob(f"{OTHER_PYTHON}.*/bin/python")))]
    # A shim of pyenv is on the PATH and may lead nowhere.
    return [
        python
        for python in named
        if company.stage.run("python", [python, "--version"], cwd=company.home).returncode == 0
    ]


EXPERIMENT: Final = Experiment("different-pythons", tell)
