"""Computes with an exported model as a consumer does: onnxruntime alone, no scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime

from edustream_ml.onnx_export import LABEL, PROBABILITIES
from edustream_ml.scores import Scores
from edustream_ml.tensors import Tensors


class OnnxScorer:
    """A loaded ONNX model. One thread, so that sums are taken in the same order on every run."""

    def __init__(self, model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._inputs: Sequence[str] = [tensor.name for tensor in self._session.get_inputs()]
        self._outputs = {tensor.name for tensor in self._session.get_outputs()}

    def score(self, tensors: Tensors) -> Scores:
        """Labels of all rows, and, of a classifier, probabilities (float32)."""
        feeds = tensors.feeds()
        inputs = {name: feeds[name] for name in self._inputs}
        if PROBABILITIES not in self._outputs:
            (numbers,) = self._session.run([LABEL], inputs)
            return Scores(np.asarray(numbers, dtype=np.float64))
        labels, probabilities = self._session.run([LABEL, PROBABILITIES], inputs)
        return Scores(np.asarray(labels, dtype=object), np.asarray(probabilities, dtype=np.float32))
