"""What a contract admits of a model's answers: told of a whole batch by two comparisons, or by one look into a set."""

from __future__ import annotations

from collections.abc import Mapping
from ctypes import c_float
from math import inf
from typing import Any, Final

from edustream_contracts import meaning, value_set
from edustream_contracts.contract import Field
from edustream_contracts.number_set import NumberSet
from edustream_contracts.text_set import TextSet
from edustream_contracts.value_set import Listed

INT64: Final = (-(2**63), 2**63 - 1)
"""What JSON, columns and INT64 tensors can all hold."""
ANY_TEXT: Final = TextSet(0, None, None)


class NotAdmitted(ValueError):
    """A value that an output field does not admit; the message names the field, the value, and what is admitted."""


class Admission:
    """What one output field admits; its numbers are from `low` to `high`, both included."""

    def __init__(self, field: Field, spec: Mapping[str, Any]) -> None:
        """`spec` is the field's schema."""
        values = value_set.admitted(spec).body
        self._field = field
        self._spec = spec
        self._listed = values.members if isinstance(values, Listed) else None
        self._texts = values if isinstance(values, TextSet) and values != ANY_TEXT else None
        self._is_number = field.kind in ("number", "integer")
        self.low, self.high = (values.low, values.high) if isinstance(values, NumberSet) else (-inf, inf)
        if field.kind == "integer":
            self.low, self.high = max(self.low, INT64[0]), min(self.high, INT64[1])
        bounds = [spec[keyword] for keyword in ("minimum", "maximum") if keyword in spec and field.kind == "number"]
        # A model that ends its answers at 0.1 gives 0.10000000149.
        self._in_float32: dict[float, float] = {
            c_float(bound).value: bound for bound in bounds if self.low <= bound <= self.high
        }

    @property
    def lists(self) -> bool:
        """Whether only listed values are admitted."""
        return self._listed is not None

    def spans(self, least: float, greatest: float) -> bool:
        """Whether every number between these two is admitted; False for NaN."""
        return self._listed is None and self.low <= least and greatest <= self.high

    def usable(self, values: list[Any]) -> list[Any]:
        """The values, each of which is of the field's kind, and none NaN; a bound that a float32 missed is put right.

        Raises `NotAdmitted`.
        """
        if self._is_number and values and not (self.low <= min(values) and max(values) <= self.high):
            values = [self._within(value) for value in values]
        if self._listed is not None and not self._listed.issuperset(values):
            raise self.refusal(next(value for value in values if value not in self._listed))
        if self._texts is not None:
            for text in dict.fromkeys(values):
                if any(self._texts.refusals(text)):
                    raise self.refusal(text)
        return values

    def refusal(self, value: Any) -> NotAdmitted:
        """What there is to say of a value that is not admitted."""
        found = f"{self._field.name} {meaning.found(value, self._field.unit)}"
        if self._field.kind == "integer" and not INT64[0] <= value <= INT64[1]:
            return NotAdmitted(f"{found}; an answer holds whole numbers of 64 bits")
        return NotAdmitted(f"{found}; the contract admits {meaning.admitted(self._spec)}")

    def _within(self, value: float) -> float:
        if self.low <= value <= self.high:
            return value
        if value not in self._in_float32:
            raise self.refusal(value)
        return self._in_float32[value]
