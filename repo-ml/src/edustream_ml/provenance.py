"""Says with which code and libraries a model was trained."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from edustream_contracts.canonical import sha256_hex
from edustream_registry.manifest import CodeVersion

PYTHON: Final = "python"
LIBRARIES: Final = ("scikit-learn", "skl2onnx", "onnx", "onnxruntime", "numpy", "pandas", "scipy", "optuna")
OPTIONAL_LIBRARIES: Final = ("lightgbm",)
LOCK_FILE: Final = "requirements.lock"
DVC_LOCK: Final = "dvc.lock"
UNKNOWN: Final = "unknown"
GIT_TIMEOUT_S: Final = 10
NEIGHBOURS: Final = {"contracts": "edustream-contracts", "artifact-registry": "edustream-registry"}
"""The folders beside the producer's, with the packages in them that it is built on."""


def code_version(directory: Path) -> CodeVersion:
    """The git commit of `directory`, and whether tracked or new files differ from it; `unknown` outside git.

    Those of `directory` count, and of the folders at the repository's top that the producer is built on. DVC writes its
    lock file while a release is made: that says what ran, and decides nothing.
    """
    commit = _git(directory, "rev-parse", "HEAD")
    if not commit:
        return CodeVersion(commit=UNKNOWN, dirty=False)
    built_on = (f":(top){name}" for name in NEIGHBOURS)
    differing = _git(directory, "status", "--porcelain", "--", ".", *built_on, f":(exclude){DVC_LOCK}")
    return CodeVersion(commit=commit, dirty=bool(differing))


def library_versions() -> dict[str, str]:
    """The versions of Python and of the libraries that decide what a model computes."""
    optional = (name for name in OPTIONAL_LIBRARIES if find_spec(name))
    return {**{name: version(name) for name in (*LIBRARIES, *optional)}, PYTHON: platform.python_version()}


def lock_digest(directory: Path) -> str:
    """SHA-256 of the lock file in `directory`; that of no bytes where there is none."""
    path = directory / LOCK_FILE
    return sha256_hex(path.read_bytes() if path.is_file() else b"")


def _git(directory: Path, *arguments: str) -> str:
    try:
        # The command is fixed, and git is looked up on the caller's own PATH.
        done = subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
