"""Describes the consumer's HTTP surface as OpenAPI 3.1, with the contract's own fields in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Problem
from edustream_contracts.meaning import admitted

from edustream_api import problems
from edustream_api.open_inference import description as open_inference_description
from edustream_api.problems import ProblemKind
from edustream_api.states import State
from edustream_api.web import schemas

API_VERSION: Final = "1"
JSON: Final = "application/json"
EXPLAINED: Final = (
    "What each field adds to each number of the answer (Shapley values): `base`, the mean answer over rows that are "
    "drawn from the release's profile, and all contributions add up to `value`, the answer to this row."
)


def document(described: Sequence[DescribedModel]) -> dict[str, Any]:
    """The OpenAPI document of a consumer of these models."""
    shapes = {name: schema for one in described for name, schema in one.schemas().items()}
    paths = {path: item for one in described for path, item in one.paths().items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{', '.join(one.title for one in described)}: predictions",
            "version": API_VERSION,
            "description": "\n\n".join(one.about for one in described),
        },
        "tags": [
            {"name": "predictions", "description": "Ask the model"},
            {"name": "model", "description": "What answers, and what it promises"},
            {"name": "operations", "description": "For probes, dashboards and people"},
            {"name": open_inference_description.TAG, "description": "The same models, for clients of that protocol"},
        ],
        "paths": {**paths, **PROCESS_PATHS},
        "components": {"schemas": {**shapes, **open_inference_description.SCHEMAS, "Problem": schemas.problem()}},
    }


@dataclass(frozen=True, slots=True)
class DescribedModel:
    """One model as it is described; None where no contract, or no release, is known.

    One that is `alone` answers at the root; each of several below `/models/`, under names that end with its own.
    """

    name: str
    contract: ModelContract | None
    version: str | None
    alone: bool = True

    @property
    def prefix(self) -> str:
        """Below which path it answers."""
        return "" if self.alone else f"/models/{self.name}"

    @property
    def suffix(self) -> str:
        """What its names end with."""
        return "" if self.alone else f".{self.name}"

    @property
    def title(self) -> str:
        """What it is called."""
        return self.contract.title if self.contract else self.name

    @property
    def about(self) -> str:
        """What it is about, and what answers."""
        told = self.contract.description if self.contract else "Nothing is served yet, and no contract is pinned."
        serving = f"Serving version {self.version}." if self.version else "No release answers at the moment."
        return f"{told}\n\n{serving}"

    def schemas(self) -> dict[str, Any]:
        """What goes in and what comes out."""
        row, answer = (schemas.ANY_OBJECT, schemas.ANY_OBJECT)
        if self.contract:
            row, answer = schemas.readable(self.contract.input_schema), schemas.answer(self.contract)
        found = {
            "Input": row,
            "Answer": answer,
            "Batch": schemas.batch(f"Input{self.suffix}", "rows", "The rows to answer, in order"),
            "BatchAnswer": schemas.batch_answer(self.contract),
            "Explanation": schemas.explanation(),
        }
        return {f"{name}{self.suffix}": schema for name, schema in found.items()}

    def paths(self) -> dict[str, Any]:
        """What can be asked of the model."""
        model, contract = "The release that answers: version, digests, signatures, metrics", "The contract it keeps"
        drift = "How far rows and answers lie from the release's profile: a verdict, PSI and Jensen-Shannon distances"
        if self.alone:
            readings = {
                "/model": _reading("model", "model", model),
                "/contract": _reading("contract", "model", contract),
                "/drift": _reading("drift", "model", drift),
                "/shadow": _comparison("shadow"),
            }
        else:
            readings = {
                self.prefix: _reading(f"model{self.suffix}", "model", model),
                f"{self.prefix}/contract": _reading(f"contract{self.suffix}", "model", contract),
                f"{self.prefix}/drift": _reading(f"drift{self.suffix}", "model", drift),
                f"{self.prefix}/shadow": _comparison(f"shadow{self.suffix}"),
                f"{self.prefix}/health": _health(
                    f"health{self.suffix}", "State, reasons and last refusal of the model"
                ),
                f"{self.prefix}/health/ready": _reading(
                    f"ready{self.suffix}", "operations", "200 while the model's predictions are answered"
                ),
            }
        inference = open_inference_description.model_paths(self.name, self.contract, self.version)
        return {**self._predictions(), **readings, **inference}

    def _predictions(self) -> dict[str, Any]:
        example = self.contract.example() if self.contract else {}
        one = _prediction("predict", "Answer one row", "Input", "Answer", self.suffix, example)
        rows = {"rows": [example, example]}
        many = _prediction("predict_batch", "Answer many rows, all or none", "Batch", "BatchAnswer", self.suffix, rows)
        if self.contract:
            one["description"] = _field_table(self.contract.input_schema)
            for operation in (one, many):
                operation["responses"]["200"]["description"] += f"\n\n{_field_table(self.contract.output_schema)}"
        why = _prediction("explain", "Explain the answer to one row", "Input", "Explanation", self.suffix, example)
        why["description"] = EXPLAINED
        why["responses"][str(problems.NOT_EXPLAINED.status.value)] = _refusal(problems.NOT_EXPLAINED)
        return {
            f"{self.prefix}/predict": {"post": one},
            f"{self.prefix}/predict/batch": {"post": many},
            f"{self.prefix}/explain": {"post": why},
        }


def _field_table(schema: Mapping[str, Any]) -> str:
    """The fields of one side as a Markdown table, which Swagger UI shows without a click."""
    lines = ["| field | values | unit | meaning |", "|---|---|---|---|"]
    for name, spec in schema["properties"].items():
        cells = (f"`{name}`", admitted(spec, unit=False), spec.get("x-unit", ""), spec["description"])
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _prediction(name: str, summary: str, asks: str, gives: str, suffix: str, example: dict[str, Any]) -> dict[str, Any]:
    refusals = (problems.MALFORMED, problems.INVALID, problems.TOO_LARGE, problems.MEDIA, problems.NOT_SERVING)
    return {
        "operationId": f"{name}{suffix}",
        "tags": ["predictions"],
        "summary": summary,
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": schemas.reference(f"{asks}{suffix}"), "example": example}},
        },
        "responses": {
            "200": {"description": "The answer", "content": {JSON: {"schema": schemas.reference(f"{gives}{suffix}")}}},
            **{str(kind.status.value): _refusal(kind) for kind in (*refusals, problems.MODEL_FAILED)},
        },
    }


def _reading(name: str, tag: str, summary: str, *, may_fail: bool = True, media: str = JSON) -> dict[str, Any]:
    schema = {"type": "object"} if media == JSON else {"type": "string"}
    responses: dict[str, Any] = {"200": {"description": summary, "content": {media: {"schema": schema}}}}
    if may_fail:
        responses["503"] = _refusal(problems.NOT_SERVING)
    return {"get": {"operationId": name, "tags": [tag], "summary": summary, "responses": responses}}


def _comparison(name: str) -> dict[str, Any]:
    summary = "How a challenger's answers differ from those that are given: labels, scores, latency"
    described = _reading(name, "model", summary, may_fail=False)
    described["get"]["responses"]["404"] = _refusal(problems.NOT_FOUND)
    return described


def _health(name: str, summary: str) -> dict[str, Any]:
    described = _reading(name, "operations", summary, may_fail=False)
    described["get"]["responses"]["200"]["content"]["text/html"] = {"schema": {"type": "string"}}
    return described


def _refusal(kind: ProblemKind) -> dict[str, Any]:
    content = {"schema": schemas.reference("Problem"), "example": _problem_example(kind)}
    return {"description": kind.title, "content": {problems.MEDIA_TYPE: content}}


def _problem_example(kind: ProblemKind) -> dict[str, Any]:
    if kind is problems.NOT_SERVING:
        return problems.problem_document(kind, State.NO_RELEASE.meaning, reason=State.NO_RELEASE)
    errors = [Problem("/field", "is missing")] if kind is problems.INVALID else []
    return problems.problem_document(kind, f"{kind.title}.", errors=errors)


PROCESS_PATHS: Final = {
    "/models": _reading("models", "model", "The models that are asked for, and how each is", may_fail=False),
    "/health": _health("health", "State, reasons and last refusal, for people"),
    "/health/live": _reading("live", "operations", "Liveness probe", may_fail=False),
    "/health/ready": _reading("ready", "operations", "Readiness probe: 200 while predictions are answered"),
    "/metrics": _reading("metrics", "operations", "Metrics for Prometheus", may_fail=False, media="text/plain"),
    **open_inference_description.server_paths(),
    "/openapi.json": _reading("openapi", "operations", "This document", may_fail=False),
}
