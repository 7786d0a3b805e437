from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from edustream_contracts.schemas import object_validator
from edustream_ml.profile import reference_profile
from edustream_ml.scores import Scores
from edustream_ml.training import Training


def scores(positive: Sequence[float] | npt.NDArray[np.float64]) -> Scores:
    """Answers with these probabilities of Yes."""
    probability = np.asarray(positive)
    labels = np.where(probability > 0.5, "Yes", "No").astype(object)
    return Scores(labels, np.column_stack([1 - probability, probability]))


def test_the_profile_keeps_to_its_schema_and_counts_every_row(small_training: Training) -> None:
    rows = small_training.split.training.columns
    profile = reference_profile(rows, small_training.plan.contract, scores(np.linspace(0, 1, len(rows))))
    assert object_validator("profile").problems(profile) == []
    assert set(profile["features"]) == {field.name for field in small_training.plan.contract.inputs}
    for feature in [*profile["features"].values(), profile["prediction"]]:
        assert sum(feature["counts"]) + feature["missing"] == len(rows)
        if feature["kind"] == "numeric":
            assert len(feature["counts"]) == len(feature["edges"]) + 1
            assert all(low < high for low, high in pairwise(feature["edges"]))


def test_a_probability_of_one_is_at_or_above_the_last_edge(small_training: Training) -> None:
    row = small_training.plan.contract.example()
    profile = reference_profile(pd.DataFrame([row] * 3), small_training.plan.contract, scores([0.0, 0.1, 1.0]))
    assert profile["prediction"]["counts"] == [0, 1, 1, *([0] * 8), 1]


def test_a_column_without_any_value_is_all_missing(small_training: Training) -> None:
    row = {**small_training.plan.contract.example(), "total_charges": None}
    profile = reference_profile(pd.DataFrame([row]), small_training.plan.contract, scores([0.5]))
    assert profile["features"]["total_charges"] == {
        "kind": "numeric",
        "edges": [0.0],
        "counts": [0, 0],
        "missing": 1,
    }


def test_what_lies_beyond_the_training_data_falls_into_bins_of_its_own(small_training: Training) -> None:
    rows = [
        {**small_training.plan.contract.example(), "monthly_charges": charge} for charge in (20.0, 20.0, 50.0, 90.0)
    ]
    profile = reference_profile(pd.DataFrame(rows), small_training.plan.contract, scores([0.5] * 4))
    feature = profile["features"]["monthly_charges"]
    assert (feature["edges"][0], feature["edges"][-1]) == (20.0, 90.0)
    # None lies below the smallest value; only the largest itself does not lie below the last edge.
    assert (feature["counts"][0], feature["counts"][-1]) == (0, 1)
