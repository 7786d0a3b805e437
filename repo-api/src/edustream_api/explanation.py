"""Explains the answer to one row, against the release's own profile."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from edustream_registry.inference.explanation import Explainer, Explanation
from edustream_registry.inference.session import AnswerUnusable
from starlette.types import Scope

from edustream_api import json_document
from edustream_api.drift.reference import NoReference, NumericBins, Reference
from edustream_api.hosting import HostedModel
from edustream_api.loading import ServedModel
from edustream_api.prediction import refused
from edustream_api.problems import MODEL_FAILED, NOT_EXPLAINED, RequestRefused
from edustream_api.web.reply import Reply


class Explain:
    """Explains one row; what is drawn from a release's profile is kept until the next release."""

    def __init__(self, hosted: HostedModel) -> None:
        self._hosted = hosted
        self._kept: tuple[ServedModel, Explainer] | None = None

    async def __call__(self, scope: Scope, body: bytes) -> Reply:
        """The explanation of the answer to the row in `body`."""
        # It asks the model some two thousand times: others are answered meanwhile.
        return Reply(await asyncio.to_thread(self._explained, self._hosted.serving(), body))

    def _explained(self, model: ServedModel, body: bytes) -> bytes:
        row = json_document.parse(body)
        if not model.accepts(row):
            raise refused(model.problems(row))
        try:
            explanations = self._explainer(model).explain(row)
        except AnswerUnusable as error:
            raise RequestRefused(MODEL_FAILED, f"{model.name}@{model.version}: {error}.") from error
        outputs = {one.output: _document(one, row) for one in explanations}
        return orjson.dumps({"explanations": outputs, "model": model.name, "model_version": model.version})

    def _explainer(self, model: ServedModel) -> Explainer:
        kept = self._kept
        if kept is None or kept[0].inference is not model.inference:
            kept = model, _made(model)
            self._kept = kept
        return kept[1]


def _made(model: ServedModel) -> Explainer:
    if isinstance(model.reference, NoReference):
        raise RequestRefused(NOT_EXPLAINED, f"{model.name}@{model.version} has no baseline: {model.reference.reason}")
    explainer = Explainer(model.inference, model.contract, _features(model.reference))
    if not explainer.outputs:
        raise RequestRefused(NOT_EXPLAINED, f"{model.name} answers with no number that fields could add up to.")
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


def _document(explanation: Explanation, row: dict[str, Any]) -> dict[str, Any]:
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
