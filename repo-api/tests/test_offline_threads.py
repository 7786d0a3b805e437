"""Chunks that are scored in several threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, cast

import pyarrow as pa
import pytest
from edustream_contracts.errors import InvalidInput

from edustream_api.loading import ServedModel
from edustream_api.offline.file_columns import assigned
from edustream_api.offline.scoring import Layout, Scored, Scorer
from edustream_api.offline.threads import scoring_threads


def chunks(served: ServedModel, count: int) -> Iterator[pa.RecordBatch]:
    """Two rows each, the second of which breaks the contract."""
    for tenure in range(count):
        rows = [{**served.contract.example(), "tenure": value} for value in (tenure, 1000 + tenure)]
        yield pa.RecordBatch.from_pylist(rows)


def scorer(served: ServedModel) -> Scorer:
    schema = next(chunks(served, 1)).schema
    columns = assigned(schema, served.contract, (), None, "rows.parquet")
    return Scorer(served, Layout.of(schema, columns, served.contract, is_text=False, to_text=False))


@pytest.mark.parametrize("count", [1, 3])
def test_results_come_in_the_order_of_the_chunks(served: ServedModel, count: int) -> None:
    batches = list(chunks(served, 9))
    ours = scorer(served)
    expected = [ours.score(batch, 5 + 2 * place) for place, batch in enumerate(batches)]
    with scoring_threads(scorer(served), count) as score:
        found = list(score(batches, 5))
    assert [rows for rows, _ in found] == [2] * 9
    for (_, scored), wanted in zip(found, expected, strict=True):
        assert scored.output.equals(wanted.output)
        assert scored.rejected == wanted.rejected
    assert b'"index":6' in found[0][1].rejected[0]


class Meeting:
    """A scorer whose first chunk is done after the second one: both have to be in hand at once."""

    def __init__(self) -> None:
        self._second = threading.Event()

    def score(self, batch: pa.RecordBatch, first: int) -> Scored:
        if first:
            self._second.set()
        elif not self._second.wait(60):
            raise AssertionError("the second chunk was not begun")
        return Scored(batch, [str(first).encode()])


def test_two_threads_have_two_chunks_in_hand_at_once() -> None:
    batches = [pa.RecordBatch.from_pydict({"a": [1]}) for _ in range(2)]
    with scoring_threads(cast(Any, Meeting()), 2) as score:
        assert [scored.rejected for _, scored in score(batches, 0)] == [[b"0"], [b"1"]]


def test_only_a_few_chunks_are_read_ahead(served: ServedModel) -> None:
    taken: list[int] = []

    def counted() -> Iterator[pa.RecordBatch]:
        for place, batch in enumerate(chunks(served, 50)):
            taken.append(place)
            yield batch

    with scoring_threads(scorer(served), 2) as score:
        next(score(counted(), 0))
        assert len(taken) == 5


def test_what_goes_wrong_in_a_thread_is_raised_where_the_results_are_taken(served: ServedModel) -> None:
    (batch,) = chunks(served, 1)
    broken = batch.set_column(
        batch.schema.get_field_index("contract"), "contract", pa.array([b"\xff", b"No"], pa.binary()).view(pa.string())
    )
    with (
        scoring_threads(scorer(served), 2) as score,
        pytest.raises(InvalidInput, match="no UTF-8"),
    ):
        list(score([batch, broken, *[batch] * 20], 0))


def test_no_thread_is_left_behind(served: ServedModel) -> None:
    with scoring_threads(scorer(served), 2) as score:
        next(score(chunks(served, 20), 0))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("scoring")]
