"""The libraries that a model is made with: what is installed, and whether the lock file pins the same."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from edustream_contracts.errors import Problem
from edustream_ml.lock_file import LOCK_FILE, pinned
from edustream_ml.provenance import NEIGHBOURS

PYTHON: Final = "python"
PACKAGE: Final = "edustream-ml"
ESTIMATORS: Final = "lightgbm"
"""The extra of the package that brings another kind of candidates."""


def library_versions(*, neighbours: bool = False) -> dict[str, str]:
    """The versions of Python and of every library that the producer needs, and that these need in turn.

    Contracts and registry client are among them where `neighbours` asks for them: where the producer's commit does not
    hold them, nothing else says which they were. What they need is left out: they check and carry what the others
    compute.
    """
    own = {name: distribution(name).version for name in NEIGHBOURS.values()} if neighbours else {}
    return {**dict(sorted({**own, **dict(_installed())}.items())), PYTHON: platform.python_version()}


def other_than_pinned(libraries: Mapping[str, str], lock: str) -> list[Problem]:
    """Which of the `libraries` of a release the lock file with the text `lock` pins to another version, or not at all.

    It is read for the version of Python among them. Contracts and registry client are in no lock.
    """
    pins = pinned(lock, libraries.get(PYTHON, platform.python_version()))
    return [
        Problem(name, f"is {number}; {LOCK_FILE} pins {pins.get(name, 'none')}")
        for name, number in libraries.items()
        if name not in (PYTHON, *NEIGHBOURS.values()) and pins.get(name) != number
    ]


def _installed() -> Iterator[tuple[str, str]]:
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = list(_requirements(PACKAGE, (ESTIMATORS,)))
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen or name in NEIGHBOURS.values():
            continue
        seen.add((name, extras))
        try:
            yield name, distribution(name).version
        except PackageNotFoundError:
            # Of the extra, which nobody has to install.
            continue
        waiting += _requirements(name, extras)


def _requirements(package: str, extras: Iterable[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for line in distribution(package).requires or ():
        one = Requirement(line)
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield canonicalize_name(one.name), frozenset(one.extras)
