"""What the columns of a file are for, and what is wrong with them; said before any row is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import InvalidInput, Problem

MODEL: Final = "model"
VERSION: Final = "model_version"
NAMELESS: Final = '""'


@dataclass(frozen=True, slots=True)
class FileColumns:
    """`fields` are given to the model; `kept` go to the output, before the answers."""

    fields: tuple[str, ...]
    kept: tuple[str, ...]


def assigned(
    schema: pa.Schema, contract: ModelContract, carried: Sequence[str], kept: Sequence[str] | None, path: str
) -> FileColumns:
    """What each column is for: those in `carried` are no fields and only pass through, `kept` of None keeps all.

    Raises `InvalidInput` (kind `data`) that names every column which is unknown, missing, there twice, of a type that
    no field is read from, or named in an option and not there.
    """
    problems = [
        *_unfit(schema, contract, carried),
        *_unnamed(schema, "--carry", carried),
        *_unnamed(schema, "--columns", kept or ()),
    ]
    going = tuple(schema.names) if kept is None else tuple(dict.fromkeys(kept))
    answers = [*(field.name for field in contract.outputs), MODEL, VERSION]
    problems.extend(
        Problem(name, "is the name of an answer as well; name the others with --columns, or rename it")
        for name in going
        if name in answers
    )
    if problems:
        raise InvalidInput(
            "data",
            f"The columns of {path} are not those of the contract of {contract.model}.",
            remedy="have the file made with the contract's columns; --carry NAME,... passes columns on that the model "
            "does not get.",
            problems=[Problem(problem.pointer or NAMELESS, problem.message) for problem in problems],
        )
    known = {field.name for field in contract.inputs} - set(carried)
    return FileColumns(tuple(name for name in schema.names if name in known), going)


def _unfit(schema: pa.Schema, contract: ModelContract, carried: Sequence[str]) -> Iterator[Problem]:
    known = {field.name for field in contract.inputs}
    for name, count in Counter(schema.names).items():
        if count > 1:
            yield Problem(name, f"occurs {count} times")
        elif name not in known:
            if name not in carried:
                yield Problem(name, "is not a field of the contract")
        elif name in carried:
            yield Problem(name, "is a field of the contract, which the model gets; leave it out of --carry")
        elif not _is_readable(kind := schema.field(name).type):
            yield Problem(
                name, f"is of type {kind}; only integers, 32-bit and 64-bit floats, booleans and texts are read"
            )
    for name in contract.document["input"]["required"]:
        if name not in schema.names:
            yield Problem(name, "is missing")


def _unnamed(schema: pa.Schema, option: str, names: Iterable[str]) -> Iterator[Problem]:
    for name in names:
        if name not in schema.names:
            yield Problem(name, f"is named in {option} and is no column of the file")


def _is_readable(kind: pa.DataType) -> bool:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    checks = (
        *(pa.types.is_integer, pa.types.is_float32, pa.types.is_float64, pa.types.is_boolean),
        *(pa.types.is_string, pa.types.is_large_string, pa.types.is_null),
    )
    return any(check(plain) for check in checks)
