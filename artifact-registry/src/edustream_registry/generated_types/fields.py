"""What the fields of a contract admit, in the terms that a type in a programming language needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from edustream_contracts.contract import Kind, ModelContract

Side = Literal["input", "output"]
SIDES: Final[tuple[Side, ...]] = ("input", "output")
Scalar = str | bool | int | float

_BOUNDS: Final = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}
_LENGTHS: Final = {"minLength": "at least", "maxLength": "at most"}
# Whole numbers beyond it are no longer told from their neighbours by a double.
_LARGEST_WHOLE: Final = 2**53


@dataclass(frozen=True, slots=True)
class FieldType:
    """One field: which JSON values it admits, and what people should know of it.

    `values` are the only admitted values apart from null, or None where `rules` (the keywords for bounds, lengths and
    the pattern) decide. `notes` are sentences about unit, range and form.
    """

    name: str
    pointer: str
    kind: Kind
    required: bool
    nullable: bool
    values: tuple[Scalar, ...] | None
    rules: Mapping[str, Any]
    description: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowType:
    """One side of a contract: the class name `ChurnInput`, what it is, and its fields in the contract's order."""

    name: str
    description: str
    fields: tuple[FieldType, ...]


def row_types(contract: ModelContract) -> tuple[RowType, RowType]:
    """The input and the output of a contract."""
    given, answer = (_row_type(contract, side) for side in SIDES)
    return given, answer


def _row_type(contract: ModelContract, side: Side) -> RowType:
    schema = contract.document[side]
    model = "".join(part.capitalize() for part in contract.model.split("-"))
    return RowType(
        name=model + side.capitalize(),
        description=schema.get("description") or f"{contract.title}: the {side}",
        fields=tuple(
            _field_type(name, f"/{side}/properties/{name}", spec, name in schema["required"])
            for name, spec in schema["properties"].items()
        ),
    )


def _field_type(name: str, pointer: str, spec: Mapping[str, Any], required: bool) -> FieldType:
    kinds = spec["type"] if isinstance(spec["type"], list) else [spec["type"]]
    # The profile sees to it that every listed value satisfies the field's other keywords.
    listed = [spec["const"]] if "const" in spec else spec.get("enum")
    return FieldType(
        name=name,
        pointer=pointer,
        kind=kinds[0],
        required=required,
        nullable="null" in kinds if listed is None else None in listed,
        values=None if listed is None else tuple(plain_number(value) for value in listed if value is not None),
        rules={key: spec[key] for key in (*_BOUNDS, *_LENGTHS, "pattern") if key in spec},
        description=spec["description"],
        notes=tuple(_notes(spec, kinds[0])),
    )


def plain_number(value: Any) -> Any:
    """A whole number as an `int`, since 12 and 12.0 are one JSON value; everything else as it is."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= _LARGEST_WHOLE:
        return int(value)
    return value


def _notes(spec: Mapping[str, Any], kind: Kind) -> Iterator[str]:
    if kind == "integer" and "enum" not in spec:
        yield "A whole number."
    if "x-unit" in spec:
        yield f"Unit: {spec['x-unit']}."
    if bounds := _listed(spec, _BOUNDS):
        yield f"Range: {bounds}."
    if lengths := _listed(spec, _LENGTHS):
        yield f"Characters: {lengths}."
    if "pattern" in spec:
        yield f"Pattern: {spec['pattern']}"
    if "x-class" in spec:
        yield f"Class: {spec['x-class']}."


def _listed(spec: Mapping[str, Any], words: Mapping[str, str]) -> str:
    return ", ".join(f"{word} {plain_number(spec[key])}" for key, word in words.items() if key in spec)
