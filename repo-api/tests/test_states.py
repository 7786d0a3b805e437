from __future__ import annotations

import pytest
from edustream_contracts.errors import EduStreamError, Incompatible, NothingToServe, Rejected, Unreachable
from edustream_contracts.exit_codes import exit_code

from edustream_api.states import MEANINGS, State, state_of


@pytest.mark.parametrize(
    ("kind", "state", "code"),
    [
        (NothingToServe, State.NO_RELEASE, 3),
        (Rejected, State.REJECTED, 4),
        (Incompatible, State.INCOMPATIBLE, 5),
        (Unreachable, State.UNREACHABLE, 6),
    ],
)
def test_each_error_has_its_state_and_exit_code(kind: type[EduStreamError], state: State, code: int) -> None:
    error = kind(min(kind.KINDS), "A fact.", remedy="do something.")
    assert (state_of(error), exit_code(error)) == (state, code)
    assert not state.serves


def test_two_states_serve() -> None:
    assert {state for state in State if state.serves} == {State.READY, State.DEGRADED}


def test_every_state_has_a_meaning() -> None:
    assert set(MEANINGS) == set(State)
    assert all(state.meaning.endswith(".") for state in State)
