"""Decides whether a changed contract breaks those who built upon the old one (PROTOCOL.md, section 8)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal

from edustream_contracts.contract import ModelContract

Side = Literal["input", "output"]


class Verdict(StrEnum):
    """What a change does to those who built upon the old contract; ordered from harmless to harmful."""

    IDENTICAL = "identical"
    COMPATIBLE = "compatible"
    BREAKING = "breaking"

    @property
    def severity(self) -> int:
        """0 for identical, 1 for compatible, 2 for breaking."""
        return list(Verdict).index(self)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The most severe of several verdicts; identical where there is none."""
    return max(verdicts, key=lambda verdict: verdict.severity, default=Verdict.IDENTICAL)


@dataclass(frozen=True, slots=True)
class Reason:
    """One change and what it does.

    `pointer` is a JSON Pointer into the contract document. `counterexample` is a whole row (input) or answer (output)
    that is valid under one of both contracts and not under the other; None where nothing breaks.
    """

    side: Side
    pointer: str
    rule: str
    sentence: str
    verdict: Verdict
    before: Any = None
    after: Any = None
    counterexample: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The verdict on a changed contract, of each side, and every reason for it."""

    input: Verdict
    output: Verdict
    reasons: tuple[Reason, ...]

    @property
    def verdict(self) -> Verdict:
        """The worse of both sides."""
        return worst([self.input, self.output])

    @property
    def breaking(self) -> tuple[Reason, ...]:
        """The reasons that break."""
        return tuple(reason for reason in self.reasons if reason.verdict is Verdict.BREAKING)

    def as_document(self) -> dict[str, Any]:
        """The comparison as a JSON document."""
        return {
            "verdict": self.verdict,
            "input": self.input,
            "output": self.output,
            "reasons": [asdict(reason) for reason in self.reasons],
        }


def compare(old: ModelContract, new: ModelContract) -> Comparison:
    """Compare two contracts of a model: the input may only widen, the output may only narrow."""
    sides: dict[Side, tuple[Reason, ...]] = {
        "input": _changes(old, new, "input"),
        "output": _changes(old, new, "output"),
    }
    return Comparison(
        input=worst(reason.verdict for reason in sides["input"]),
        output=worst(reason.verdict for reason in sides["output"]),
        reasons=(*sides["input"], *sides["output"]),
    )


def compare_for(old: ModelContract, new: ModelContract, sends: Collection[str], reads: Collection[str]) -> Comparison:
    """Compare two contracts for one consumer that sends some input fields and reads some output fields."""
    return compare(old, new)


def _changes(old: ModelContract, new: ModelContract, side: Side) -> tuple[Reason, ...]:
    before, after = old.document[side], new.document[side]
    if before == after:
        return ()
    sentence = f"The {side} changed."
    return (Reason(side, f"/{side}", "changed", sentence, Verdict.BREAKING, counterexample=before["examples"][0]),)
