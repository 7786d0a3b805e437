"""Chunks that are scored in several processes."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import pyarrow as pa
import pytest
from consumers import ConsumerBench
from edustream_contracts.errors import InvalidInput, Problem, Rejected

from edustream_api.loading import ServedModel
from edustream_api.offline.file_columns import assigned
from edustream_api.offline.processes import _from_bytes, _to_bytes, score_elsewhere, score_here, work
from edustream_api.offline.released_model import ModelSource
from edustream_api.offline.run import make_scorer
from edustream_api.offline.scoring import Layout, Scorer
from edustream_api.settings import ConsumerSettings


def chunks(served: ServedModel, count: int) -> Iterator[pa.RecordBatch]:
    """Two rows each, the second of which breaks the contract."""
    for tenure in range(count):
        rows = [{**served.contract.example(), "tenure": value} for value in (tenure, 1000 + tenure)]
        yield pa.RecordBatch.from_pylist(rows)


def layout(served: ServedModel) -> Layout:
    schema = next(chunks(served, 1)).schema
    columns = assigned(schema, served.contract, (), None, "rows.parquet")
    return Layout.of(schema, columns, served.contract, is_text=False, to_text=False)


@pytest.fixture
def source(bench: ConsumerBench) -> ModelSource:
    return ModelSource(ConsumerSettings(cache_dir=bench.directory / "cache"))


def test_results_come_in_the_order_of_the_chunks(served: ServedModel, source: ModelSource) -> None:
    batches = list(chunks(served, 7))
    here = list(score_here(Scorer(served, layout(served)))(batches, 5))
    assert [b'"index":6' in scored.rejected[0] for _, scored in here] == [True, *[False] * 6]
    with score_elsewhere(partial(make_scorer, source, served.release, layout(served)), 2) as score:
        elsewhere = list(score(batches, 5))
    assert [rows for rows, _ in elsewhere] == [2] * 7
    for (_, ours), (_, theirs) in zip(here, elsewhere, strict=True):
        assert theirs.output.equals(ours.output)
        assert theirs.rejected == ours.rejected


def dying() -> Scorer:
    os._exit(7)


def failing() -> Scorer:
    raise Rejected("digest", "The copy was changed.", remedy="start again.", problems=[Problem("a", "b")])


def test_a_process_that_dies_is_told(served: ServedModel) -> None:
    with (
        score_elsewhere(dying, 1) as score,
        pytest.raises(InvalidInput, match="A scoring process ended with code 7"),
    ):
        list(score(chunks(served, 3), 0))


@pytest.fixture
def interruptible() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


class Asked:
    """A connection whose other end asks so much and is gone then; `answers` are what came back."""

    def __init__(self, *requests: tuple[int, bytes]) -> None:
        self._requests = list(requests)
        self.answers: list[Any] = []

    def recv(self) -> tuple[int, bytes]:
        if not self._requests:
            raise EOFError
        return self._requests.pop(0)

    def send(self, answer: Any) -> None:
        self.answers.append(answer)


@pytest.mark.usefixtures("interruptible")
def test_what_goes_wrong_in_a_process_is_the_same_error_here() -> None:
    asked = Asked((0, b""), (1, b""))
    work(cast(Any, asked), failing)
    for answer in asked.answers:
        error = pickle.loads(pickle.dumps(answer)).raised()
        assert type(error) is Rejected
        assert str(error) == "The copy was changed.\n  - a: b\nNext: start again."
    assert len(asked.answers) == 2


@pytest.mark.usefixtures("interruptible")
def test_a_process_answers_chunk_by_chunk(served: ServedModel) -> None:
    batch = next(chunks(served, 1))
    broken = batch.set_column(
        batch.schema.get_field_index("contract"), "contract", pa.array([b"\xff", b"No"], pa.binary()).view(pa.string())
    )
    asked = Asked((0, _to_bytes(batch)), (2, _to_bytes(broken)))
    work(cast(Any, asked), lambda: Scorer(served, layout(served)))
    (rejected, output), failure = asked.answers
    here = Scorer(served, layout(served)).score(batch, 0)
    assert (rejected, _from_bytes(output)) == (here.rejected, here.output)
    assert "no UTF-8" in str(failure.raised())
