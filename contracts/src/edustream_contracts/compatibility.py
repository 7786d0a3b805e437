"""Decides whether a changed contract breaks those who built upon the old one (PROTOCOL.md, section 8.8)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import InvalidInput, Problem
from edustream_contracts.schema_change import Change, SchemaChange, Side, restricted
from edustream_contracts.value_set import admitted

# Changes that no instance shows: what was valid stays valid, and means something else.
OF_MEANING: Final = frozenset({"unit-changed", "unit-removed", "class-changed", "tolerance-raised"})


class Verdict(StrEnum):
    """What a change does to those who built upon the old contract, from harmless to harmful."""

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

    `pointer` is a JSON Pointer into the new contract's document, or into the old one's for what is no longer there.
    `before` and `after` are the keywords that changed. `counterexample` of a breaking reason is a whole row (input) or
    answer (output) that is valid under one of both contracts and not under the other, checked by the validator. It is
    None where patterns differ and no such instance was found; for a change of meaning (`OF_MEANING`) it is one that
    both contracts take, where an example of theirs is.
    """

    side: Side
    pointer: str
    rule: str
    sentence: str
    verdict: Verdict
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    counterexample: Mapping[str, Any] | None = None

    @property
    def refutes(self) -> bool:
        """Whether the counterexample is valid under exactly one of both contracts."""
        return self.counterexample is not None and self.rule not in OF_MEANING

    def as_document(self) -> dict[str, Any]:
        """The reason as a JSON document."""
        return {
            "side": self.side,
            "pointer": self.pointer,
            "rule": self.rule,
            "sentence": self.sentence,
            "verdict": str(self.verdict),
            "before": dict(self.before),
            "after": dict(self.after),
            "counterexample": None if self.counterexample is None else dict(self.counterexample),
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """The verdict on each side of a changed contract, and every reason for it."""

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
            "verdict": str(self.verdict),
            "input": str(self.input),
            "output": str(self.output),
            "reasons": [reason.as_document() for reason in self.reasons],
        }


def compare(old: ModelContract, new: ModelContract) -> Comparison:
    """Compare two contracts of one model: the input may only widen, the output may only narrow.

    Raises `InvalidInput` (kind `argument`) for contracts of two models.
    """
    _of_one_model(old, new)
    return _comparison(
        SchemaChange("input", old.document["input"], new.document["input"]),
        SchemaChange("output", old.document["output"], new.document["output"]),
        old,
        new,
    )


def compare_for(old: ModelContract, new: ModelContract, sends: Collection[str], reads: Collection[str]) -> Comparison:
    """Compare two contracts of one model for a consumer that knows the old one.

    Of the rows, only those that carry no field but the ones in `sends` matter; of the answers, only the fields in
    `reads`. An optional field in `sends` may be absent from some rows. Raises `InvalidInput` (kind `argument`) for
    contracts of two models, and for statements that do not fit the old contract: a field that it does not have, or
    a required input field that is not sent.
    """
    _of_one_model(old, new)
    check_statement(old, sends, reads)
    before, after = old.document, new.document
    taken = {*sends, *after["input"]["required"]}
    return _comparison(
        SchemaChange("input", restricted(before["input"], sends), restricted(after["input"], taken)),
        SchemaChange("output", restricted(before["output"], reads), restricted(after["output"], reads)),
        old,
        new,
    )


def check_statement(contract: ModelContract, sends: Collection[str], reads: Collection[str]) -> None:
    """Raise `InvalidInput` (kind `argument`) unless a consumer that knows `contract` can send and read these fields."""
    inputs, outputs = contract.document["input"], contract.document["output"]
    problems = [
        *(
            Problem("sends", f"names {name!r}, which is no input field")
            for name in sends
            if name not in inputs["properties"]
        ),
        *(Problem("sends", f"lacks {name!r}, which is required") for name in inputs["required"] if name not in sends),
        *(
            Problem("reads", f"names {name!r}, which is no output field")
            for name in reads
            if name not in outputs["properties"]
        ),
    ]
    if problems:
        raise InvalidInput(
            "argument",
            f"What the consumer says of itself does not fit the contract {contract.digest[:12]} of {contract.model}.",
            remedy="state the fields that the contract has, and send at least the required ones.",
            problems=problems,
        )


def _of_one_model(old: ModelContract, new: ModelContract) -> None:
    if old.model != new.model:
        raise InvalidInput(
            "argument",
            f"The contracts are of two models, {old.model!r} and {new.model!r}; there is nothing to compare.",
            remedy="compare two contracts of one model.",
        )


def _comparison(inputs: SchemaChange, outputs: SchemaChange, old: ModelContract, new: ModelContract) -> Comparison:
    of_input = tuple(_reason(change) for change in inputs.changes())
    of_output = (*(_reason(change) for change in outputs.changes()), *_tolerances(outputs, old, new))
    return Comparison(
        input=worst(reason.verdict for reason in of_input),
        output=worst(reason.verdict for reason in of_output),
        reasons=(*of_input, *of_output),
    )


def _reason(change: Change) -> Reason:
    return Reason(
        side=change.side,
        pointer=change.pointer,
        rule=change.rule,
        sentence=change.sentence,
        verdict=Verdict.BREAKING if change.breaks else Verdict.COMPATIBLE,
        before=change.before,
        after=change.after,
        counterexample=change.instance,
    )


def _tolerances(outputs: SchemaChange, old: ModelContract, new: ModelContract) -> Iterator[Reason]:
    """Tolerances are promises about numbers; a whole number is either equal or off by more."""
    if not any(admitted(spec).has_fractions for spec in outputs.new["properties"].values()):
        return
    yield from _tolerance(outputs, "golden_tolerance", old.golden_tolerance, new.golden_tolerance, "")
    yield from _tolerance(
        outputs,
        "golden_relative_tolerance",
        old.golden_relative_tolerance,
        new.golden_relative_tolerance,
        " of their size",
    )


def _tolerance(outputs: SchemaChange, name: str, before: float, after: float, of_what: str) -> Iterator[Reason]:
    if before == after:
        return
    raised = after > before
    change = f"Replayed numbers may be off by {after}{of_what} now; it was {before}."
    yield Reason(
        side="output",
        pointer=f"/{name}",
        rule="tolerance-raised" if raised else "tolerance-lowered",
        sentence=f"{change} {'Answers are promised less exactly.' if raised else 'Answers are promised more exactly.'}",
        verdict=Verdict.BREAKING if raised else Verdict.COMPATIBLE,
        before={name: before},
        after={name: after},
        counterexample=outputs.shared_example() if raised else None,
    )
