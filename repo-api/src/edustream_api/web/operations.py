"""What predictions are asked for with: each operation turns one request's body into a reply."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

from starlette.types import Scope

from edustream_api.challenger.divided import divided
from edustream_api.hosting import CountRows, HostedModel, Hosting, counting
from edustream_api.joint_inference import JointInference
from edustream_api.loading import ServedModel
from edustream_api.open_inference.operations import Infer, infer_path
from edustream_api.prediction import explain, predict, predict_batch
from edustream_api.web.reply import Operation, Reply


class Predict:
    """Answers one row."""

    def __init__(self, hosted: HostedModel) -> None:
        self._hosted = hosted
        self._inference = JointInference(hosted.observers)

    async def __call__(self, scope: Scope, body: bytes) -> Reply:
        """The answer to the row in `body`."""
        return Reply(await predict(self._hosted.serving(), body, self._inference))

    async def of(self, model: ServedModel, scope: Scope, body: bytes) -> Reply:
        """The answer of `model`."""
        return Reply(await predict(model, body, self._inference))


class PredictBatch:
    """Answers many rows, all of them or none."""

    def __init__(self, hosted: HostedModel, max_rows: int, count: CountRows) -> None:
        self._hosted = hosted
        self._max_rows = max_rows
        self._observers = (*hosted.observers, counting(count))

    async def __call__(self, scope: Scope, body: bytes) -> Reply:
        """The answers to the rows in `body`."""
        return await self.of(self._hosted.serving(), scope, body)

    async def of(self, model: ServedModel, scope: Scope, body: bytes) -> Reply:
        """The answers of `model`."""
        # A batch takes milliseconds, and onnxruntime releases the interpreter lock: others are answered meanwhile.
        return Reply(await asyncio.to_thread(predict_batch, model, body, self._max_rows, self._observers))


class Explain:
    """Explains the answer to one row."""

    def __init__(self, hosted: HostedModel) -> None:
        self._hosted = hosted

    async def __call__(self, scope: Scope, body: bytes) -> Reply:
        """The explanation of the answer to the row in `body`."""
        return await self.of(self._hosted.serving(), scope, body)

    async def of(self, model: ServedModel, scope: Scope, body: bytes) -> Reply:
        """The explanation of the answer of `model`."""
        # It asks the model some two thousand times: others are answered meanwhile.
        return Reply(await asyncio.to_thread(explain, model, body))


def operations(hosting: Hosting, max_rows: int, count: CountRows) -> Mapping[str, Operation]:
    """Every operation by its path; `count` is told of each batch that is answered."""
    found: dict[str, Operation] = {}
    for prefix, hosted in hosting.prefixes():
        found[f"{prefix}/predict"] = divided(hosted, Predict)
        found[f"{prefix}/predict/batch"] = divided(hosted, partial(PredictBatch, max_rows=max_rows, count=count))
        found[f"{prefix}/explain"] = divided(hosted, Explain)
    for hosted in hosting.models:
        found[infer_path(hosted.name)] = divided(hosted, partial(Infer, max_rows=max_rows, count=count))
    return found
