"""Files that grow by whole segments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from edustream_contracts.errors import InvalidInput
from hypothesis import given, settings
from hypothesis import strategies as st

from edustream_api.offline import growing_file
from edustream_api.offline.growing_file import GrowingParquet, writable

SCHEMA = pa.schema([("number", pa.int64()), ("text", pa.dictionary(pa.int32(), pa.string()))])
JUNK = b"what a process left that died"


def table(numbers: list[int]) -> pa.Table:
    texts = pa.array([f"text {number % 3}" for number in numbers], pa.string()).dictionary_encode()
    return pa.table([pa.array(numbers, pa.int64()), texts], schema=SCHEMA)


@given(segments=st.lists(st.lists(st.integers(-5, 5), max_size=4), min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_segments_are_one_file_for_every_reader(
    tmp_path_factory: pytest.TempPathFactory, segments: list[list[int]]
) -> None:
    path = tmp_path_factory.mktemp("growing") / "output"
    size = 0
    for number, numbers in enumerate(segments):
        # Each by an object of its own, as after a restart.
        size = GrowingParquet(path, SCHEMA).append(table(numbers), number, size)
        with path.open("ab") as file:
            file.write(JUNK)
    GrowingParquet(path, SCHEMA).finish(len(segments), size)
    assert JUNK not in path.read_bytes()
    with pq.ParquetFile(path) as file:
        assert file.num_row_groups == len(segments)
        found = [file.read_row_group(group)["number"].to_pylist() for group in range(len(segments))]
    assert found == segments
    assert pq.read_table(path).schema.field("text").type == pa.string()


def test_a_segment_that_takes_more_room_than_was_thought_is_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing_file, "MIN_ROOM", 1)
    # 4 MB in memory, and 50 MB as plain texts, which Parquet falls back to where a dictionary is large.
    texts = [f"{number:06}" + "x" * 1000 for number in range(2000)]
    codes = np.arange(50_000, dtype=np.int32) % 2000
    column = pa.DictionaryArray.from_arrays(codes, texts)
    long = pa.table([pa.array(np.arange(50_000)), column], schema=SCHEMA)
    path = tmp_path / "output"
    grown = GrowingParquet(path, SCHEMA)
    size = grown.append(table([1]), 0, 0)
    rooms = []
    written = GrowingParquet._written

    def noting(self: GrowingParquet, given: pa.Table, start: int, room: int) -> int | None:
        rooms.append(room)
        return written(self, given, start, min(room, 1000) if len(rooms) < 2 else room)

    monkeypatch.setattr(GrowingParquet, "_written", noting)
    grown.finish(2, grown.append(long, 1, size))
    assert len(rooms) > 1
    found = pq.read_table(path)
    assert found["number"].to_pylist() == [1, *range(50_000)]
    assert found["text"].to_pylist()[1:] == column.to_pylist()


def test_what_the_disk_refuses_is_told_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be written: Is a directory") as caught, writable(tmp_path / "x"):
        GrowingParquet(tmp_path, SCHEMA).append(table([1]), 0, 0)
    assert "goes on" in caught.value.remedy


def test_an_ending_that_says_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="'\\.txt'"):
        growing_file.growing_file(".txt", tmp_path / "output", SCHEMA)
