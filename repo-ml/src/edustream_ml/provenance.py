"""Says with which code a model was trained, and whether its commit holds all of it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edustream_contracts.canonical import sha256_hex
from edustream_registry.manifest import CodeVersion

DVC_LOCK: Final = "dvc.lock"
UNKNOWN: Final = "unknown"
GIT_TIMEOUT_S: Final = 10
CONTRACTS: Final = "contracts"
NEIGHBOURS: Final = {CONTRACTS: "edustream-contracts", "artifact-registry": "edustream-registry"}
"""The folders beside the producer's, with the packages in them that it is built on."""


def code_version(directory: Path, read: Mapping[str, str] | None = None) -> CodeVersion:
    """The git commit of `directory`, and whether anything differs from it; `unknown` outside git.

    Tracked and new files of `directory` count, and of the folders at the repository's top that the producer is built
    on. DVC writes its lock file while a release is made: that says what ran, and decides nothing.

    `read` are files that a release was made of, each as its path in the commit, relative to `directory`, and the
    SHA-256 of what was read: wherever that lay, the commit must hold the same.
    """
    commit = _git(directory, "rev-parse", "HEAD").decode().strip()
    if not commit:
        return CodeVersion(commit=UNKNOWN, dirty=False)
    built_on = (f":(top){name}" for name in NEIGHBOURS)
    differing = _git(directory, "status", "--porcelain", "--", ".", *built_on, f":(exclude){DVC_LOCK}")
    others = [path for path, digest in (read or {}).items() if sha256_hex(_committed(directory, path)) != digest]
    return CodeVersion(commit=commit, dirty=bool(differing or others))


def contract_path(directory: Path, model: str) -> str | None:
    """Where the commit of `directory` holds a model's contract, relative to it; None where it holds no contracts."""
    return f"../{CONTRACTS}/models/{model}/contract.json" if _holds(directory, CONTRACTS) else None


def holds_neighbours(directory: Path) -> bool:
    """Whether the commit of `directory` holds what the producer is built on; in a repository of its own it does not."""
    return all(_holds(directory, name) for name in NEIGHBOURS)


def _holds(directory: Path, neighbour: str) -> bool:
    return bool(_git(directory, "rev-parse", f"HEAD:../{neighbour}"))


def _committed(directory: Path, path: str) -> bytes:
    return _git(directory, "cat-file", "blob", f"HEAD:./{path}")


def _git(directory: Path, *arguments: str) -> bytes:
    try:
        # The command is fixed, and git is looked up on the caller's own PATH.
        done = subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607
            cwd=directory,
            capture_output=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return b""
    return done.stdout if done.returncode == 0 else b""
