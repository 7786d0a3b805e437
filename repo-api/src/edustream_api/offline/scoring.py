"""Scores chunks of rows: validate, infer, and put the answers beside the rows; rejected ones become lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Problem
from edustream_registry.inference.session import AnswerUnusable

from edustream_api.loading import ServedModel
from edustream_api.offline.cells import Mask, values
from edustream_api.offline.column_check import ColumnCheck
from edustream_api.offline.column_tensors import tensors
from edustream_api.offline.csv_text import TEXT, CsvText
from edustream_api.offline.file_columns import MODEL, VERSION, FileColumns
from edustream_api.offline.rejected_rows import reasons, record, row_of

ANSWER_TYPES: Final = {
    "string": pa.string(),
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
}


class Scored(NamedTuple):
    """What a chunk of rows led to: the accepted ones with their answers, and a line for each of the others."""

    output: pa.RecordBatch
    rejected: list[bytes]


@dataclass(frozen=True, slots=True)
class Layout:
    """How rows are read and written: what each column is for, the output's schema, whether cells are CSV texts."""

    columns: FileColumns
    output: pa.Schema
    is_text: bool

    @staticmethod
    def of(schema: pa.Schema, columns: FileColumns, contract: ModelContract, *, is_text: bool, to_text: bool) -> Layout:
        """The layout for an input of `schema`; `to_text` says that the output is CSV."""
        read = CsvText(contract)
        fields = []
        for name in columns.kept:
            kind = read.column_type(name) if is_text else schema.field(name).type
            if pa.types.is_dictionary(kind):
                # Together, the dictionaries of several row groups may be longer than the file's own indices can say.
                kind = kind.value_type if to_text else pa.dictionary(pa.int32(), kind.value_type)
            fields.append(pa.field(name, kind))
        fields.extend(pa.field(field.name, ANSWER_TYPES[field.kind]) for field in contract.outputs)
        repeated = pa.string() if to_text else TEXT
        return Layout(columns, pa.schema([*fields, (MODEL, repeated), (VERSION, repeated)]), is_text)


class Scorer:
    """Scores chunks of one file with one model; several threads may call it at once."""

    def __init__(self, model: ServedModel, layout: Layout) -> None:
        self._model = model
        self._layout = layout
        self._check = ColumnCheck(model.contract)
        self._text = CsvText(model.contract) if layout.is_text else None

    def score(self, batch: pa.RecordBatch, first: int) -> Scored:
        """What a chunk leads to; `first` is the index of its first row in the file.

        Raises `InvalidInput` (kind `data`) for texts that are no UTF-8.
        """
        typed, accepted = (batch, None) if self._text is None else self._text.typed(batch)
        fitting = self._check.accepted(typed.select(self._layout.columns.fields))
        accepted = fitting if accepted is None else fitting & accepted
        rows, answers, unanswered = self._answered(typed, accepted)
        rejected = self._rejected(batch, accepted, first, unanswered)
        return Scored(self._output(rows, answers), rejected)

    def _answered(
        self, typed: pa.RecordBatch, accepted: Mask
    ) -> tuple[pa.RecordBatch, Mapping[str, npt.NDArray[Any]], dict[int, Problem]]:
        """The rows that were answered, their answers, and what the model said of the others; clears `accepted`."""
        rows = _filtered(typed, accepted)
        unanswered: dict[int, Problem] = {}
        try:
            answers = self._answers(rows)
        except AnswerUnusable:
            # One row is enough to spoil a chunk, so each is asked for on its own.
            for place in np.flatnonzero(accepted).tolist():
                try:
                    self._answers(typed.slice(place, 1))
                except AnswerUnusable as error:
                    unanswered[place] = Problem("", f"{self._model.name}@{self._model.version}: {error}")
            accepted[list(unanswered)] = False
            rows = _filtered(typed, accepted)
            answers = self._answers(rows)
        return rows, answers, unanswered

    def _answers(self, rows: pa.RecordBatch) -> Mapping[str, npt.NDArray[Any]]:
        if not rows.num_rows:
            # An array without a type becomes a column of any.
            return {field.name: np.array([], dtype=object) for field in self._model.contract.outputs}
        return self._model.inference.columns(*tensors(rows, self._model.contract))

    def _rejected(
        self, batch: pa.RecordBatch, accepted: Mask, first: int, unanswered: Mapping[int, Problem]
    ) -> list[bytes]:
        places = np.flatnonzero(~accepted)
        columns = [values(column) for column in batch.take(pa.array(places)).columns]
        lines = []
        for place, *row in zip(places.tolist(), *columns, strict=True):
            cells = dict(zip(batch.schema.names, row, strict=True))
            read = cells if self._text is None else self._text.cells(cells)
            problems: Sequence[Problem] = [unanswered[place]] if place in unanswered else self._reasons(read)
            lines.append(record(first + place, read, problems))
        return lines

    def _reasons(self, cells: Mapping[str, Any]) -> Sequence[Problem]:
        return reasons(row_of(cells, self._model), self._model)

    def _output(self, rows: pa.RecordBatch, answers: Mapping[str, npt.NDArray[Any]]) -> pa.RecordBatch:
        schema = self._layout.output
        columns = []
        for field in schema:
            if field.name in answers:
                columns.append(pa.array(answers[field.name], field.type))
            elif field.name in (MODEL, VERSION):
                text = self._model.name if field.name == MODEL else self._model.version
                columns.append(_repeated(text, rows.num_rows).cast(field.type))
            else:
                column = rows.column(field.name)
                columns.append(column if column.type == field.type else column.cast(field.type))
        return pa.RecordBatch.from_arrays(columns, schema=schema)


def _filtered(batch: pa.RecordBatch, accepted: Mask) -> pa.RecordBatch:
    return batch if accepted.all() else batch.filter(pa.array(accepted))


def _repeated(text: str, rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(np.zeros(rows, dtype=np.int32), [text])
