"""Reads a lock file, `requirements.lock`: which version of each package it pins, and with which hashes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK_FILE: Final = "requirements.lock"
BUILD_BACKEND: Final = "setuptools"
_ENTRY: Final = re.compile(r"^[A-Za-z0-9].*(?:\n[ \t]+.*)*\n?", re.MULTILINE)


def read_lock(directory: Path) -> bytes:
    """The lock file in `directory`; no bytes where there is none."""
    path = directory / LOCK_FILE
    return path.read_bytes() if path.is_file() else b""


def pinned(lock: str, python: str) -> dict[str, str]:
    """The pinned versions by canonical name, as far as they are meant for this system and the version `python`."""
    environment = {"python_version": ".".join(python.split(".")[:2]), "python_full_version": python}
    requirements = [Requirement(entry.partition("\\")[0].strip()) for entry in _ENTRY.findall(lock)]
    return {
        canonicalize_name(one.name): "".join(pin.version for pin in one.specifier)
        for one in requirements
        if one.marker is None or one.marker.evaluate(environment)
    }


def build_backend(lock: str) -> str:
    """The entry of what builds a package that comes without a wheel; empty where the lock has none.

    Left to itself, pip fetches it without a hash.
    """
    return "".join(entry for entry in _ENTRY.findall(lock) if entry.startswith(f"{BUILD_BACKEND}=="))
