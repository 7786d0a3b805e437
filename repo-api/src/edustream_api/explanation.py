"""Explains the answers of a release against its own profile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edustream_contracts.contract import ModelContract
from edustream_registry.inference.explanation import Explainer, Explanation
from edustream_registry.inference.session import Inference

from edustream_api.drift.reference import NoReference, NumericBins, Reference
from edustream_api.problems import NOT_EXPLAINED, RequestRefused


class ReleaseExplainer:
    """Explains answers of one release, and goes with it; what it draws from the profile waits for the first question.

    Safe to call from several threads.
    """

    def __init__(
        self, name: str, inference: Inference, contract: ModelContract, reference: Reference | NoReference
    ) -> None:
        """`name` is what the release is called where it cannot be explained."""
        self._name = name
        self._inference = inference
        self._contract = contract
        self._reference = reference
        self._drawn: Explainer | None = None

    def explain(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The explanation of each number that a row which keeps the contract is answered with, by the number's field.

        Raises `RequestRefused` (`not-explainable`), and `AnswerUnusable` where the model fails on a background row.
        """
        # Two threads that ask first may both draw: the same.
        if self._drawn is None:
            self._drawn = self._draw()
        return {one.output: _document(one, row) for one in self._drawn.explain(row)}

    def _draw(self) -> Explainer:
        if isinstance(self._reference, NoReference):
            raise RequestRefused(NOT_EXPLAINED, f"{self._name} has no baseline: {self._reference.reason}")
        explainer = Explainer(self._inference, self._contract, _features(self._reference))
        if not explainer.outputs:
            raise RequestRefused(NOT_EXPLAINED, f"{self._name} answers with no number that fields could add up to.")
        return explainer


def _features(reference: Reference) -> dict[str, dict[str, Any]]:
    """The distributions of the fields of rows, in the form of a profile."""
    features: dict[str, dict[str, Any]] = {}
    for field in reference.fields:
        counts = field.counts.tolist()
        if field.answered:
            continue
        if isinstance(field.bins, NumericBins):
            edges = field.bins.bounds[:-1].tolist()
            features[field.name] = {"kind": "numeric", "edges": edges, "counts": counts[:-1], "missing": counts[-1]}
        else:
            # Which categories the profile summed up as others is not known, so that none of them is in the background.
            categories = list(field.bins.categories)
            features[field.name] = {
                "kind": "categorical",
                "categories": categories,
                "counts": counts[: len(categories)],
                "missing": counts[-1],
            }
    return features


def _document(explanation: Explanation, row: Mapping[str, Any]) -> dict[str, Any]:
    ranked = sorted(explanation.contributions, key=lambda one: -abs(one.amount))
    return {
        "base": explanation.base,
        "value": explanation.value,
        "contributions": [
            {
                "field": one.field,
                "value": row.get(one.field),
                "contribution": one.amount,
                "standard_error": one.standard_error,
            }
            for one in ranked
        ],
    }
