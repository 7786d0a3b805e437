from __future__ import annotations

import pytest

from edustream_contracts.errors import (
    Conflict,
    EduStreamError,
    GateRefused,
    Incompatible,
    InvalidInput,
    NothingToServe,
    OutcomeUnknown,
    Rejected,
    Unreachable,
)
from edustream_contracts.exit_codes import DONE, EXIT_CODES, USAGE, exit_code


def test_the_table_is_exactly_the_published_one() -> None:
    assert {
        InvalidInput: 2,
        NothingToServe: 3,
        Rejected: 4,
        Incompatible: 5,
        Unreachable: 6,
        OutcomeUnknown: 6,
        Conflict: 7,
        GateRefused: 8,
    } == EXIT_CODES
    assert (DONE, USAGE) == (0, 2)


def test_every_category_of_errors_has_a_code() -> None:
    assert set(EXIT_CODES) == set(EduStreamError.__subclasses__())


@pytest.mark.parametrize("category", EXIT_CODES)
def test_an_error_is_looked_up_by_its_category(category: type[EduStreamError]) -> None:
    error = category(min(category.KINDS), "A fact.", remedy="do this.")

    assert exit_code(error) == EXIT_CODES[category]
