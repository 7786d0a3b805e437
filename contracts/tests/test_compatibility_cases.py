"""Every hand-written case of `contracts/compatibility/`, and every counterexample that it brings about."""

from __future__ import annotations

import json

import pytest
from compatibility_cases import CASES, FOLDER, Case, Side

from edustream_contracts.compatibility import OF_MEANING, Comparison, Verdict, compare, compare_for
from edustream_contracts.schema_change import restricted
from edustream_contracts.validation import SchemaValidator

TOLD_APART_BY_TEXT = {"pattern-narrowed", "pattern-widened"}


def shown(comparison: Comparison, side: Side) -> dict[str, object]:
    verdict = comparison.input if side == "input" else comparison.output
    return {
        "verdict": str(verdict),
        "rules": sorted(reason.rule for reason in comparison.reasons if reason.side == side),
    }


def expected(of: dict[str, object]) -> dict[str, object]:
    return {**of, "rules": sorted(of["rules"])}  # type: ignore[call-overload]


def test_there_are_many_and_each_obeys_the_schema() -> None:
    validator = SchemaValidator(json.loads((FOLDER / "case.schema.json").read_bytes()))

    assert len(CASES) >= 60
    assert {case.name: validator.problems(case.document) for case in CASES} == {case.name: [] for case in CASES}
    assert len({case.document["why"] for case in CASES}) >= len(CASES) - 3


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_instances_of_a_case_are_valid_under_one_schema_alone(case: Case) -> None:
    old, new = SchemaValidator(case.document["old"]), SchemaValidator(case.document["new"])

    for name, holder, other in (("only_old", old, new), ("only_new", new, old)):
        if name in case.document:
            assert holder.problems(case.document[name]) == []
            assert not other.is_valid(case.document[name])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_verdict_and_rules(case: Case) -> None:
    for side in case.sides:
        comparison = compare(case.contract("old", side), case.contract("new", side))

        assert shown(comparison, side) == expected(case.document[side]), side


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_breaking_verdict_has_its_evidence(case: Case) -> None:
    decided = {"input": "only_old", "output": "only_new"}
    for side in case.sides:
        expectation = case.document[side]
        undecided = OF_MEANING | TOLD_APART_BY_TEXT
        if expectation["verdict"] == "breaking" and not undecided & set(expectation["rules"]):
            assert decided[side] in case.document
        if expectation["verdict"] != "breaking":
            assert decided[side] not in case.document


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_counterexample_refutes(case: Case) -> None:
    for side in case.sides:
        old, new = case.contract("old", side), case.contract("new", side)
        before = old.input_validator if side == "input" else old.output_validator
        after = new.input_validator if side == "input" else new.output_validator
        holder, other = (before, after) if side == "input" else (after, before)

        for reason in compare(old, new).reasons:
            assert reason.pointer.startswith(f"/{side}/") or reason.pointer == "/golden_tolerance"
            assert reason.sentence.endswith(".")
            if reason.verdict is not Verdict.BREAKING:
                assert reason.counterexample is None
            elif reason.rule in OF_MEANING:
                assert before.is_valid(reason.counterexample)
                assert after.is_valid(reason.counterexample)
                assert not reason.refutes
            elif reason.counterexample is None:
                assert reason.rule in TOLD_APART_BY_TEXT
                assert "no value was found" in reason.sentence
            else:
                assert reason.refutes
                assert holder.problems(reason.counterexample) == []
                assert not other.is_valid(reason.counterexample)


@pytest.mark.parametrize("case", [case for case in CASES if "consumers" in case.document], ids=str)
def test_what_consumers_need(case: Case) -> None:
    for consumer in case.document["consumers"]:
        sends, reads = consumer["sends"], consumer["reads"]
        for side in case.sides:
            old, new = case.contract("old", side), case.contract("new", side)
            comparison = compare_for(
                old, new, sends if side == "input" else ["bystander"], reads if side == "output" else ["bystander"]
            )

            assert shown(comparison, side) == expected(consumer[side]), (side, consumer)


def test_a_pattern_that_narrows_in_truth_is_shown_to() -> None:
    (case,) = (case for case in CASES if case.name == "pattern-changed")

    (reason,) = compare(case.contract("old", "output"), case.contract("new", "output")).breaking

    assert reason.refutes
    assert not compare(case.contract("old", "input"), case.contract("new", "input")).breaking[0].refutes


def test_restricting_keeps_what_is_known() -> None:
    (case,) = (case for case in CASES if case.name == "optional-field-added")

    assert restricted(case.document["new"], ["a"]) == case.document["old"]
