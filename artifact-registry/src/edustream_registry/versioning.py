"""The number of a release: computed from what its contract does to consumers, or stated and checked (PROTOCOL.md, 6.3).

Within a major version contracts only ever widen their input and narrow their output; within a minor version they stay
the same. So whoever asks for `^2` never meets a breaking release, and `~2.1` never another contract.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from semver import Version

from edustream_contracts.compatibility import Comparison, Verdict, compare
from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Conflict, GateRefused, NothingToServe, Problem, Rejected
from edustream_registry.manifest import Manifest
from edustream_registry.names import parse_version
from edustream_registry.precedents import Precedent, Precedents
from edustream_registry.reading import ReleaseReader
from edustream_registry.released_contracts import ReleasedContracts

SAME: Final = Comparison(Verdict.IDENTICAL, Verdict.IDENTICAL, ())


@dataclass(frozen=True, slots=True)
class Numbering:
    """The number of a release, and why it is this one, in words."""

    number: Version
    why: str


@dataclass(frozen=True, slots=True)
class _Objection:
    """What a stated number leaves unsaid about a release of the same major."""

    fact: str
    comparison: Comparison


class Verdicts:
    """How one new contract compares with those of releases; each distinct digest is read and compared once."""

    def __init__(self, contracts: ReleasedContracts, contract: ModelContract) -> None:
        """Prepare to compare `contract`, the new one, with those of releases, which `contracts` reads."""
        self._contracts = contracts
        self._contract = contract
        self._after: dict[str, Comparison] = {}
        self._before: dict[str, Comparison] = {}

    def after(self, precedent: Precedent) -> Comparison:
        """What the new contract does to those who rely on a release's; `GateRefused` (`version`) if none can say."""
        return self._compared(self._after, precedent, compare)

    def before(self, precedent: Precedent) -> Comparison:
        """What a release's contract does to those who rely on the new one; see `after`."""
        return self._compared(self._before, precedent, lambda old, new: compare(new, old))

    def _compared(
        self,
        known: dict[str, Comparison],
        precedent: Precedent,
        how: Callable[[ModelContract, ModelContract], Comparison],
    ) -> Comparison:
        digest = precedent.manifest.content.contract_digest
        if digest == self._contract.digest:
            return SAME
        if digest not in known:
            known[digest] = how(self._released(precedent), self._contract)
        return known[digest]

    def _released(self, precedent: Precedent) -> ModelContract:
        try:
            return self._contracts.of(precedent.manifest)
        except (NothingToServe, Rejected) as error:
            model = precedent.manifest.content.model
            raise GateRefused(
                "version",
                f"What a new release would do to the consumers of {model}@{precedent} cannot be told: {error.fact}",
                remedy=f"put its contract right by publishing {model}@{precedent.number} again, or yank it; the next "
                "major version, stated, needs no comparison.",
            ) from error


def next_version(precedents: Precedents, verdicts: Verdicts) -> Numbering:
    """The number that a new release gets by itself.

    Every release that a channel still serves, and the highest one, demands at least a patch for an identical contract,
    a minor for a compatible one, a major for a breaking one; the highest demand counts. Where a yanked release holds
    that number, it demands its share too.

    Raises `GateRefused` (kind `version`) where a contract that has to be compared cannot be read.
    """
    held = precedents.served_and_highest()
    found = max((_demand(each, verdicts) for each in held), key=_by_number) if held else _first(precedents)
    while found.number in precedents.used:
        last, holder = precedents.last_of_minor(found.number)
        found = _demand(holder, verdicts) if holder else _unproven(last)
    parse_version(str(found.number))
    return found


def check_version(number: Version, precedents: Precedents, verdicts: Verdicts) -> Numbering:
    """Check a stated number against the releases of its major just below and above it.

    More than needed may be stated. The first release may have any number.

    Raises `GateRefused` (kind `version`) with the reasons, a counterexample and the right number where the number says
    less than the contract does, and where it is lower than the highest and continues no major that was released.
    """
    if precedents.highest is None:
        return Numbering(number, "the first release")
    below, above = precedents.neighbours(number)
    objections = list(_objections(number, below, above, verdicts))
    if objections:
        raise _refused(number, objections, precedents, verdicts)
    if below is None and above is None and number < precedents.highest:
        raise GateRefused(
            "version",
            f"{precedents.model}@{number} is lower than {precedents.highest}, and continues no major version that was "
            "released.",
            remedy=_computed(precedents, verdicts),
        )
    return Numbering(
        number,
        _relation(below, verdicts.after(below)) if below else f"the first release of major version {number.major}",
    )


def check_stated(reader: ReleaseReader, contract: ModelContract, version: str) -> None:
    """Check a stated version before there is anything to publish under it, e.g. before a long training.

    A version that was released with the same contract is passed over: publishing tells whether the release is the same.

    Raises as `check_version` does, and `Conflict` (kind `release_exists`) for a version that another contract has.
    """
    precedents = Precedents(reader, contract.model)
    number = parse_version(version)
    if number in precedents.used:
        _refuse_other_contract(reader, contract, version)
    else:
        check_version(number, precedents, Verdicts(ReleasedContracts(reader), contract))


