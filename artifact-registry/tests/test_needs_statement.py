"""What one statement of needs says: its fields, its expiry, its id."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import InvalidInput
from edustream_registry.names import Reference
from edustream_registry.needs import (
    Needs,
    expiry,
    matters_until,
    statement_id,
)
from edustream_registry.testing.clock import ManualClock


@pytest.mark.parametrize("lifetime_s", [60, 3600, 129600, 1e6 / 7])
@given(seconds=st.integers(0, 10**9))
def test_all_processes_arrive_at_the_same_expiry(lifetime_s: float, seconds: int) -> None:
    now = ManualClock()() + timedelta(seconds=seconds)

    left_s = (expiry(now, lifetime_s) - now).total_seconds()

    assert 2 / 3 * lifetime_s - 1 <= left_s <= lifetime_s + 1
    assert expiry(now, lifetime_s) <= expiry(now + timedelta(seconds=1), lifetime_s)


def test_fields_are_those_of_the_contract_unless_named(contract: ModelContract) -> None:
    found = Needs.of(Reference.parse("churn@^1"), "1.2.0", contract)

    assert found.sends == tuple(field.name for field in contract.inputs)
    assert found.reads == tuple(field.name for field in contract.outputs)
    assert (found.model, found.major, found.running, found.follows) == ("churn", 1, "1.2.0", "^1")
    assert Needs.of(Reference.parse("churn@production"), "1.2.0", contract, reads=["probability"], major=3).major == 3


def test_names_that_the_contract_does_not_have_are_all_told(contract: ModelContract) -> None:
    with pytest.raises(InvalidInput) as caught:
        Needs.of(Reference.parse("churn@production"), "1.0.0", contract, ["tenure", "age"], ["score"])

    told = " ".join(map(str, caught.value.problems))
    required = set(contract.input_schema["required"]) - {"tenure"}
    assert all(repr(name) in told for name in {"age", "score", *required})


def test_an_id_tells_until_when_it_matters_and_what_is_said() -> None:
    said = {"consumer": "api", "write_id": "x", "stated_at": "y"}

    found = statement_id(said, 1_800_000_000)

    assert matters_until(found) == 1_800_000_000
    assert found == statement_id({"consumer": "api"}, 1_800_000_000) != statement_id({"consumer": "b"}, 1_800_000_000)
    assert len(found) == 32
