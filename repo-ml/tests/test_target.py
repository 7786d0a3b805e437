"""Numbers that are predicted: what scikit-learn answers is what the ONNX model answers, in unit and bounds."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from edustream_contracts.contract import ModelContract, contract_from, load_contract
from edustream_ml.features.target import ScaledTarget
from edustream_ml.onnx_export import export_onnx
from edustream_ml.onnx_scorer import OnnxScorer
from edustream_ml.tensors import Tensors

X = np.arange(1, 9, dtype=np.float32).reshape(-1, 1)
GROWING = np.exp(0.5 * X[:, 0].astype(np.float64) + 3)


def one_number() -> ModelContract:
    """A contract with one number as its only input and a price as its answer."""
    document = deepcopy(dict(load_contract("housing").document))
    document["input"]["properties"] = {"size": {"type": "number", "description": "Size", "minimum": -1e6}}
    document["input"]["required"] = ["size"]
    document["input"]["examples"] = [{"size": 1}]
    return contract_from(document)


def both_answers(target: ScaledTarget, sizes: list[float]) -> tuple[Any, Any]:
    """What scikit-learn and what the exported model answer."""
    pipeline = Pipeline([("derive", FunctionTransformer()), ("estimate", target)]).fit(X, GROWING)
    tensors = Tensors.of([{"size": size} for size in sizes], one_number())
    return pipeline.predict(tensors.numeric), OnnxScorer(export_onnx(pipeline, one_number())).score(tensors).labels


def test_a_logarithm_is_learned_and_the_unit_is_answered() -> None:
    trained, exported = both_answers(ScaledTarget(LinearRegression(), "log", None, None), [1, 2.5, 8])
    assert trained == pytest.approx(np.exp([3.5, 4.25, 7.0]), rel=1e-6)
    assert exported == pytest.approx(trained, rel=1e-6)


def test_on_a_linear_scale_the_number_itself_is_learned() -> None:
    trained, exported = both_answers(ScaledTarget(LinearRegression(), "linear", None, None), [1, 8])
    expected = LinearRegression().fit(X, GROWING).predict([[1], [8]])
    assert trained == pytest.approx(expected, rel=1e-5)
    assert exported == pytest.approx(trained, rel=1e-5)


@pytest.mark.parametrize(("minimum", "maximum"), [(100.1, 1000.1), (100.1, None), (None, 1000.1)])
def test_no_answer_lies_beyond_a_bound_of_the_contract(minimum: float | None, maximum: float | None) -> None:
    trained, exported = both_answers(ScaledTarget(LinearRegression(), "log", minimum, maximum), [-20, 2.5, 4, 20, 999])
    assert trained[2] == pytest.approx(np.exp(5.0), rel=1e-6)
    for answered in (trained, exported):
        assert minimum is None or answered.min() >= minimum
        assert maximum is None or answered.max() <= maximum
    if maximum is not None:
        assert exported == pytest.approx(trained, rel=1e-6)


def test_what_is_learned_is_the_distance_from_the_mean() -> None:
    class Remembering(LinearRegression):  # type: ignore[misc]
        def fit(self, X: Any, y: Any) -> Any:  # noqa: N803 - scikit-learn's own name
            self.seen_ = y
            return super().fit(X, y)

    fitted = ScaledTarget(Remembering(), "log", None, None).fit(X, GROWING)
    assert fitted.regressor_.seen_.mean() == pytest.approx(0.0, abs=1e-12)
    assert fitted.mean_ == pytest.approx(np.log(GROWING).mean())
