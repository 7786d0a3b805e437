"""What a contract admits and a model's `numeric` tensor, float32, cannot hold (PROTOCOL.md, section 8.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from edustream_contracts.contract import Field, ModelContract
from edustream_contracts.errors import Problem
from edustream_contracts.meaning import found
from edustream_contracts.number_set import NumberSet
from edustream_contracts.value_set import Listed, ValueSet, admitted

# (2 - 2**-23) * 2**127, the largest finite number of IEEE 754 binary32.
FLOAT32_MAX: Final = 3.4028234663852886e38


def beyond_float32(row: Mapping[str, Any], fields: Sequence[Field]) -> list[Problem]:
    """The numbers of a valid row that a float32 cannot hold; `fields` are those of `unbounded`."""
    return [
        Problem(f"/{field.name}", f"{found(row[field.name], field.unit)}; the model takes 32-bit numbers, up to 3.4e38")
        for field in fields
        if abs(row.get(field.name) or 0) > FLOAT32_MAX
    ]


def unbounded(contract: ModelContract) -> tuple[Field, ...]:
    """The numeric input fields whose contract admits numbers that a float32 cannot hold."""
    specs = contract.document["input"]["properties"]
    return tuple(field for field in contract.inputs if _greatest(admitted(specs[field.name])) > FLOAT32_MAX)


def _greatest(values: ValueSet) -> float:
    """The greatest absolute value of the numbers of a set; 0 where there is none."""
    if isinstance(values.body, NumberSet):
        return max(abs(values.body.low), abs(values.body.high))
    listed = values.body.values if isinstance(values.body, Listed) and values.family == "number" else ()
    return max(map(abs, listed), default=0)
