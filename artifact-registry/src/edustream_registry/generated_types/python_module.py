"""Writes a contract as a pydantic module that accepts exactly the instances that the contract accepts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import InvalidInput, Problem
from edustream_registry.generated_types.fields import FieldType, RowType, plain_number, row_types
from edustream_registry.generated_types.patterns import Untranslatable, translate
from edustream_registry.generated_types.preamble import BASE, DEFINITIONS, IMPORTS, RESERVED
from edustream_registry.generated_types.source_text import docstring, python_text

_WIDTH: Final = 100
_CONSTRAINTS: Final = {
    "minimum": "ge",
    "exclusiveMinimum": "gt",
    "maximum": "le",
    "exclusiveMaximum": "lt",
    "minLength": "min_length",
    "maxLength": "max_length",
    "pattern": "pattern",
}
# A bound on a whole number, itself made whole without moving any whole number over it.
_WHOLE_BOUND: Final = {
    "minimum": math.ceil,
    "exclusiveMinimum": math.floor,
    "maximum": math.floor,
    "exclusiveMaximum": math.ceil,
}


def python_module(contract: ModelContract, header: Sequence[str]) -> str:
    """The source of a module with one class for the input and one for the output; `header` lines become comments.

    Raises `InvalidInput` (kind `contract`) with every pattern that pydantic cannot check as the contract means it.
    """
    return _Module(contract, header).source()


class _Module:
    """Writes the classes, and notes which imports and definitions they use."""

    def __init__(self, contract: ModelContract, header: Sequence[str]) -> None:
        self._contract = contract
        self._header = header
        self._used = {"BaseModel", "ConfigDict"}
        self._problems: list[Problem] = []

    def source(self) -> str:
        """The module's text."""
        rows = [self._row(row) for row in row_types(self._contract)]
        if self._problems:
            raise InvalidInput(
                "contract",
                f"The contract of {self._contract.model} has a pattern that no pydantic type can check as it is meant.",
                remedy="write the pattern with sets such as [0-9] and without backreferences, or ask for --typescript.",
                problems=self._problems,
            )
        functions, names = self._definitions()
        about = f"Input and output of the model {self._contract.model}. Needs pydantic 2.12 or newer."
        head = [*(f"# {line}".rstrip() for line in self._header), docstring([about], "")]
        blocks = ["\n".join(head), "\n".join(self._imports())]
        return "\n\n".join([*blocks, *(f"\n{code}" for code in functions), *names, f"\n{BASE}", *rows]) + "\n"

    def _row(self, row: RowType) -> str:
        taken = {field.name for field in row.fields}
        lines = [f"\nclass {row.name}(_Row):", docstring([row.description], "    ")]
        for field in row.fields:
            name = _attribute(field.name, taken)
            taken.add(name)
            assigned = self._assigned(field, name)
            lines += ["", f"    {name}: {self._annotation(field)}{assigned}"]
            lines.append(docstring([field.description, *field.notes], "    "))
        return "\n".join(lines)

    def _assigned(self, field: FieldType, name: str) -> str:
        if name == field.name:
            return "" if field.required else " = None"
        arguments = [*(() if field.required else ("default=None",)), f"alias={python_text(field.name)}"]
        return f" = {self._use('Field')}({', '.join(arguments)})"

    def _annotation(self, field: FieldType) -> str:
        admitted = self._finite(field, field.values) if field.values is not None else self._ruled(field)
        if field.nullable:
            return f"{admitted} | None" if admitted else "None"
        return admitted if field.required else f"{self._use('Omissible')}[{admitted}]"

    def _finite(self, field: FieldType, values: Sequence[Any]) -> str:
        if not values:
            return ""
        if any(isinstance(value, float) for value in values):
            schema = self._call("WithJsonSchema", json.dumps({"enum": list(values)}))
            return self._annotated(self._use("Number"), self._call("_one_of", *map(repr, values)), schema)
        shown = [python_text(value) if isinstance(value, str) else repr(value) for value in values]
        literal = _bracketed(self._use("Literal"), shown)
        if field.kind == "string":
            return literal
        exact = self._call("_one_of", *map(repr, values)) if field.kind == "boolean" else self._use("Whole")
        return self._annotated(literal, exact)

    def _ruled(self, field: FieldType) -> str:
        if field.kind == "boolean":
            return self._use("StrictBool")
        rules = dict(self._rules(field))
        constraints = [f"{_CONSTRAINTS[key]}={value}" for key, value in rules.items()]
        bounded = [self._call("Field", *constraints)] if constraints else []
        if field.kind == "number":
            return self._number(rules, bounded)
        base, last = ("StrictInt", "Whole") if field.kind == "integer" else ("StrictStr", "Text")
        return self._annotated(self._use(base), *bounded, self._use(last))

    def _number(self, rules: Mapping[str, str], bounded: Sequence[str]) -> str:
        if not rules:
            return self._use("Number")
        schema = ", ".join(['"type": "number"', *(f'"{key}": {value}' for key, value in rules.items())])
        return self._annotated(self._use("Number"), *bounded, self._call("WithJsonSchema", f"{{{schema}}}"))

    def _rules(self, field: FieldType) -> Iterator[tuple[str, str]]:
        """The keywords that mean something for the kind of field, each with its value as an expression."""
        for key, value in field.rules.items():
            if key == "pattern" and field.kind == "string":
                yield from self._pattern(field, value)
            elif key in ("minLength", "maxLength") and field.kind == "string":
                yield key, repr(int(value))
            elif key in _WHOLE_BOUND and field.kind == "integer":
                yield key, repr(_WHOLE_BOUND[key](value))
            elif key in _WHOLE_BOUND and field.kind == "number":
                yield key, repr(plain_number(value))

    def _pattern(self, field: FieldType, pattern: str) -> Iterator[tuple[str, str]]:
        try:
            translated = translate(pattern)
        except Untranslatable as error:
            self._problems.append(Problem(f"{field.pointer}/pattern", str(error)))
            return
        text = python_text(translated.text)
        yield "pattern", text if translated.engine == "rust" else f"{self._use('re')}.compile({text})"

    def _annotated(self, base: str, *metadata: str) -> str:
        return _bracketed(self._use("Annotated"), [base, *metadata])

    def _call(self, name: str, *arguments: str) -> str:
        return f"{self._use(name)}({', '.join(arguments)})"

    def _use(self, name: str) -> str:
        if name not in self._used:
            self._used.add(name)
            if name in DEFINITIONS:
                for other in (*DEFINITIONS[name].imports, *DEFINITIONS[name].needs):
                    self._use(other)
        return name

    def _imports(self) -> Iterator[str]:
        if "re" in self._used:
            yield "import re"
        for module, names in IMPORTS.items():
            used = [name for name in names if name in self._used]
            inline = f"from {module} import {', '.join(used)}"
            if len(inline) > _WIDTH:
                inline = "\n".join([f"from {module} import (", *(f"    {name}," for name in used), ")"])
            if used:
                yield f"\n{inline}" if module == "pydantic" else inline

    def _definitions(self) -> tuple[list[str], list[str]]:
        """The functions, each between empty lines, and the names, in one block."""
        used = {name: one.code for name, one in DEFINITIONS.items() if name in self._used}
        functions = [code for name, code in used.items() if name.startswith("_")]
        names = [code for name, code in used.items() if not name.startswith("_")]
        return functions, ["\n" + "\n".join(names)] if names else []


def _bracketed(name: str, arguments: Sequence[str]) -> str:
    """`name[...]` for a field's annotation, on one line or with one argument a line."""
    inline = f"{name}[{', '.join(arguments)}]"
    if len(inline) <= _WIDTH:
        return inline
    return "\n".join([f"{name}[", *(f"        {argument}," for argument in arguments), "    ]"])


def _attribute(name: str, taken: set[str]) -> str:
    """A name that pydantic and Python allow for the field `name`: itself, or one that stands for it by an alias."""
    if name not in RESERVED and not name.startswith("_"):
        return name
    attribute = name.lstrip("_")
    if not attribute[:1].isalpha():
        attribute = f"field_{attribute}"
    while attribute in taken or attribute in RESERVED:
        attribute += "_"
    return attribute
