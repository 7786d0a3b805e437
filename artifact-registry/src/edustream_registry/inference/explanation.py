"""Explains one answer: how much each field moves it away from what the model answers on the reference profile.

The contributions are Shapley values (Shapley 1953) of the game in which a field "plays" when it has the row's own value
and otherwise that of a background row, estimated over permutations (Castro, Gómez and Tejada 2009), each of which is
walked in both directions (Mitchell, Cooper, Frank and Holmes 2022). Background rows are drawn from the release's
profile field by field, as if fields were independent of each other, by Latin hypercube sampling (McKay, Beckman and
Conover 1979): no row of the training data is known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, sqrt
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edustream_contracts.contract import Field, ModelContract
from edustream_registry.inference.session import Inference
from edustream_registry.inference.tensors import Row

BACKGROUND_ROWS: Final = 64
SEED: Final = 0

Features = Mapping[str, Mapping[str, Any]]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one field adds to an answer, in the answer's unit, and the standard error of that estimate."""

    field: str
    amount: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """`base`, the mean answer over the background rows, and the contributions add up to `value`, the row's answer.

    Contributions are in the order of the contract's fields.
    """

    output: str
    base: float
    value: float
    contributions: tuple[Contribution, ...]


class Explainer:
    """Explains answers of one loaded model; safe to call from several threads."""

    def __init__(self, inference: Inference, contract: ModelContract, features: Features) -> None:
        """Draw the background from `features`, as a valid profile.json describes them."""
        self._inference = inference
        self._fields = tuple(field.name for field in contract.inputs)
        self.outputs = _explained(contract)
        self.background = background(features, contract.inputs)
        order = np.random.default_rng(SEED)
        self._orders = [order.permutation(len(self._fields)).tolist() for _ in self.background]

    def explain(self, row: Row) -> list[Explanation]:
        """The explanation of each number that the model answers `row` with; `row` satisfies the contract.

        Raises `AnswerUnusable` where the contract does not admit that answer, and where the model fails on a background
        row.
        """
        # What has no answer has none to be explained; the rows on the way to it are nobody's.
        self._inference.answer(row)
        walks = [
            walk
            for other, order in zip(self.background, self._orders, strict=True)
            for walk in (self._walk(row, other, order), self._walk(row, other, order[::-1]))
        ]
        answers = self._inference.estimates([step for walk in walks for step in walk])
        return [
            self._explanation(name, np.array([answer[name] for answer in answers]).reshape(len(walks), -1))
            for name in self.outputs
        ]

    def _walk(self, row: Row, other: Row, order: Sequence[int]) -> list[Row]:
        """From the background row to the row itself, one field after the other."""
        at = dict(other)
        steps: list[Row] = []
        # A field of which the profile knows no value keeps the row's own throughout.
        for name in self._fields:
            at.setdefault(name, row.get(name))
        steps.append(dict(at))
        for index in order:
            name = self._fields[index]
            at[name] = row.get(name)
            steps.append(dict(at))
        return steps

    def _explanation(self, output: str, answers: Numbers) -> Explanation:
        """`answers`: float64 (walks, fields + 1), two walks a background row."""
        amounts = np.empty((len(self.background), len(self._fields)))
        steps = np.diff(answers, axis=1)
        for number, order in enumerate(self._orders):
            there, back = steps[2 * number], steps[2 * number + 1]
            amounts[number, order] = (there + back[::-1]) / 2
        means = amounts.mean(axis=0)
        errors = amounts.std(axis=0, ddof=1) / sqrt(len(amounts))
        contributions = tuple(
            Contribution(name, float(mean), float(error))
            for name, mean, error in zip(self._fields, means, errors, strict=True)
        )
        return Explanation(output, float(answers[:, 0].mean()), float(answers[0, -1]), contributions)


def background(features: Features, fields: Sequence[Field]) -> list[dict[str, Any]]:
    """`BACKGROUND_ROWS` rows of the features' distributions, the same at every call.

    Between two edges of a numeric feature values are spread evenly; the profile does not say how far its outermost bins
    reach, so that they stand at their one edge. A field of which it counted no value is left out.
    """
    shuffle = np.random.default_rng(SEED)
    rows: list[dict[str, Any]] = [{} for _ in range(BACKGROUND_ROWS)]
    for field in fields:
        values = _spread(features[field.name], field) if field.name in features else []
        for index, value in zip(shuffle.permutation(BACKGROUND_ROWS), values, strict=False):
            rows[index][field.name] = value
    return rows


def _spread(feature: Mapping[str, Any], field: Field) -> list[Any]:
    """The feature's values at evenly spaced shares of its rows, missing ones last."""
    counts = [*feature["counts"], feature["missing"]]
    total = sum(counts)
    if not total:
        return []
    ends = np.cumsum(counts)
    values = []
    for number in range(BACKGROUND_ROWS):
        position = (number + 0.5) / BACKGROUND_ROWS * total
        index = int(np.searchsorted(ends, position, side="right"))
        inside = (position - (ends[index] - counts[index])) / counts[index]
        values.append(None if index == len(counts) - 1 else _value(feature, field, index, inside))
    return values


def _value(feature: Mapping[str, Any], field: Field, index: int, inside: float) -> Any:
    if feature["kind"] == "categorical":
        return feature["categories"][index]
    edges = feature["edges"]
    lower, upper = edges[max(index - 1, 0)], edges[min(index, len(edges) - 1)]
    value = lower + inside * (upper - lower)
    return floor(value) if field.kind == "integer" else float(value)


def _explained(contract: ModelContract) -> tuple[str, ...]:
    """The outputs that are explained: the probabilities; of a model without any, the number that it predicts."""
    probabilities = tuple(field.name for field in contract.outputs if field.for_class is not None)
    return probabilities or tuple(field.name for field in contract.outputs if field.kind in ("number", "integer"))
