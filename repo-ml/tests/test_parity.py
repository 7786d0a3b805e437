from __future__ import annotations

import numpy as np
import pytest

from edustream_contracts.errors import GateRefused
from edustream_ml.parity import prove_parity
from edustream_ml.scores import Scores

TRAINED = Scores(np.array(["No", "Yes", "No"], dtype=object), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]))
PRICES = Scores(np.array([755_000.0, 0.5, -3.0]))


def exported(labels: list[str], shift: float) -> Scores:
    assert TRAINED.probabilities is not None
    probabilities = (TRAINED.probabilities + np.array([shift, -shift])).astype(np.float32)
    return Scores(np.array(labels, dtype=object), probabilities)


def test_answers_that_agree_are_counted_and_measured() -> None:
    parity = prove_parity(TRAINED, exported(["No", "Yes", "No"], 4e-6))
    assert parity.rows == 3
    assert parity.largest_difference == pytest.approx(4e-6, rel=0.05)


def test_a_probability_that_differs_is_refused_with_its_row() -> None:
    with pytest.raises(GateRefused, match="disagrees with the trained one on 3 of 3 rows") as refused:
        prove_parity(TRAINED, exported(["No", "Yes", "No"], 1e-3))
    assert refused.value.kind == "onnx_parity"
    assert refused.value.problems[1].pointer == "row 2"
    assert "0.2000000" in refused.value.problems[1].message


def test_a_label_that_differs_is_refused_even_if_the_probabilities_agree() -> None:
    with pytest.raises(GateRefused, match="on 1 of 3 rows"):
        prove_parity(TRAINED, exported(["No", "Yes", "Yes"], 0.0))


def test_a_probability_that_is_no_number_is_refused() -> None:
    with pytest.raises(GateRefused):
        prove_parity(TRAINED, exported(["No", "Yes", "No"], float("nan")))


def test_numbers_are_compared_by_their_size_and_small_ones_absolutely() -> None:
    parity = prove_parity(PRICES, Scores(np.array([755_007.0, 0.500009, -3.0])))
    assert parity.largest_difference == pytest.approx(7 / 755_000, rel=1e-6)
    for wrong in ([755_008.0, 0.5, -3.0], [755_000.0, 0.50002, -3.0], [755_000.0, 0.5, float("nan")]):
        with pytest.raises(GateRefused, match="on 1 of 3 rows; numbers must be within 1e-05 of their size"):
            prove_parity(PRICES, Scores(np.array(wrong)))
