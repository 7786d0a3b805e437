"""Which rows of an Arrow record batch satisfy a contract, column by column: the verdict of the row validator."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from edustream_contracts.contract import Field, ModelContract
from edustream_contracts.tensor_range import FLOAT32_MAX, unbounded
from edustream_contracts.validation import SchemaValidator
from edustream_contracts.value_set import admitted

from edustream_api.offline.cells import Mask, null_mask, numbers, texts

MAX_REMEMBERED: Final = 100_000
# So many comparisons of a whole column cost less than a search.
FEW: Final = 8


class ColumnCheck:
    """A contract's input, compiled for columns.

    A column that is not there leaves its field out of every row. A null is null where the contract admits null; where
    it does not and the field is not required, null leaves the field out, since a column has no other way to say so.
    """

    def __init__(self, contract: ModelContract) -> None:
        limited = {field.name for field in unbounded(contract)}
        self._checks = {
            field.name: _check(field, contract.document["input"], limited=field.name in limited)
            for field in contract.inputs
        }

    def accepted(self, batch: pa.RecordBatch) -> Mask:
        """Whether each row satisfies the contract and fits the model's tensors, bool (n,).

        Columns that are no fields are not looked at. Raises `InvalidInput` (kind `data`) for texts that are no UTF-8.
        """
        verdict = np.ones(batch.num_rows, dtype=np.bool_)
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name in self._checks:
                verdict &= self._checks[name].accepted(column)
        return verdict


class FieldCheck(ABC):
    """One field: what it does with null, and what it admits of a column of its own kind."""

    KINDS: ClassVar[tuple[Callable[[pa.DataType], bool], ...]]

    def __init__(self, *, null: bool) -> None:
        self._null = null

    def accepted(self, column: pa.Array) -> Mask:
        """Whether each cell is admitted, bool (n,)."""
        kind = _value_type(column.type)
        if any(is_kind(kind) for is_kind in self.KINDS):
            return self._own(column)
        return null_mask(column) & self._null

    @abstractmethod
    def _own(self, column: pa.Array) -> Mask:
        """Whether each cell of a column of one of `KINDS` is admitted, bool (n,)."""


class NumberCheck(FieldCheck):
    """A field of numbers; every comparison is exact, of integers as integers.

    A contract's numbers are doubles, since it has a canonical form (RFC 8785), so floats are compared with them as
    they are. Integers are compared with the decimals that the canonical form writes: beyond 2**53 the double itself may
    be another number.
    """

    KINDS = (pa.types.is_integer, pa.types.is_floating)

    def __init__(self, spec: Mapping[str, Any], *, null: bool, whole: bool, limited: bool) -> None:
        super().__init__(null=null)
        self._whole = whole
        self._limited = limited
        self._bounds = {keyword: spec[keyword] for keyword in BOUNDS if keyword in spec}
        self._listed = _listed(spec)

    def _own(self, column: pa.Array) -> Mask:
        values, null = numbers(column)
        whole = values.dtype.kind in "iu"
        fits = self._integers(values) if whole else self._floats(values.astype(np.float64, copy=False))
        return fits if null is None else np.where(null, self._null, fits)

    def _integers(self, values: npt.NDArray[Any]) -> Mask:
        if self._listed is not None:
            extent = np.iinfo(values.dtype)
            exact = [_decimal(value) for value in self._listed]
            whole = [int(value) for value in exact if value == value.to_integral_value()]
            return _among(values, [value for value in whole if extent.min <= value <= extent.max])
        fits = np.ones(len(values), dtype=np.bool_)
        for keyword, double in self._bounds.items():
            bound = _decimal(double)
            if keyword == "minimum":
                fits &= values >= math.ceil(bound)
            elif keyword == "exclusiveMinimum":
                fits &= values > math.floor(bound)
            elif keyword == "maximum":
                fits &= values <= math.floor(bound)
            else:
                fits &= values < math.ceil(bound)
        return fits

    def _floats(self, values: npt.NDArray[np.float64]) -> Mask:
        fits = np.isfinite(values)
        if self._limited:
            fits &= np.abs(values) <= FLOAT32_MAX
        if self._listed is not None:
            return fits & _among(values, self._listed)
        if self._whole:
            fits &= np.trunc(values) == values
        for keyword, bound in self._bounds.items():
            if keyword == "minimum":
                fits &= values >= bound
            elif keyword == "exclusiveMinimum":
                fits &= values > bound
            elif keyword == "maximum":
                fits &= values <= bound
            else:
                fits &= values < bound
        return fits


class BooleanCheck(FieldCheck):
    """A field of booleans."""

    KINDS = (pa.types.is_boolean,)

    def __init__(self, spec: Mapping[str, Any], *, null: bool) -> None:
        super().__init__(null=null)
        listed = _listed(spec)
        self._admits = (listed is None or False in listed, listed is None or True in listed)

    def _own(self, column: pa.Array) -> Mask:
        values, null = numbers(column)
        fits = np.where(values, self._admits[True], self._admits[False])
        return fits if null is None else np.where(null, self._null, fits)


class TextCheck(FieldCheck):
    """A field of texts: the row validator judges each different text once."""

    KINDS = (pa.types.is_string, pa.types.is_large_string)

    def __init__(self, spec: Mapping[str, Any], *, null: bool) -> None:
        super().__init__(null=null)
        self._validator = SchemaValidator(spec)
        self._known: dict[str, bool] = {}

    def _own(self, column: pa.Array) -> Mask:
        codes, values = texts(column)
        if len(self._known) > MAX_REMEMBERED:
            self._known.clear()
        verdicts = np.array([self._judged(value) for value in values], dtype=np.bool_)
        # Mostly all of them are admitted, and then no cell has to be looked at.
        judged: Mask = np.ones(len(codes), dtype=np.bool_) if verdicts.all() else verdicts[codes]
        return judged

    def _judged(self, text: str | None) -> bool:
        if text is None:
            return self._null
        verdict = self._known.get(text)
        if verdict is None:
            verdict = self._known[text] = self._validator.is_valid(text)
        return verdict


BOUNDS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def _check(field: Field, schema: Mapping[str, Any], *, limited: bool) -> FieldCheck:
    spec = schema["properties"][field.name]
    null = admitted(spec).null or not (field.nullable or field.name in schema["required"])
    if field.kind == "string":
        return TextCheck(spec, null=null)
    if field.kind == "boolean":
        return BooleanCheck(spec, null=null)
    return NumberCheck(spec, null=null, whole=field.kind == "integer", limited=limited)


def _listed(spec: Mapping[str, Any]) -> list[Any] | None:
    """The values of an enumeration or a constant but for null; None where there is neither."""
    if "const" not in spec and "enum" not in spec:
        return None
    values = [spec["const"]] if "const" in spec else spec["enum"]
    return [value for value in values if value is not None]


def _decimal(number: float) -> Decimal:
    """The number that the shortest text of a double says, as JSON has it."""
    return Decimal(repr(number))


def _among(values: npt.NDArray[Any], listed: Sequence[float]) -> Mask:
    if len(listed) > FEW:
        return np.isin(values, np.array(listed, dtype=values.dtype))
    found: Mask = np.zeros(len(values), dtype=np.bool_)
    for value in listed:
        found |= values == values.dtype.type(value)
    return found


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
