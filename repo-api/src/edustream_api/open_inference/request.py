"""Inference requests of the Open Inference Protocol v2 as rows, and what is asked of their answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from edustream_contracts.contract import Field, ModelContract
from edustream_contracts.errors import Problem

from edustream_api import json_document
from edustream_api.loading import ServedModel
from edustream_api.open_inference.protocol import BINARY_SIZE
from edustream_api.open_inference.tensors import (
    Tensor,
    TensorRefused,
    datatype_of,
    fits,
    from_bytes,
    from_json,
    shown,
)
from edustream_api.problems import INVALID, NO_REQUEST, TOO_LARGE, RequestRefused
from edustream_api.row_problems import problems_of

MAX_SHOWN_SIZES: Final = 8
SMALL_VALUES: Final = 512
"""So many values are converted, judged and answered in about a millisecond, in whatever number of rows."""
ELSEWHERE: Final = ("shared_memory_region", "classification")
"""Parameters that ask for extensions which are not there, and would change what an answer means."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RequestedOutput:
    """One tensor of the response: a field of every answer, as JSON or as bytes."""

    field: Field
    binary: bool


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """What is asked: rows, which no contract has checked yet, and which outputs answer them."""

    id: str | None
    rows: list[Row]
    outputs: tuple[RequestedOutput, ...]


def read_request(body: bytes, header_length: int | None, contract: ModelContract, max_rows: int) -> InferenceRequest:
    """The request in `body`: a JSON object of `header_length` bytes (None: all) and then the tensors sent as bytes.

    Raises `RequestRefused` (`malformed-json`, `inference-request` with everything that is wrong, `too-large`).
    """
    length = len(body) if header_length is None else header_length
    if length > len(body):
        raise RequestRefused(NO_REQUEST, f"The JSON is said to have {length} bytes; the body has {len(body)}.")
    document = json_document.parse(body[:length])
    if not isinstance(document, dict):
        raise RequestRefused(NO_REQUEST, 'The body is no object; {"inputs": [...]} is expected.')
    reading = _Reading(document, body[length:], contract, max_rows)
    return reading.request()


def read_small_request(
    body: bytes, header_length: int | None, contract: ModelContract, max_rows: int
) -> InferenceRequest | None:
    """The request in `body` if it names few values, in plain JSON; None for any other, with nothing done.

    Raises `RequestRefused` as `read_request` does, but not for what is no JSON.
    """
    length = len(body) if header_length is None else header_length
    try:
        document = json_document.parse_plain(body[:length])
    except ValueError:
        return None
    if length > len(body) or not _is_small(document):
        return None
    return _Reading(document, body[length:], contract, max_rows).request()


def _is_small(document: Any) -> bool:
    """Whether a document names few tensors, of few values by what it says of their shapes."""
    if not isinstance(document, dict):
        return False
    inputs, outputs = document.get("inputs"), document.get("outputs", [])
    if not isinstance(inputs, list) or not isinstance(outputs, list):
        return False
    extent = len(outputs)
    for one in inputs:
        shape = one.get("shape") if isinstance(one, dict) else None
        if not isinstance(shape, list) or not shape or shape[0].__class__ is not int:
            return False
        extent += max(shape[0], 1)
    return extent <= SMALL_VALUES


