"""A model contract: what one input row and one answer look like, as a value that both sides build upon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

from edustream_contracts.canonical import canonical_json, document_digest
from edustream_contracts.contract_profile import profile_problems
from edustream_contracts.errors import InvalidInput, Problem, Rejected
from edustream_contracts.json_document import parse_json
from edustream_contracts.resources import documents
from edustream_contracts.row_validator import RowValidator

FILE_NAME: Final = "contract.json"
MAX_BYTES: Final = 1024 * 1024

Kind = Literal["number", "integer", "string", "boolean"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a contract's input or output.

    `categories` are the allowed values of an enumeration; `minimum` and `maximum` are inclusive, in `unit`.
    """

    name: str
    kind: Kind
    nullable: bool
    title: str
    description: str
    unit: str | None
    categories: tuple[Any, ...] | None
    minimum: float | None
    maximum: float | None
    for_class: str | None

    @property
    def is_numeric(self) -> bool:
        """Whether the field travels in the `numeric` tensor; strings travel in `categorical`."""
        return self.kind != "string"


@dataclass(frozen=True)
class ModelContract:
    """A contract document that keeps to the closed profile of JSON Schema 2020-12 (see PROTOCOL.md, section 8)."""

    document: Mapping[str, Any]

    def __getstate__(self) -> dict[str, Any]:
        # A compiled validator cannot be pickled; another process compiles its own from the document.
        return {"document": self.document}

    @property
    def model(self) -> str:
        """The name of the model that the contract is about."""
        return str(self.document["model"])

    @property
    def title(self) -> str:
        """The contract's title, for people."""
        return str(self.document["title"])

    @property
    def description(self) -> str:
        """The question that the model answers, for people."""
        return str(self.document["description"])

    @property
    def input_schema(self) -> dict[str, Any]:
        """The JSON Schema of one input row."""
        return dict(self.document["input"])

    @property
    def output_schema(self) -> dict[str, Any]:
        """The JSON Schema of one answer."""
        return dict(self.document["output"])

    @property
    def golden_tolerance(self) -> float:
        """The largest absolute difference that a replayed number may show."""
        return float(self.document["golden_tolerance"])

    @property
    def golden_relative_tolerance(self) -> float:
        """The largest difference, as a share of its size, that a replayed number may show; 0 without the member."""
        return float(self.document.get("golden_relative_tolerance", 0.0))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the document's canonical bytes, 64 hexadecimal digits."""
        return document_digest(self.document)

    @cached_property
    def inputs(self) -> tuple[Field, ...]:
        """The input fields, in the contract's order."""
        return _fields(self.document["input"])

    @cached_property
    def outputs(self) -> tuple[Field, ...]:
        """The output fields, in the contract's order."""
        return _fields(self.document["output"])

    @property
    def numeric(self) -> tuple[str, ...]:
        """Names of the columns of the `numeric` tensor, float32 (n, k), in order."""
        return tuple(field.name for field in self.inputs if field.is_numeric)

    @property
    def categorical(self) -> tuple[str, ...]:
        """Names of the columns of the `categorical` tensor, string (n, m), in order."""
        return tuple(field.name for field in self.inputs if not field.is_numeric)

    @cached_property
    def input_validator(self) -> RowValidator:
        """The compiled input schema."""
        return RowValidator(self.input_schema)

    @cached_property
    def output_validator(self) -> RowValidator:
        """The compiled output schema."""
        return RowValidator(self.output_schema)

    def example(self) -> dict[str, Any]:
        """The first example row of the input schema."""
        return dict(self.document["input"]["examples"][0])


def parse_contract(data: bytes) -> ModelContract:
    """Read a contract document.

    Raises `InvalidInput` (kind `contract`) with every problem and its JSON Pointer for a document that is too
    large, no JSON, outside the profile, or whose own examples break it.
    """
    if len(data) > MAX_BYTES:
        raise _invalid([Problem("", f"has {len(data)} bytes; at most {MAX_BYTES} are allowed")])
    try:
        document, repeated = parse_json(data)
    except (ValueError, RecursionError) as error:
        raise _invalid([Problem("", f"is no JSON: {error}")]) from error
    return _checked(document, repeated)


def contract_from(document: Any) -> ModelContract:
    """Check a parsed document against the profile; see `parse_contract` for what is raised."""
    return _checked(document, [])


def _checked(document: Any, problems: list[Problem]) -> ModelContract:
    try:
        # What has no canonical form has no digest, so no manifest could name it: NaN, lone surrogates, endless nesting.
        size = len(canonical_json(document))
    except (Rejected, RecursionError) as error:
        raise _invalid([*problems, Problem("", getattr(error, "fact", "is nested too deeply"))]) from error
    if size > MAX_BYTES:
        raise _invalid([Problem("", f"has {size} bytes; at most {MAX_BYTES} are allowed")])
    problems = [*problems, *profile_problems(document)]
    if problems:
        raise _invalid(problems)
    return ModelContract(document)


def load_contract(model: str) -> ModelContract:
    """The contract of `model` that this installation of edustream-contracts carries.

    Raises `InvalidInput` (kind `contract`) for a model that has none, or whose document is wrong.
    """
    known = contract_names()
    if model not in known:
        raise InvalidInput(
            "contract",
            f"There is no contract for the model {model!r}; there are contracts for: {', '.join(known)}.",
            remedy=f"write contracts/models/{model}/contract.json and have both teams review it.",
        )
    try:
        return parse_contract(documents().joinpath("models", model, FILE_NAME).read_bytes())
    except InvalidInput as error:
        fact = f"The contract of the model {model}, models/{model}/{FILE_NAME}, is wrong. {error.fact}"
        raise InvalidInput("contract", fact, remedy=error.remedy, problems=error.problems) from error


def contract_names() -> list[str]:
    """The models that have a contract, in alphabetical order."""
    models = documents().joinpath("models")
    return sorted(entry.name for entry in models.iterdir() if entry.joinpath(FILE_NAME).is_file())


def _invalid(problems: list[Problem]) -> InvalidInput:
    return InvalidInput(
        "contract",
        f"The contract has {len(problems)} problem{'s' if len(problems) > 1 else ''}.",
        remedy="correct the document; PROTOCOL.md, section 8, lists what a contract may say.",
        problems=problems,
    )


def _fields(schema: Mapping[str, Any]) -> tuple[Field, ...]:
    return tuple(_field(name, spec) for name, spec in schema["properties"].items())


def _field(name: str, spec: Mapping[str, Any]) -> Field:
    types = spec["type"] if isinstance(spec["type"], list) else [spec["type"]]
    return Field(
        name=name,
        kind=next(kind for kind in types if kind != "null"),
        nullable="null" in types,
        title=spec.get("title", name),
        description=spec.get("description", ""),
        unit=spec.get("x-unit"),
        categories=tuple(spec["enum"]) if "enum" in spec else None,
        minimum=spec.get("minimum"),
        maximum=spec.get("maximum"),
        for_class=spec.get("x-class"),
    )