def _refuse_other_contract(reader: ReleaseReader, contract: ModelContract, version: str) -> None:
    try:
        released = reader.manifest(contract.model, version).statement
    except NothingToServe:
        return
    if released.content.contract_digest != contract.digest:
        raise taken(released, "another contract")


def taken(released: Manifest, other: str) -> Conflict:
    """The refusal to release again, under the same number, what differs; `other` says what the release has instead."""
    return Conflict(
        "release_exists",
        f"{released.content.model}@{released.version} was released by {released.published_by} at "
        f"{released.published_at} with {other}.",
        remedy="publish under another version, or with --version auto; nothing that was released ever changes.",
    )


def _by_number(found: Numbering) -> Version:
    return found.number


def _demand(precedent: Precedent, verdicts: Verdicts) -> Numbering:
    comparison = verdicts.after(precedent)
    return Numbering(_follow(precedent.number, comparison.verdict), _relation(precedent, comparison))


def _follow(number: Version, verdict: Verdict) -> Version:
    if verdict is Verdict.BREAKING:
        return number.bump_major()
    return number.bump_minor() if verdict is Verdict.COMPATIBLE else number.bump_patch()


def _first(precedents: Precedents) -> Numbering:
    if not precedents.used:
        return Numbering(Version(1), "the first release")
    highest = max(precedents.used)
    if highest.prerelease:
        return Numbering(highest.finalize_version(), f"the release that {highest} announced")
    return _unproven(highest)


def _unproven(number: Version) -> Numbering:
    why = f"{number} has a tombstone and no manifest any more, so that its contract counts as another one"
    return Numbering(number.bump_major(), why)


def _relation(precedent: Precedent, comparison: Comparison) -> str:
    match comparison.verdict:
        case Verdict.IDENTICAL:
            return f"same contract as {precedent}"
        case Verdict.COMPATIBLE:
            return f"compatible with {precedent}: {_reasons(comparison)}"
        case Verdict.BREAKING:
            return f"breaks the contract of {precedent}: {_reasons(comparison)}"


def _reasons(comparison: Comparison) -> str:
    first, *more = [reason for reason in comparison.reasons if reason.verdict is comparison.verdict]
    return f"{first.pointer}: {first.sentence}" + (f" And {len(more)} more." if more else "")


def _objections(
    number: Version, below: Precedent | None, above: Precedent | None, verdicts: Verdicts
) -> Iterator[_Objection]:
    if below:
        comparison = verdicts.after(below)
        if not _says(below.number, number, comparison.verdict):
            yield _Objection(_unsaid(number, below, comparison.verdict), comparison)
    if above:
        comparison = verdicts.before(above)
        if not _says(number, above.number, comparison.verdict):
            yield _Objection(_unsaid(above, number, comparison.verdict), comparison)


def _says(lower: Version, higher: Version, verdict: Verdict) -> bool:
    """Whether two numbers of one major say what the verdict on their contracts is, or more."""
    return verdict is Verdict.IDENTICAL or (verdict is Verdict.COMPATIBLE and lower.minor < higher.minor)


def _unsaid(later: Precedent | Version, earlier: Precedent | Version, verdict: Verdict) -> str:
    if verdict is Verdict.BREAKING:
        return f"{later} breaks the contract of {earlier}, which only a new major version may"
    return f"{later} changes the contract of {earlier}, which a patch may not"


def _refused(number: Version, objections: list[_Objection], precedents: Precedents, verdicts: Verdicts) -> GateRefused:
    return GateRefused(
        "version",
        f"{precedents.model}@{number} is refused: " + "; ".join(objection.fact for objection in objections) + ".",
        remedy=_remedy(number, precedents, verdicts),
        problems=[problem for objection in objections for problem in _problems(objection.comparison)],
    )


def _remedy(number: Version, precedents: Precedents, verdicts: Verdicts) -> str:
    """Names the lowest number after all of the same major that says what the contract does, else that of `auto`."""
    last = max(used for used in precedents.used if used.prerelease is None and used.major == number.major)
    for right in (last.bump_patch(), last.bump_minor()):
        if not list(_objections(right, *precedents.neighbours(right), verdicts)):
            return f"publish it as {right}."
    return _computed(precedents, verdicts)


def _computed(precedents: Precedents, verdicts: Verdicts) -> str:
    return f"publish it as {next_version(precedents, verdicts).number}, which is what --version auto takes."


def _problems(comparison: Comparison) -> Iterator[Problem]:
    for reason in comparison.reasons:
        if reason.verdict is comparison.verdict:
            yield Problem(reason.pointer, reason.sentence)
    example = next((reason for reason in comparison.breaking if reason.counterexample), None)
    if example:
        instance = json.dumps(dict(example.counterexample or {}), ensure_ascii=False)
        yield Problem(f"counterexample of {example.pointer}", instance)
