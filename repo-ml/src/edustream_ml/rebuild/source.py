"""Gets the code, the configuration and the data that a release was made from, and checks each by its digest."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.errors import InvalidInput
from edustream_ml.provenance import LOCK_FILE
from edustream_ml.rebuild.recipe import PROGRAM, Recipe

DATA_FOLDER: Final = "data"
GIT_TIMEOUT_S: Final = 600


def check_out(recipe: Recipe, repository: Path, into: Path) -> Path:
    """Unpack the recipe's commit below `into`; returns the folder there that `repository` is a later state of.

    The repository itself is only read. Raises `InvalidInput` (kinds `argument`, `reference`) where it is not in git,
    has no such commit, or holds another lock file or configuration there than the release was made with.
    """
    top = Path(_git(repository, "rev-parse", "--show-toplevel", fact=f"{repository} is in no git repository.").strip())
    commit = recipe.commit
    _git(
        top,
        *("cat-file", "-e", f"{commit}^{{commit}}"),
        fact=f"The commit {commit} of {recipe.release} is not in the repository {top}.",
        remedy="fetch it, e.g. git fetch --all, or git fetch --unshallow in a shallow clone, and run the same again.",
    )
    into.mkdir(parents=True)
    packed = into.with_suffix(".tar")
    _git(
        top,
        *("archive", "--format=tar", f"--output={packed}", commit),
        fact=f"The commit {commit} of {recipe.release} cannot be unpacked.",
        remedy="run git fsck in the repository, and look for room on the disk.",
    )
    with tarfile.open(packed) as archive:
        archive.extractall(into, filter="data")
    folder = into / repository.resolve().relative_to(top.resolve())
    if not (folder / PROGRAM).is_file():
        raise InvalidInput(
            "reference",
            f"The commit {commit} has no {PROGRAM} in {folder.relative_to(into)}.",
            remedy="run this in the folder of the repository that published the release.",
        )
    _check_digest(folder / LOCK_FILE, recipe.lock_sha256, recipe)
    _check_digest(folder / recipe.config, recipe.config_sha256, recipe)
    return folder


def place_data(recipe: Recipe, folder: Path, repository: Path, given: Path | None) -> None:
    """Put the data file of the release where the training looks for it in the checkout `folder`, unless it is there.

    It is looked for in the checkout, then as `given`, then in the data folder of `repository`.

    Raises `InvalidInput` (kind `data`) where none of them has the digest that the manifest names.
    """
    place = folder / (recipe.given_data or _configured_data(folder / recipe.config))
    candidates = [given] if given else [place, repository / DATA_FOLDER / recipe.data.name]
    for path in candidates:
        if path.is_file() and sha256_hex(path.read_bytes()) == recipe.data.sha256:
            if path != place:
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)
            return
    raise InvalidInput(
        "data",
        f"The data that {recipe.release} was trained on, {recipe.data.name} with the SHA-256 {recipe.data.sha256}, "
        f"are not in {_listed(candidates)}.",
        remedy="get the file from where it is kept (or generate it, as the README says) and name it with --data.",
    )


def _configured_data(config: Path) -> Path:
    try:
        return Path("configs") / str(yaml.safe_load(config.read_bytes())["data"]["path"])
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise InvalidInput(
            "configuration",
            f"{config.name} of the release's commit names no data.",
            remedy="check the commit out, and rebuild it with the program of that time.",
        ) from error


def _check_digest(path: Path, expected: str, recipe: Recipe) -> None:
    found = sha256_hex(path.read_bytes() if path.is_file() else b"")
    if found != expected:
        raise InvalidInput(
            "reference",
            f"{path.name} of the commit {recipe.commit} has the SHA-256 {found}; {recipe.release} was made with "
            f"{expected}.",
            remedy="run this in the repository that published the release; its manifest names what it was made of.",
        )


def _listed(paths: Sequence[Path]) -> str:
    return " or ".join(map(str, paths))


def _git(
    directory: Path,
    *arguments: str,
    fact: str,
    remedy: str = "run this in a clone of the repository that published the release, with git installed.",
) -> str:
    try:
        # The arguments are fixed but for a commit, and git is looked up on the caller's own PATH.
        return subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise InvalidInput("argument", fact, remedy=remedy) from error
