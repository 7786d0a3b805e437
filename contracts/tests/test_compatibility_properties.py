"""Laws of `compare` over drawn contracts. `make test` draws few of them, `make prove` many.

The sentence that they hold to account: the input may only widen (old is within new), the output may only narrow (new is
within old), and identical means that both sides admit the same.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from drawn_contracts import chains, instances
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edustream_contracts.compatibility import OF_MEANING, Comparison, Verdict, compare, compare_for, worst
from edustream_contracts.contract import ModelContract, contract_from
from edustream_contracts.schema_change import restricted
from edustream_contracts.validation import SchemaValidator

BUDGETS = [pytest.param(30, id="few"), pytest.param(2_000, id="many", marks=pytest.mark.prove)]
PAIRS, TRIPLES = chains(2), chains(3)


def hold(law: Callable[..., None], examples: int, **drawn: st.SearchStrategy[Any]) -> None:
    """Check a law on so many drawn examples."""
    quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    settings(max_examples=examples, deadline=None, suppress_health_check=quiet)(given(**drawn)(law))()


def changes_nothing(comparison: Comparison) -> bool:
    return comparison.verdict is Verdict.IDENTICAL


def breaks(comparison: Comparison) -> bool:
    return comparison.verdict is Verdict.BREAKING


def answers(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield from ({"label": "a", **row}, row)


def has_pattern(contract: ModelContract) -> bool:
    return any("pattern" in spec for spec in contract.document["input"]["properties"].values())


@pytest.mark.parametrize("examples", BUDGETS)
def test_no_instance_refutes_a_verdict(examples: int) -> None:
    def law(pair: list[ModelContract]) -> None:
        old, new = pair
        comparison = compare(old, new)
        for row in instances(old, new):
            before, after = old.input_validator.is_valid(row), new.input_validator.is_valid(row)
            if comparison.input is not Verdict.BREAKING:
                assert after or not before, row
            if comparison.input is Verdict.IDENTICAL:
                assert before == after, row
        for answer in answers(instances(old, new)):
            before, after = old.output_validator.is_valid(answer), new.output_validator.is_valid(answer)
            if comparison.output is not Verdict.BREAKING:
                assert before or not after, answer
            if comparison.output is Verdict.IDENTICAL:
                assert before == after, answer

    hold(law, examples, pair=PAIRS)


@pytest.mark.parametrize("examples", BUDGETS)
def test_every_counterexample_refutes_and_only_patterns_go_without(examples: int) -> None:
    def law(pair: list[ModelContract]) -> None:
        old, new = pair
        validators = {
            "input": (old.input_validator, new.input_validator),
            "output": (new.output_validator, old.output_validator),
        }
        for reason in compare(old, new).breaking:
            holder, other = validators[reason.side]
            if reason.rule in OF_MEANING:
                assert not reason.refutes
            elif reason.counterexample is None:
                assert has_pattern(old) or has_pattern(new), reason
            else:
                assert holder.problems(reason.counterexample) == []
                assert not other.is_valid(reason.counterexample)

    hold(law, examples, pair=PAIRS)


@pytest.mark.parametrize("examples", BUDGETS)
def test_a_contract_is_identical_with_itself_whatever_people_write_into_it(examples: int) -> None:
    def law(pair: list[ModelContract], text: str) -> None:
        document = copy.deepcopy(dict(pair[0].document))
        for side in ("input", "output"):
            for spec in document[side]["properties"].values():
                spec["description"] = f"x{text}"
                spec["title"] = text
                spec["examples"] = [text]
            document[side]["properties"] = dict(reversed(document[side]["properties"].items()))
            document[side]["required"] = document[side]["required"][::-1]
        document["description"] = f"x{text}"

        assert changes_nothing(compare(pair[0], contract_from(document)))

    hold(law, examples, pair=PAIRS, text=st.text(st.characters(exclude_categories=["Cs"]), max_size=5))


@pytest.mark.parametrize("examples", BUDGETS)
def test_identical_is_compatible_in_both_directions(examples: int) -> None:
    def law(pair: list[ModelContract]) -> None:
        there, back = compare(*pair), compare(*reversed(pair))

        assert changes_nothing(there) == changes_nothing(back)
        assert changes_nothing(there) == (not breaks(there) and not breaks(back))

    hold(law, examples, pair=PAIRS)


@pytest.mark.parametrize("examples", BUDGETS)
def test_two_harmless_steps_are_a_harmless_one(examples: int) -> None:
    def law(triple: list[ModelContract]) -> None:
        first, second, third = triple
        steps = [compare(first, second), compare(second, third)]
        whole = compare(first, third)

        if not any(map(breaks, steps)):
            assert not breaks(whole)
        if all(map(changes_nothing, steps)):
            assert changes_nothing(whole)

    hold(law, examples, triple=TRIPLES)


@pytest.mark.parametrize("examples", BUDGETS)
def test_a_consumer_is_harmed_by_what_it_sends_and_reads_alone(examples: int) -> None:
    def law(pair: list[ModelContract], data: st.DataObject) -> None:
        old, new = pair
        fields = old.document["input"]["properties"]
        needed = old.document["input"]["required"]
        sends = {*needed, *data.draw(st.sets(st.sampled_from(sorted(fields))))}
        reads = data.draw(st.sets(st.sampled_from(sorted(fields))))
        whole, own = compare(old, new), compare_for(old, new, sends, reads)

        assert own.input.severity <= whole.input.severity
        assert own.output.severity <= whole.output.severity
        sent = SchemaValidator(restricted(old.document["input"], sends))
        if own.input is not Verdict.BREAKING:
            for row in instances(old, new):
                assert new.input_validator.is_valid(row) or not sent.is_valid(row), row
        read_before = SchemaValidator(restricted(old.document["output"], reads))
        if own.output is not Verdict.BREAKING:
            for answer in answers(instances(old, new)):
                if new.output_validator.is_valid(answer):
                    assert read_before.is_valid({key: answer[key] for key in answer if key in reads}), answer
        for reason in own.breaking:
            if reason.side == "input" and reason.refutes:
                assert reason.counterexample is not None
                assert reason.counterexample.keys() <= sends
                assert old.input_validator.is_valid(reason.counterexample)
                assert not new.input_validator.is_valid(reason.counterexample)

    hold(law, examples, pair=PAIRS, data=st.data())


def test_the_worst_of_several_verdicts() -> None:
    assert worst([]) is Verdict.IDENTICAL
    assert worst([Verdict.COMPATIBLE, Verdict.IDENTICAL]) is Verdict.COMPATIBLE
    assert worst(list(Verdict)) is Verdict.BREAKING
