"""Computes with an exported model as a consumer does: onnxruntime alone, no scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from edustream_ml.onnx_export import LABEL, PROBABILITIES
from edustream_ml.tensors import Float32, Tensors


@dataclass(frozen=True)
class Scores:
    """What a model answers: `labels` str (n,), `probabilities` (n, classes)."""

    labels: npt.NDArray[np.object_]
    probabilities: npt.NDArray[np.floating[Any]]


class OnnxScorer:
    """A loaded ONNX model. One thread, so that sums are taken in the same order on every run."""

    def __init__(self, model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._inputs: Sequence[str] = [tensor.name for tensor in self._session.get_inputs()]

    def score(self, tensors: Tensors) -> Scores:
        """Labels and probabilities (float32) of all rows."""
        feeds = tensors.feeds()
        labels, probabilities = self._session.run([LABEL, PROBABILITIES], {name: feeds[name] for name in self._inputs})
        return Scores(np.asarray(labels, dtype=object), _float32(probabilities))


def _float32(values: Any) -> Float32:
    return np.asarray(values, dtype=np.float32)
