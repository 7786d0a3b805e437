"""Writes a contract as a TypeScript declaration."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from edustream_contracts.contract import Kind, ModelContract
from edustream_registry.generated_types.fields import FieldType, RowType, Scalar, row_types
from edustream_registry.generated_types.source_text import comment, typescript_text

_TYPES: Final[dict[Kind, str]] = {"number": "number", "integer": "number", "string": "string", "boolean": "boolean"}


def typescript_declaration(contract: ModelContract, header: Sequence[str]) -> str:
    """The text of a `.d.ts` file with one interface for the input and one for the output."""
    head = "\n".join(f"// {line}".rstrip() for line in header)
    return "\n\n".join([head, *("\n".join(_interface(row)) for row in row_types(contract))]) + "\n"


def _interface(row: RowType) -> Iterator[str]:
    yield from comment([row.description], "")
    yield f"export interface {row.name} {{"
    for field in row.fields:
        yield from comment([field.description, *field.notes], "  ")
        yield f"  {field.name}{'' if field.required else '?'}: {_type(field)};"
    yield "}"


def _type(field: FieldType) -> str:
    admitted = [_TYPES[field.kind]] if field.values is None else [_literal(value) for value in field.values]
    return " | ".join([*admitted, "null"] if field.nullable else admitted)


def _literal(value: Scalar) -> str:
    return typescript_text(value) if isinstance(value, str) else json.dumps(value)
