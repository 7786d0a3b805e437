"""What a consumer says that each field adds to an answer is what the package shap says of the same model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edustream_ml.training import Training
from edustream_registry.inference.explanation import Explainer
from edustream_registry.inference.session import Inference
from edustream_registry.manifest import ReleaseContent

PERMUTATIONS = 8
SEED = 7
ROWS = 2

Codes = npt.NDArray[np.int64]


class Coded:
    """Rows as numbers, which is all that shap takes: each value is its place among the values of its field."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.fields = list(rows[0])
        self.values = {name: list(dict.fromkeys(row[name] for row in rows)) for name in self.fields}
        self.codes = np.array([[self.values[name].index(row[name]) for name in self.fields] for row in rows])

    def rows(self, codes: Codes) -> list[dict[str, Any]]:
        return [
            {name: self.values[name][int(code)] for name, code in zip(self.fields, line, strict=True)} for line in codes
        ]


@pytest.mark.filterwarnings("ignore::Warning")
def test_contributions_are_those_of_shap(small_training: Training, small_release: tuple[ReleaseContent, Path]) -> None:
    shap = pytest.importorskip("shap", reason="numba, which shap needs, has no build for Intel Macs")
    content, folder = small_release
    contract = small_training.plan.contract
    inference = Inference(small_training.onnx, content, contract)
    features = json.loads((folder / "profile.json").read_bytes())["features"]
    explainer = Explainer(inference, contract, features)
    rows = [dict(row) for row in small_training.split.training.rows[:ROWS]]
    coded = Coded([*explainer.background, *rows])

    def probability(codes: Codes) -> npt.NDArray[np.float64]:
        return np.array([answer["probability"] for answer in inference.answers(coded.rows(codes))])

    background = coded.codes[: len(explainer.background)]
    masker = shap.maskers.Independent(background, max_samples=len(background))
    theirs = shap.explainers.Permutation(probability, masker, seed=SEED)(
        coded.codes[len(background) :], max_evals=PERMUTATIONS * (2 * len(coded.fields) + 1), silent=True
    )
    for row, values, base in zip(rows, theirs.values, theirs.base_values, strict=True):
        (ours,) = explainer.explain(row)
        assert ours.base == pytest.approx(base, abs=1e-6)
        assert ours.base + sum(one.amount for one in ours.contributions) == pytest.approx(ours.value, abs=1e-9)
        named = dict(zip(coded.fields, values, strict=True))
        for one in ours.contributions:
            assert one.amount == pytest.approx(named[one.field], abs=4 * one.standard_error + 1e-3), one
        largest = max(ours.contributions, key=lambda one: abs(one.amount))
        assert largest.field == max(named, key=lambda name: abs(named[name]))