class _Reading:
    """One request while it is read; `problems` is what is wrong with it."""

    def __init__(self, document: Mapping[str, Any], tail: bytes, contract: ModelContract, max_rows: int) -> None:
        self._document = document
        self._tail = tail
        self._contract = contract
        self._max_rows = max_rows
        self._fields = {field.name: field for field in contract.inputs}
        self.problems: list[Problem] = []

    def request(self) -> InferenceRequest:
        columns = self._columns(list(self._objects("inputs")))
        outputs = tuple(self._outputs())
        identity = self._document.get("id")
        if identity is not None and not isinstance(identity, str):
            self._wrong("/id", "is no text")
        if self.problems:
            count = len(self.problems)
            fact = f"The inference request has {count} problem{'s' if count > 1 else ''}."
            raise RequestRefused(NO_REQUEST, fact, self.problems)
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        return InferenceRequest(identity, rows, outputs)

    def _wrong(self, place: str, message: str) -> None:
        self.problems.append(Problem(place, message))

    def _objects(self, member: str) -> Iterator[Mapping[str, Any]]:
        """The tensors that a member names, each with a name that it does not share."""
        given = self._document.get(member, [])
        if not isinstance(given, list):
            self._wrong(f"/{member}", "is no array")
            return
        names: Counter[str] = Counter()
        for index, one in enumerate(given):
            name = one.get("name") if isinstance(one, dict) else None
            if not isinstance(name, str):
                self._wrong(f"/{member}/{index}", "has no name")
            elif not isinstance(one.get("parameters", {}), dict):
                self._wrong(name, "has parameters that are no object")
            elif found := next((key for key in ELSEWHERE if key in one.get("parameters", {})), None):
                self._wrong(name, f"asks for {found}, which this server does not offer")
            elif names[name]:
                self._wrong(name, f"occurs more than once in {member}")
            else:
                yield one
            names.update([name] if isinstance(name, str) else [])

    def _columns(self, inputs: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
        tensors = [(one, tensor) for one in inputs if (tensor := self._tensor(one))]
        self._missing()
        counts = {tensor.rows for _, tensor in tensors}
        if len(counts) > 1:
            told = ", ".join(f"{tensor.name} {tensor.rows}" for _, tensor in tensors)
            self._wrong("/inputs", f"have different numbers of rows: {told}")
        elif not tensors and not self.problems:
            self._wrong("/inputs", "are empty; one tensor for each field is expected")
        elif 0 in counts:
            self._wrong("/inputs", "have no rows; at least one is expected")
        elif counts and (rows := counts.pop()) > self._max_rows:
            raise RequestRefused(
                TOO_LARGE, f"The request has {rows} rows; at most {self._max_rows} are answered at once."
            )
        # Where a tensor ends is known only if all before it are right.
        return {} if self.problems else {tensor.name: self._values(one, tensor) for one, tensor in tensors}

    def _tensor(self, one: Mapping[str, Any]) -> Tensor | None:
        name, datatype, shape = one["name"], one.get("datatype"), one.get("shape")
        field = self._fields.get(name)
        if field is None:
            self._wrong(name, f"is no input; the inputs are {', '.join(self._fields)}")
            return None
        if not isinstance(datatype, str) or not fits(field, datatype):
            self._wrong(name, f"has the datatype {_plain(datatype)}; {datatype_of(field)} is expected")
            return None
        if not isinstance(shape, list) or not all(size.__class__ is int and size >= 0 for size in shape):
            self._wrong(name, f"has the shape {_plain(shape)}; an array of sizes is expected")
            return None
        if len(shape) not in (1, 2) or shape[1:] not in ([], [1]):
            self._wrong(name, f"has the shape {_plain(shape)}; [n] or [n, 1] is expected, one value a row")
            return None
        return Tensor(name, datatype, shape[0], len(shape) == 2)

    def _missing(self) -> None:
        given = self._document.get("inputs")
        # A name may be anything that JSON has, an object too, so they are compared one by one.
        names = [one.get("name") for one in given if isinstance(one, dict)] if isinstance(given, list) else []
        for name in self._contract.input_schema["required"]:
            if name not in names:
                self._wrong(name, "is missing from the inputs")

    def _values(self, one: Mapping[str, Any], tensor: Tensor) -> list[Any]:
        size = one.get("parameters", {}).get(BINARY_SIZE)
        try:
            if size is None:
                return from_json(tensor, one.get("data"))
            return from_bytes(tensor, self._bytes(one, size), nullable=self._fields[tensor.name].nullable)
        except TensorRefused as refused:
            self._wrong(tensor.name, str(refused))
            return []

    def _bytes(self, one: Mapping[str, Any], size: Any) -> bytes:
        if size.__class__ is not int or size < 0:
            raise TensorRefused(f"has the {BINARY_SIZE} {shown(size)}; a number of bytes is expected")
        if "data" in one:
            raise TensorRefused(f"has both data and a {BINARY_SIZE}")
        if size > len(self._tail):
            raise TensorRefused(
                f"has {size} bytes, and {len(self._tail)} are left after the JSON, whose length the header "
                "Inference-Header-Content-Length tells"
            )
        data, self._tail = self._tail[:size], self._tail[size:]
        return data

    def _outputs(self) -> Iterator[RequestedOutput]:
        if not self.problems and self._tail:
            self._wrong("the body", f"has {len(self._tail)} bytes after the last input")
        parameters = self._document.get("parameters", {})
        if not isinstance(parameters, dict):
            self._wrong("/parameters", "is no object")
            parameters = {}
        binary = parameters.get("binary_data_output") is True
        fields = {field.name: field for field in self._contract.outputs}
        if self._document.get("outputs", []) == []:
            yield from (RequestedOutput(field, binary) for field in fields.values())
            return
        for one in self._objects("outputs"):
            if field := fields.get(one["name"]):
                wanted = one.get("parameters", {}).get("binary_data", binary)
                yield RequestedOutput(field, wanted is True)
            else:
                self._wrong(one["name"], f"is no output; the outputs are {', '.join(fields)}")


def contract_refusal(rows: Sequence[Row], model: ServedModel) -> RequestRefused | None:
    """The refusal of rows that break the contract, by input and row; None where every row keeps it."""
    problems = problems_of(model, rows, lambda index, pointer: f"{pointer.removeprefix('/')}[{index}]")
    if not problems:
        return None
    count = len(problems)
    return RequestRefused(INVALID, f"The inputs have {count} problem{'s' if count > 1 else ''}.", problems)


def _plain(value: Any) -> str:
    """A datatype or a shape as it was sent, unless it is long or deep."""
    if isinstance(value, str) and len(value) <= MAX_SHOWN_SIZES:
        return value
    if isinstance(value, list) and len(value) <= MAX_SHOWN_SIZES:
        return f"[{', '.join(map(shown, value))}]"
    return shown(value)
