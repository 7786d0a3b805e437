"""May this release be deployed? What a pipeline asks before it lets a release go on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edustream_contracts.contract import parse_contract
from edustream_contracts.errors import GateRefused, Incompatible, InvalidInput, Problem, Rejected
from edustream_contracts.metrics import reaches, relation
from edustream_registry.durations import in_words
from edustream_registry.names import DIGEST_PATTERN, Reference, parse_version
from edustream_registry.reading import ReleaseReader
from edustream_registry.resolved import Resolved
from edustream_registry.verification import verify


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a pipeline demands beyond a genuine and whole release; None demands nothing.

    `contract` is the digest of the contract that the consumer pins, `major` the major number of the version,
    `max_age_s` the greatest age in seconds of the promotion (for a channel) or of the publication.
    """

    contract: str | None = None
    major: int | None = None
    max_age_s: float | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What was verified, in the order of checking; there is one sentence for each check that passed."""

    resolved: Resolved
    passed: tuple[str, ...]


def pinned_contract(text: str) -> str:
    """The digest that `--contract` names: itself, or that of the contract document in the file of this name.

    Raises `InvalidInput` (kind `argument`) for neither, kind `contract` for a document that is no contract.
    """
    if re.fullmatch(DIGEST_PATTERN, text):
        return text
    try:
        return parse_contract(Path(text).read_bytes()).digest
    except OSError as error:
        raise InvalidInput(
            "argument",
            f"{text!r} is neither a contract's digest nor a file that can be read ({error.strerror}).",
            remedy="give 64 hexadecimal digits, or the path of a contract.json.",
        ) from error


def check(
    reader: ReleaseReader, reference: Reference, now: datetime, requirements: Requirements | None = None
) -> Checked:
    """Verify everything about the release that a reference stands for, the cheap checks before the files.

    Raises what the first failing check raises:
        NothingToServe: there is none, a file is missing, or it was yanked.
        Rejected: signature, chain, digest or document is wrong, or (kind `freeze`) it is too old.
        Incompatible: kind `contract`, another contract or another major version than required.
        GateRefused: kind `threshold`, its metrics miss a threshold that the manifest states, or one of its own gates
            said no.
        Unreachable: the registry cannot be used.
    """
    demanded = requirements or Requirements()
    found = reader.resolve(reference)
    passed = [
        *_contract(found, demanded.contract),
        *_major(found, demanded.major),
        _thresholds(found),
        *_gates(found),
        *_age(found, demanded.max_age_s, now),
    ]
    return Checked(found, (*verify(reader, found), *passed))


def _contract(found: Resolved, digest: str | None) -> list[str]:
    stated = found.manifest.content.contract_digest
    if digest is None:
        return []
    if stated != digest:
        raise Incompatible(
            "contract",
            f"{found.model}@{found.version} keeps the contract {stated}; {digest} is required.",
            remedy="see edustream-registry diff for what changed; deploy a release of the required contract.",
        )
    return [f"contract {digest[:12]}, as required"]


def _major(found: Resolved, major: int | None) -> list[str]:
    if major is None:
        return []
    if parse_version(found.version).major != major:
        raise Incompatible(
            "contract",
            f"{found.model}@{found.version} is not of the required major version {major}.",
            remedy=f"deploy a release of {found.model}@^{major}; a new major breaks the contract of the old one.",
        )
    return [f"major version {major}, as required"]


def _thresholds(found: Resolved) -> str:
    content = found.manifest.content
    missed = [
        Problem(name, f"is {content.metrics.get(name, 'not measured')}; the threshold is {relation(name)} {limit:g}")
        for name, limit in content.thresholds.items()
        if name not in content.metrics or not reaches(name, content.metrics[name], limit)
    ]
    if missed:
        raise GateRefused(
            "threshold",
            f"{found.model}@{found.version} misses {len(missed)} of its {len(content.thresholds)} thresholds.",
            remedy="deploy another release.",
            problems=missed,
        )
    return f"{len(content.thresholds)} thresholds, every one kept"


def _gates(found: Resolved) -> list[str]:
    gates = found.manifest.content.gates
    if not gates:
        return []
    refused = [Problem(gate.name, gate.explanation) for gate in gates if not gate.kept]
    if refused:
        raise GateRefused(
            "threshold",
            f"{len(refused)} of the {len(gates)} gates of {found.model}@{found.version} said no when it was made.",
            remedy="deploy another release; this one was published to be looked at.",
            problems=refused,
        )
    return [f"{len(gates)} gates, every one kept"]


def _age(found: Resolved, max_age_s: float | None, now: datetime) -> list[str]:
    if max_age_s is None:
        return []
    what, since = (
        ("promoted", found.entry.statement.promoted_at_time)
        if found.entry
        else ("published", datetime.fromisoformat(found.manifest.published_at))
    )
    age_s = (now - since).total_seconds()
    if age_s > max_age_s:
        raise Rejected(
            "freeze",
            f"{found.model}@{found.version} was {what} {in_words(age_s)} ago, not within {in_words(max_age_s)}.",
            remedy="publish or promote a newer release, or allow a greater age.",
        )
    return [f"{what} {in_words(max(age_s, 0))} ago, within {in_words(max_age_s)}"]
