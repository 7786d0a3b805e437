"""Golden vectors: input rows with the exported model's answers, which every consumer replays before it serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from edustream_contracts.contract import Field, ModelContract
from edustream_ml.dataset import Row
from edustream_ml.onnx_scorer import OnnxScorer
from edustream_ml.tasks import outcome_of
from edustream_ml.tensors import Tensors

GOLDEN_FORMAT: Final = 1
ROWS: Final = 100


def golden_vectors(rows: Sequence[Row], contract: ModelContract, scorer: OnnxScorer) -> dict[str, Any]:
    """The content of `golden.json`: edge rows of the contract, filled up with rows of the data set."""
    inputs = list(_distinct([*edge_rows(contract), *_spread(rows)]))[: max(ROWS, len(edge_rows(contract)))]
    answers = answer(inputs, contract, scorer)
    return {
        "golden_format": GOLDEN_FORMAT,
        "rows": [{"input": row, "output": output} for row, output in zip(inputs, answers, strict=True)],
    }


def answer(rows: Sequence[Mapping[str, Any]], contract: ModelContract, scorer: OnnxScorer) -> list[dict[str, Any]]:
    """The contract's outputs for valid rows; a number is the float32 that onnxruntime computed."""
    scores = scorer.score(Tensors.of(rows, contract))
    outcome = outcome_of(contract)
    answers: list[dict[str, Any]] = [{outcome.field.name: label} for label in scores.labels.tolist()]
    for name, of_class in outcome.probabilities.items():
        for given, probability in zip(answers, scores.of_class(of_class, outcome.classes), strict=True):
            given[name] = float(probability)
    return answers


def edge_rows(contract: ModelContract) -> list[Row]:
    """The contract's examples, then the first of them with each field at each edge: null, bounds, every category."""
    examples = [dict(example) for example in contract.input_schema["examples"]]
    edges = [{**contract.example(), field.name: value} for field in contract.inputs for value in _edges(field)]
    # One keyword may rule out what another one names: a null that is no category, a bound beside an enumeration.
    return list(_distinct([*examples, *filter(contract.input_validator.is_valid, edges)]))


def _edges(field: Field) -> Iterator[Any]:
    if field.nullable:
        yield None
    yield from field.categories or ()
    if field.kind == "boolean":
        yield from (False, True)
    for bound in (field.minimum, field.maximum):
        if bound is not None:
            yield bound


def _spread(rows: Sequence[Row]) -> list[Row]:
    """Rows from all over the data set, at equal distances."""
    return [rows[int(number)] for number in np.linspace(0, len(rows) - 1, num=min(ROWS, len(rows)))]


def _distinct(rows: Sequence[Row]) -> Iterator[Row]:
    seen = set()
    for row in rows:
        key = tuple((name, row[name]) for name in sorted(row))
        if key not in seen:
            seen.add(key)
            yield row
