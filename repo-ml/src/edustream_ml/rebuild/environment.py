"""The Python environment in which a release is made again: a new one from the commit's lock, or the current one."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edustream_contracts.errors import InvalidInput, Problem
from edustream_ml.progress import ProgressReport
from edustream_ml.provenance import LOCK_FILE, NEIGHBOURS, PYTHON, library_versions
from edustream_ml.rebuild.recipe import Recipe

PASSED_ON: Final = re.compile(
    r"PATH|HOME|TMPDIR|LANG|LC_.*|PIP_.*|SSL_CERT_.*|REQUESTS_CA_BUNDLE|[A-Za-z]+_(proxy|PROXY)"
)
"""The variables that another commit's code may see: no keys, and nothing that has a training recorded or published."""
SAID_LINES: Final = 5


@dataclass(frozen=True)
class Environment:
    """An interpreter that can train, and the variables that it is started with."""

    python: Path
    environ: Mapping[str, str]


def fresh_environment(
    recipe: Recipe, folder: Path, work: Path, python: Path, environ: Mapping[str, str], report: ProgressReport
) -> Environment:
    """Make an environment in `work` from the lock of the checkout `folder`, every file checked by its hash.

    The packages that the producer is built on are built from the same commit, into wheels.

    Raises `InvalidInput`: kind `argument` for another Python than the release was made with, `configuration` where the
    environment cannot be made.
    """
    clean = _passed_on(environ)
    _check_python(recipe, _version_of(python, clean), python)
    neighbours = [folder.parent / name for name in NEIGHBOURS]
    if missing := [path.name for path in neighbours if not (path / "pyproject.toml").is_file()]:
        raise InvalidInput(
            "configuration",
            f"The commit {recipe.commit} holds no {missing[0]}, on which the producer is built.",
            remedy="run this in a clone that holds it, or use what is installed here: --environment current.",
        )
    place, wheels = work / "environment", work / "wheels"
    made = place / "bin" / "python"
    report.note(f"a new environment, from {LOCK_FILE} of {recipe.commit[:12]}")
    pip = [str(made), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    # The lock holds the backend that builds the packages, too.
    for command in (
        [str(python), "-m", "venv", str(place)],
        [*pip, "install", "--require-hashes", "--requirement", str(folder / LOCK_FILE)],
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), *map(str, neighbours)],
        [*pip, "install", "--no-deps", "--no-index", "--find-links", str(wheels), *NEIGHBOURS.values()],
        [*pip, "install", "--no-deps", "--no-build-isolation", str(folder)],
    ):
        _run(command, clean, recipe)
    return Environment(made, clean)


def current_environment(recipe: Recipe, folder: Path, environ: Mapping[str, str]) -> Environment:
    """The interpreter and libraries of this process, with the commit's code in place of what is installed.

    Raises `InvalidInput` (kind `configuration`) where Python or a library has another version than the release was made
    with.
    """
    here = library_versions()
    _check_python(recipe, here.pop(PYTHON), Path(sys.executable))
    problems = [
        Problem(name, f"is {here.get(name, 'unknown')} here; the release was made with {number}")
        for name, number in recipe.libraries.items()
        if here.get(name) != number
    ]
    if problems:
        raise InvalidInput(
            "configuration",
            f"This environment is not the one that {recipe.release} was made in.",
            remedy="leave --environment out: a new environment is made from the lock of the release's commit.",
            problems=problems,
        )
    code = [path / "src" for path in (folder, *(folder.parent / name for name in NEIGHBOURS))]
    paths = [str(path) for path in code if path.is_dir()]
    return Environment(Path(sys.executable), {**_passed_on(environ), "PYTHONPATH": os.pathsep.join(paths)})


def _passed_on(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if PASSED_ON.fullmatch(name)}


def _check_python(recipe: Recipe, here: str, python: Path) -> None:
    if recipe.python and recipe.python.split(".")[:2] != here.split(".")[:2]:
        raise InvalidInput(
            "argument",
            f"{recipe.release} was made with Python {recipe.python}; {python} is Python {here}.",
            remedy=f"name a Python {'.'.join(recipe.python.split('.')[:2])} with --python.",
        )


def _version_of(python: Path, environ: Mapping[str, str]) -> str:
    if python == Path(sys.executable):
        return platform.python_version()
    command = [str(python), "-c", "import platform; print(platform.python_version())"]
    try:
        # The caller names the interpreter.
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise InvalidInput(
            "argument", f"{python} cannot be run as Python.", remedy="name an interpreter with --python."
        ) from error
    return done.stdout.strip()


def _run(command: Sequence[str], environ: Mapping[str, str], recipe: Recipe) -> None:
    # The commands are fixed but for folders.
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        said = " ".join(done.stderr.strip().splitlines()[-SAID_LINES:])
        raise InvalidInput(
            "configuration",
            f"The environment of {recipe.commit} cannot be made; {' '.join(command[1:4])} said: {said}",
            remedy="check that pip reaches its index; a version that left it is needed from a copy (PIP_FIND_LINKS).",
        )
