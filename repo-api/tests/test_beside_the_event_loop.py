"""What takes long to be judged, mistakes above all, is judged in another thread than that of the event loop."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from consumers import ConsumerBench
from inference_requests import in_bytes, request

from edustream_api import json_document
from edustream_api.hosting import HostedModel
from edustream_api.joint_inference import JointInference
from edustream_api.loading import MOST_UNKNOWN, ServedModel
from edustream_api.open_inference.operations import INLINE_BYTES, Infer
from edustream_api.open_inference.request import contract_refusal
from edustream_api.prediction import LONG_BYTES, predict, predict_batch
from edustream_api.problems import MAX_ERRORS, RequestRefused


class Threads:
    """In which threads bodies were read with care, and rows judged, and their mistakes put into words."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reading = self._of(monkeypatch, json_document, "parse")
        self.judging = self._of(monkeypatch, ServedModel, "accepts")
        self.wording = self._of(monkeypatch, ServedModel, "problems")

    @staticmethod
    def _of(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[int]:
        threads: list[int] = []
        original: Callable[..., Any] = getattr(owner, name)

        def noted(*given: Any) -> Any:
            threads.append(threading.get_ident())
            return original(*given)

        monkeypatch.setattr(owner, name, noted)
        return threads


@pytest.fixture
def threads(served: ServedModel, monkeypatch: pytest.MonkeyPatch) -> Threads:
    return Threads(monkeypatch)


def is_beside(threads: list[int]) -> bool:
    """Whether this thread, which runs the event loop, has no part in what some did."""
    assert threads
    return threading.get_ident() not in threads


def ask(served: ServedModel, body: bytes) -> None:
    asyncio.run(predict(served, body, JointInference()))


@pytest.mark.parametrize("fields", [3, 1000, 20_000])
def test_what_is_wrong_with_a_row_is_put_into_words(served: ServedModel, threads: Threads, fields: int) -> None:
    body = json.dumps({f"field {number}": number for number in range(fields)}).encode()
    with pytest.raises(RequestRefused) as caught:
        ask(served, body)
    named = min(fields, MOST_UNKNOWN + 1)
    assert len(caught.value.errors) == named + len(served.contract.input_schema["required"])
    assert is_beside(threads.wording)
    assert is_beside(threads.judging) is (len(body) > LONG_BYTES)


@pytest.mark.parametrize("body", [b"", b"[NaN, 1e400]", b'{"a": 1, "a": 2}', b"[" * 1000])
def test_what_is_no_json_is_put_into_words(served: ServedModel, threads: Threads, body: bytes) -> None:
    with pytest.raises(RequestRefused, match="body"):
        ask(served, body)
    assert is_beside(threads.reading)


def test_a_good_row_needs_no_other_thread(served: ServedModel, threads: Threads, row: dict[str, Any]) -> None:
    ask(served, json.dumps(row).encode())
    assert threads.judging == [threading.get_ident()]
    assert threads.reading == threads.wording == []


class TestTensors:
    @pytest.fixture
    def infer(self, bench: ConsumerBench) -> Infer:
        return Infer(HostedModel(bench.keeper()), max_rows=10_000, count=lambda *_: None)

    @staticmethod
    def ask(infer: Infer, served: ServedModel, document: dict[str, Any], *, binary: bool = False) -> None:
        body, headers = in_bytes(document) if binary else (json.dumps(document).encode(), {})
        scope = {"headers": [(name.encode(), value.encode()) for name, value in headers.items()]}
        asyncio.run(infer.of(served, scope, body))

    @pytest.mark.parametrize("binary", [False, True])
    @pytest.mark.parametrize("rows", [1, 3, 200])
    def test_what_is_wrong_with_rows_is_put_into_words(
        self, infer: Infer, served: ServedModel, threads: Threads, row: dict[str, Any], rows: int, binary: bool
    ) -> None:
        with pytest.raises(RequestRefused) as caught:
            self.ask(infer, served, request([{**row, "tenure": 500}] * rows), binary=binary)
        assert len(caught.value.errors) == rows
        assert is_beside(threads.wording)

    @pytest.mark.parametrize(("rows", "many"), [(1, False), (20, False), (40, True), (1000, True)])
    @pytest.mark.parametrize("binary", [False, True])
    def test_many_values_are_converted_and_judged(
        self,
        infer: Infer,
        served: ServedModel,
        threads: Threads,
        row: dict[str, Any],
        rows: int,
        many: bool,
        binary: bool,
    ) -> None:
        self.ask(infer, served, request([row] * rows), binary=binary)
        assert len(threads.judging) >= rows
        assert is_beside(threads.judging) is many

    @pytest.mark.parametrize(
        "document",
        [
            {"inputs": [{"name": ""}] * 1000},
            {"inputs": [], "outputs": [{"name": ""}] * 1000},
            {"inputs": [{"name": "tenure", "datatype": "INT64", "shape": []}]},
            {"inputs": [{"name": "tenure", "datatype": "INT64", "shape": ["many"]}]},
            {"inputs": [{"name": "tenure", "datatype": "INT64", "shape": [10**9]}]},
            {"inputs": [{"shape": [0]}] * 600},
            {"inputs": [{"shape": [1000]}, {"shape": [-1000]}]},
            {"inputs": {"name": "tenure"}},
            {"inputs": [["tenure"]]},
            {"inputs": [], "outputs": 1},
            {},
        ],
    )
    def test_a_request_of_unknown_or_great_extent_is_read(
        self, infer: Infer, served: ServedModel, threads: Threads, document: dict[str, Any]
    ) -> None:
        assert len(json.dumps(document)) <= INLINE_BYTES
        with pytest.raises(RequestRefused):
            self.ask(infer, served, document)
        assert is_beside(threads.reading)

    @pytest.mark.parametrize("body", [b"", b"[]", b"[NaN]", b'{"inputs": [], "inputs": []}'])
    def test_what_is_no_request_is_put_into_words(
        self, infer: Infer, served: ServedModel, threads: Threads, body: bytes
    ) -> None:
        with pytest.raises(RequestRefused, match="body"):
            asyncio.run(infer.of(served, {"headers": []}, body))
        assert is_beside(threads.reading)

    def test_more_json_than_there_is_is_put_into_words(
        self, infer: Infer, served: ServedModel, threads: Threads, row: dict[str, Any]
    ) -> None:
        scope = {"headers": [(b"inference-header-content-length", b"99999")]}
        with pytest.raises(RequestRefused, match="is said to have 99999 bytes"):
            asyncio.run(infer.of(served, scope, json.dumps(request([row])).encode()))


def test_what_is_wrong_with_rows_that_are_not_listed_is_not_put_into_words(
    served: ServedModel, threads: Threads
) -> None:
    bad = {f"field {number}": number for number in range(2 * MOST_UNKNOWN)}
    with pytest.raises(RequestRefused) as caught:
        predict_batch(served, json.dumps({"rows": [bad] * 200}).encode(), max_rows=200)
    worded = len(threads.wording)
    assert (worded - 1) * (MOST_UNKNOWN + 20) < MAX_ERRORS <= worded * (MOST_UNKNOWN + 20)
    assert [str(problem) for problem in caught.value.errors[-2:]] == [
        f"/rows/{index}: does not keep the contract" for index in (198, 199)
    ]
    assert {problem.pointer.split("/")[2] for problem in caught.value.errors} == set(map(str, range(200)))


def test_neither_is_what_is_wrong_with_tensors(served: ServedModel, threads: Threads) -> None:
    bad = {f"field {number}": number for number in range(2 * MOST_UNKNOWN)}
    refusal = contract_refusal([bad] * 200, served)
    worded = len(threads.wording)
    assert (worded - 1) * (MOST_UNKNOWN + 20) < MAX_ERRORS <= worded * (MOST_UNKNOWN + 20)
    assert refusal is not None
    assert [str(problem) for problem in refusal.errors[-2:]] == [
        f"[{index}]: does not keep the contract" for index in (198, 199)
    ]
    assert refusal.detail == f"The inputs have {len(refusal.errors)} problems."
