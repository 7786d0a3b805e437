from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from edustream_contracts.contract import ModelContract, contract_from, load_contract
from edustream_contracts.tensor_range import FLOAT32_MAX, beyond_float32, unbounded


def contract_with(**keywords: Any) -> ModelContract:
    """The churn contract with other keywords for `total_charges`."""
    document = json.loads(json.dumps(load_contract("churn").document))
    document["input"]["properties"]["total_charges"] = {"description": "?", "x-unit": "USD", **keywords}
    for example in document["input"]["examples"]:
        example["total_charges"] = keywords.get("const", 1)
    return contract_from(document)


def test_the_limit_is_the_largest_float32() -> None:
    assert struct.unpack("<f", struct.pack("<I", 0x7F7FFFFF))[0] == FLOAT32_MAX


def test_bounded_and_listed_fields_need_no_check() -> None:
    assert unbounded(load_contract("churn")) == ()
    assert unbounded(contract_with(type="number", enum=[1, 29.85, 1889.5])) == ()
    assert unbounded(contract_with(type="number", const=1)) == ()
    assert unbounded(contract_with(type="number", exclusiveMinimum=0, exclusiveMaximum=10)) == ()


@pytest.mark.parametrize("listed", [{"enum": [1, 1e300]}, {"enum": [1, -1e300]}, {"const": 1e300}])
def test_a_listed_number_that_a_float32_cannot_hold_is_named(listed: dict[str, Any]) -> None:
    (field,) = unbounded(contract_with(type="number", **listed))

    assert field.name == "total_charges"


@pytest.mark.parametrize(
    "bounds",
    [{}, {"minimum": 0}, {"maximum": 1e6}, {"minimum": 0, "maximum": 1e39}, {"minimum": -1e39, "maximum": 1e6}],
)
def test_what_a_float32_cannot_hold_is_named(bounds: dict[str, float]) -> None:
    fields = unbounded(contract_with(type=["number", "null"], **bounds))
    assert [field.name for field in fields] == ["total_charges"]
    for fits in ({"total_charges": FLOAT32_MAX}, {"total_charges": None}, {}):
        assert beyond_float32(fits, fields) == []
    assert [str(problem) for problem in beyond_float32({"total_charges": -1e39}, fields)] == [
        "/total_charges: is -1e+39 USD; the model takes 32-bit numbers, up to 3.4e38"
    ]
    assert len(beyond_float32({"total_charges": 10**400}, fields)) == 1
