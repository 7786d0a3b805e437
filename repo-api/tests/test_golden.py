from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from consumers import ConsumerBench
from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Rejected

from edustream_api import golden
from edustream_api.loading import ServedModel


def document(rows: list[Mapping[str, Any]]) -> bytes:
    return json.dumps({"golden_format": 1, "rows": rows}).encode()


def test_counts_the_rows_that_agree(bench: ConsumerBench, served: ServedModel, contract: ModelContract) -> None:
    assert golden.replay(document(bench.golden(-0.05)), served.inference, contract) == 3


def test_allows_the_tolerance_and_no_more(bench: ConsumerBench, served: ServedModel, contract: ModelContract) -> None:
    def shifted(by: float) -> bytes:
        rows = bench.golden(-0.05)
        output = {**rows[1]["output"], "probability": rows[1]["output"]["probability"] + by}
        return document([{"input": rows[1]["input"], "output": output}])

    assert golden.replay(shifted(0.9e-5), served.inference, contract) == 1
    with pytest.raises(Rejected, match=r"row 0, probability: is .* allowed") as caught:
        golden.replay(shifted(1.2e-5), served.inference, contract)
    assert caught.value.kind == "golden"


def test_compares_labels_exactly(bench: ConsumerBench, served: ServedModel, contract: ModelContract) -> None:
    with pytest.raises(Rejected, match="row 0, prediction: is 'No' here and was 'Yes' there"):
        golden.replay(document(bench.golden(-0.05, prediction="Yes")), served.inference, contract)


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        (b"{", ""),
        (b"{}", "/golden_format"),
        (document([]), "/rows"),
        (document([{"input": {}, "output": {}}]), "/rows/0/input/contract"),
    ],
)
def test_names_what_is_malformed(served: ServedModel, contract: ModelContract, data: bytes, pointer: str) -> None:
    with pytest.raises(Rejected) as caught:
        golden.replay(data, served.inference, contract)
    assert caught.value.kind == "malformed"
    assert pointer in [problem.pointer for problem in caught.value.problems]


def test_a_row_without_a_usable_answer_is_a_disagreement(
    bench: ConsumerBench, served: ServedModel, contract: ModelContract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edustream_api.inference._probability", _unusable)
    with pytest.raises(Rejected, match="no number"):
        golden.replay(document(bench.golden(-0.05)), served.inference, contract)


def _unusable(value: float) -> float:
    raise golden.AnswerUnusable("no number")
