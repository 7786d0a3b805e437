"""The number of a release that a gate refused: a prerelease of the next one, which no range admits."""

from __future__ import annotations

from itertools import count

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import NothingToServe
from edustream_registry.manifest import ReleaseContent
from edustream_registry.precedents import Precedents
from edustream_registry.promotion import CANDIDATE as CANDIDATE
from edustream_registry.reading import ReleaseReader
from edustream_registry.released_contracts import ReleasedContracts
from edustream_registry.versioning import Verdicts, next_version


def candidate_version(reader: ReleaseReader, content: ReleaseContent, contract: ModelContract) -> str:
    """The next number with the first free mark, e.g. 1.0.1-candidate.2; or that of the same release, if it is out.

    Raises as `next_version` does.
    """
    number = next_version(Precedents(reader, content.model), Verdicts(ReleasedContracts(reader), contract)).number
    marked = (f"{number}-{CANDIDATE}.{mark}" for mark in count(1))
    return next(version for version in marked if _is_free_or_same(reader, content, version))


def _is_free_or_same(reader: ReleaseReader, content: ReleaseContent, version: str) -> bool:
    if reader.tombstone(content.model, version):
        return False
    try:
        released = reader.manifest(content.model, version)
    except NothingToServe:
        return True
    return released.statement.content.identity == content.identity
