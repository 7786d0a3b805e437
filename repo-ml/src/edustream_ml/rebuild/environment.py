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
from edustream_ml.libraries import PYTHON, library_versions, other_than_pinned
from edustream_ml.lock_file import LOCK_FILE, build_backend, read_lock
from edustream_ml.progress import ProgressReport
from edustream_ml.provenance import NEIGHBOURS
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
    recipe: Recipe,
    folder: Path,
    work: Path,
    python: Path,
    wheels: Path | None,
    environ: Mapping[str, str],
    report: ProgressReport,
) -> Environment:
    """Make an environment in `work` from the lock of the checkout `folder`, every file checked by its hash.

    The packages that the producer is built on are built from the same commit, into wheels; those of a commit that does
    not hold them come from the folder `wheels`.

    Raises `InvalidInput`: kind `argument` for another Python than the release was made with, `configuration` where the
    lock pins other libraries than it was made with, or the environment cannot be made.
    """
    clean = _passed_on(environ)
    _check_python(recipe, _version_of(python, clean), python)
    lock = read_lock(folder).decode()
    _check_libraries(recipe, lock)
    neighbours = [folder.parent / name for name in NEIGHBOURS]
    missing = [path.name for path in neighbours if not (path / "pyproject.toml").is_file()]
    if missing and wheels is None:
        raise InvalidInput(
            "configuration",
            f"The commit {recipe.commit} holds no {missing[0]}, on which the producer is built.",
            remedy="name the folder that holds the wheels the release was made with (--wheels), or use what is "
            "installed here: --environment current.",
        )
    place, built = work / "environment", work / "wheels"
    found = str(wheels if missing else built)
    made = place / "bin" / "python"
    report.note(f"a new environment, from {LOCK_FILE} of {recipe.commit[:12]}")
    pip = [str(made), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation"]
    locked = [*pip, "install", "--no-compile", "--no-build-isolation", "--require-hashes", "--requirement"]
    backend = work / "build-backend.txt"
    backend.write_text(build_backend(lock), encoding="utf-8")
    # What builds a package is itself of the lock: pip, when it isolates a build, fetches it without a hash.
    for command in (
        [str(python), "-m", "venv", str(place)],
        [*locked, str(backend)],
        [*locked, str(folder / LOCK_FILE)],
        *([] if missing else [[*wheel, "--wheel-dir", str(built), *map(str, neighbours)]]),
        [*pip, "install", "--no-deps", "--no-index", "--find-links", found, *recipe.built_on],
        [*pip, "install", "--no-deps", "--no-build-isolation", str(folder)],
    ):
        _run(command, clean, recipe)
    return Environment(made, clean)


def current_environment(recipe: Recipe, folder: Path, environ: Mapping[str, str]) -> Environment:
    """The interpreter and libraries of this process, with the commit's code in place of what is installed.

    Raises `InvalidInput` (kind `configuration`) where Python or a library has another version than the release was made
    with.
    """
    here = library_versions(neighbours=True)
    _check_python(recipe, here[PYTHON], Path(sys.executable))
    problems = [
        Problem(name, f"is {here.get(name, 'not installed')} here; the release was made with {number}")
        for name, number in recipe.libraries.items()
        if here.get(name) != number and name != PYTHON
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


def _check_libraries(recipe: Recipe, lock: str) -> None:
    if problems := other_than_pinned(recipe.libraries, lock):
        raise InvalidInput(
            "configuration",
            f"{recipe.release} was not made with what {LOCK_FILE} of its commit pins.",
            remedy="install the libraries that it names, and run the same with --environment current.",
            problems=problems,
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
