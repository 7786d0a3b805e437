from __future__ import annotations

import copy
from typing import Any

import pytest

from edustream_contracts.resources import read_json


@pytest.fixture
def churn_document() -> dict[str, Any]:
    """A private copy of the churn contract's document, for tests that damage it."""
    return copy.deepcopy(read_json("models", "churn", "contract.json"))
