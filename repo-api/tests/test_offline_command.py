"""Whole runs over small files, from the options to the files that they leave."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from consumers import ConsumerBench
from offline_runs import Rows, Score, predicted, refused, rejected, write

from edustream_api.loading import ServedModel
from edustream_api.offline import command, run
from edustream_api.offline.row_source import open_rows
from edustream_api.problems import RequestRefused


def test_answers_stand_beside_the_rows_and_rejected_rows_in_a_side_file_with_the_words_of_predict(
    bench: ConsumerBench,
    served: ServedModel,
    score: Score,
    rows: Rows,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(tmp_path / "rows.parquet", rows)
    assert score() == 0
    scored = pq.read_table(tmp_path / "scored.parquet").to_pylist()
    good = [row for index, row in enumerate(rows) if index not in (3, 7)]
    assert scored == [{**row, **orjson.loads(predicted(served, orjson.dumps(row)))} for row in good]
    lines = rejected(tmp_path / "scored.parquet.rejected.jsonl")
    assert [line["index"] for line in lines] == [3, 7]
    for line, row in zip(lines, (rows[3], rows[7]), strict=True):
        with pytest.raises(RequestRefused) as refused:
            predicted(served, json.dumps(row).encode())
        assert line["problems"] == refused.value.document()["errors"]
    assert lines[0]["row"] == rows[3]
    assert lines[1]["row"] == rows[7] | {"monthly_charges": "NaN"}
    told = capsys.readouterr()
    assert "read       12 rows" in told.out
    assert "scored     10 rows" in told.out
    assert "rejected   2 rows" in told.out
    assert f"churn@1.0.0 ({served.release.manifest_digest})" in told.out
    assert told.err == ""
    assert sorted(path.name for path in tmp_path.glob("*scored*")) == [
        "scored.parquet",
        "scored.parquet.rejected.jsonl",
    ]


def test_csv_is_read_by_the_contracts_types_and_written_again(
    served: ServedModel, score: Score, rows: Rows, tmp_path: Path
) -> None:
    names = list(rows[0])
    texts = [",".join("" if row[name] is None else str(row[name]) for name in names) for row in rows]
    texts[5] = texts[5].replace("29.85,29.85", "29.85,")
    (tmp_path / "rows.csv").write_text("\ufeff" + "\n".join([",".join(names), *texts]) + "\n", encoding="utf-8")
    assert score("rows.csv", "scored.csv") == 0
    assert score("rows.csv", "scored.parquet") == 0
    scored = pq.read_table(tmp_path / "scored.parquet").to_pylist()
    good = [row for index, row in enumerate(rows) if index not in (3, 7)]
    good[4] = {**good[4], "total_charges": None}
    assert scored == [{**row, **orjson.loads(predicted(served, orjson.dumps(row)))} for row in good]
    again = pacsv.read_csv(tmp_path / "scored.csv").to_pylist()
    assert again == scored
    lines = rejected(tmp_path / "scored.csv.rejected.jsonl")
    assert [line["index"] for line in lines] == [3, 7]
    assert lines[1]["row"]["monthly_charges"] == "nan"
    assert {problem["pointer"] for problem in lines[1]["problems"]} == {"/contract", "/monthly_charges"}


@pytest.mark.parametrize(
    ("number", "shown"), [("9" * 25, 1e25), ("9" * 5000, "9" * 5000), ("1e400", "1e400"), ("-1e400", "-1e400")]
)
def test_a_number_of_many_digits_is_a_rejected_row(
    served: ServedModel, score: Score, rows: Rows, tmp_path: Path, number: str, shown: object
) -> None:
    names = list(rows[0])
    good = ["" if rows[0][name] is None else str(rows[0][name]) for name in names]
    bad = [number if name == "tenure" else text for name, text in zip(names, good, strict=True)]
    lines = [",".join(cells) for cells in (names, good, bad)]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert score("rows.csv", "scored.csv") == 0
    (rejected,) = (tmp_path / "scored.csv.rejected.jsonl").read_text().splitlines()
    told = json.loads(rejected)
    assert told["index"] == 1
    assert [problem["pointer"] for problem in told["problems"]] == ["/tenure"]
    assert told["row"]["tenure"] == shown


@pytest.mark.parametrize(("kind", "end"), [("parquet", ""), ("csv", "\n"), ("csv", "")])
def test_a_file_without_rows_is_scored_to_one_without_rows(
    bench: ConsumerBench, score: Score, rows: Rows, tmp_path: Path, kind: str, end: str
) -> None:
    bench.release("1.0.0")
    empty = pa.Table.from_pylist(rows).slice(0, 0)
    pq.write_table(empty, tmp_path / "rows.parquet")
    (tmp_path / "rows.csv").write_text(",".join(empty.column_names) + end)
    assert score(f"rows.{kind}", f"scored.{kind}") == 0
    read = pq.read_table if kind == "parquet" else pacsv.read_csv
    scored = read(tmp_path / f"scored.{kind}")
    assert scored.num_rows == 0
    assert scored.column_names == [*rows[0], "prediction", "probability", "model", "model_version"]
    assert not (tmp_path / f"scored.{kind}.rejected.jsonl").exists()


def test_columns_are_chosen_and_others_pass_through(
    bench: ConsumerBench, score: Score, rows: Rows, tmp_path: Path
) -> None:
    bench.release("1.0.0")
    dated = [{"id": Decimal(index), **row, "since": date(2026, 1, 1)} for index, row in enumerate(rows)]
    write(tmp_path / "rows.parquet", dated)
    assert score("rows.parquet", "scored.parquet", "--carry", "id,since", "--columns", "id,tenure") == 0
    scored = pq.read_table(tmp_path / "scored.parquet").to_pylist()
    assert list(scored[0]) == ["id", "tenure", "prediction", "probability", "model", "model_version"]
    assert [row["id"] for row in scored] == [index for index in range(12) if index not in (3, 7)]
    line = json.loads((tmp_path / "scored.parquet.rejected.jsonl").read_text().splitlines()[0])
    assert (line["row"]["id"], line["row"]["since"]) == ("3", "2026-01-01")


NO_UTF8 = pa.array([b"a\xff"], pa.binary()).view(pa.string())
BEYOND = pa.array([253_402_300_800_000_000], pa.int64()).view(pa.timestamp("us"))
NANOSECOND = pa.array([1], pa.timestamp("ns"))
UNKNOWN_ZONE = pa.array([1], pa.timestamp("us", "Mars/Olympus"))


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (NANOSECOND, "1970-01-01 00:00:00.000000001"),
        (BEYOND, "10000-01-01 00:00:00.000000"),
        (UNKNOWN_ZONE, "1970-01-01 00:00:00.000001Z"),
        (pa.array([1], pa.time64("ns")), "00:00:00.000000001"),
        (pa.array([2**31 - 1], pa.int32()).view(pa.date32()), "<value out of range: 2147483647>"),
        (NO_UTF8, r"a\xff"),
        (NO_UTF8.cast(pa.binary()).cast(pa.large_binary()).view(pa.large_string()), r"a\xff"),
        (pa.ListArray.from_arrays([0, 1], NO_UTF8), [r"a\xff"]),
        (pa.StructArray.from_arrays([NO_UTF8, pa.array([1])], ["x", "y"]), {"x": r"a\xff", "y": 1}),
        (NANOSECOND.dictionary_encode(), "1970-01-01 00:00:00.000000001"),
        (pa.array([datetime(2026, 1, 1)]), "2026-01-01T00:00:00"),
        (pa.array([b"\xff"]), r"b'\xff'"),
        (pa.array([Decimal("1.50")]), "1.50"),
        (pa.nulls(1), None),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_a_carried_cell_of_any_type_is_shown_beside_a_rejected_row(
    bench: ConsumerBench, score: Score, rows: Rows, tmp_path: Path, cell: pa.Array, shown: Any
) -> None:
    bench.release("1.0.0")
    table = pa.Table.from_pylist(rows[2:4]).append_column("x", pa.chunked_array([cell, cell]))
    pq.write_table(table, tmp_path / "rows.parquet")
    assert score("rows.parquet", "scored.parquet", "--carry", "x") == 0
    (line,) = rejected(tmp_path / "scored.parquet.rejected.jsonl")
    assert line["row"] == rows[3] | {"x": shown}
    assert pq.read_metadata(tmp_path / "scored.parquet").num_rows == 1


@pytest.mark.parametrize(
    ("cell", "kind"), [(pa.array([{"a": 1}]), "struct<a: int64>"), (pa.array([[1]]), "list<item: int64>")]
)
def test_a_column_that_csv_has_no_form_for_is_named_before_a_row_is_read(
    bench: ConsumerBench,
    score: Score,
    rows: Rows,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    cell: pa.Array,
    kind: str,
) -> None:
    bench.release("1.0.0")
    table = pa.Table.from_pylist(rows[:1]).append_column("x", cell)
    pq.write_table(table, tmp_path / "rows.parquet")
    told = refused(score, capsys, "rows.parquet", "scored.csv", "--carry", "x")
    assert f"- x: is of type {kind.replace('item', 'element')}\n" in told
    assert "ends in .parquet or .pq, or have --columns leave them out" in told
    assert not list(tmp_path.glob(".scored*"))
    assert score("rows.parquet", "scored.csv", "--carry", "x", "--columns", "tenure") == 0


@pytest.mark.parametrize(
    ("cell", "words"), [(UNKNOWN_ZONE, "Mars/Olympus"), (pa.array([b"\xff"]), "Invalid UTF8 payload")]
)
def test_a_cell_that_csv_has_no_form_for_is_told_with_what_helps(
    bench: ConsumerBench,
    score: Score,
    rows: Rows,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    cell: pa.Array,
    words: str,
) -> None:
    bench.release("1.0.0")
    pq.write_table(pa.Table.from_pylist(rows[:1]).append_column("x", cell), tmp_path / "rows.parquet")
    told = refused(score, capsys, "rows.parquet", "scored.csv", "--carry", "x")
    assert words in told
    assert "Next: have --columns leave out" in told
    assert score("rows.parquet", "scored.csv", "--carry", "x", "--columns", "tenure") == 0


def test_a_text_without_utf8_in_the_place_of_a_number_is_a_rejected_row(
    bench: ConsumerBench, score: Score, rows: Rows, tmp_path: Path
) -> None:
    bench.release("1.0.0")
    table = pa.Table.from_pylist(rows[:1])
    place = table.schema.get_field_index("tenure")
    pq.write_table(table.set_column(place, "tenure", NO_UTF8), tmp_path / "rows.parquet")
    assert score() == 0
    (line,) = rejected(tmp_path / "scored.parquet.rejected.jsonl")
    assert line["row"]["tenure"] == r"a\xff"
    assert [problem["pointer"] for problem in line["problems"]] == ["/tenure"]


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_dictionaries_that_differ_from_one_row_group_to_the_next_are_joined(
    bench: ConsumerBench, score: Score, rows: Rows, tmp_path: Path, kind: str
) -> None:
    bench.release("1.0.0")
    narrow = pa.dictionary(pa.int8(), pa.string())
    notes = [[f"{group} {number}" for number in range(100)] for group in "ab"]
    tables = [
        pa.Table.from_pylist([rows[0]] * 100).append_column("note", pa.array(texts).dictionary_encode().cast(narrow))
        for texts in notes
    ]
    with pq.ParquetWriter(tmp_path / "rows.parquet", tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)
    assert score("rows.parquet", f"scored.{kind}", "--carry", "note") == 0
    read = pq.read_table if kind == "parquet" else pacsv.read_csv
    assert read(tmp_path / f"scored.{kind}")["note"].to_pylist() == [*notes[0], *notes[1]]


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_texts_of_views_are_read_like_any_others(
    bench: ConsumerBench, score: Score, rows: Rows, tmp_path: Path, kind: str
) -> None:
    bench.release("1.0.0")
    plain = pa.Table.from_pylist([{**row, "note": None if row is rows[1] else "é" * 20} for row in rows])
    viewed = [field.with_type(pa.string_view()) if pa.types.is_string(field.type) else field for field in plain.schema]
    pq.write_table(plain, tmp_path / "plain.parquet")
    pq.write_table(plain.cast(pa.schema(viewed)), tmp_path / "views.parquet", row_group_size=5)
    assert pa.string_view() in pq.read_schema(tmp_path / "views.parquet").types
    for name in ("plain", "views"):
        assert score(f"{name}.parquet", f"{name}-scored.{kind}", "--carry", "note") == 0
    read = pq.read_table if kind == "parquet" else pacsv.read_csv
    one, other = (read(tmp_path / f"{name}-scored.{kind}") for name in ("plain", "views"))
    assert one.num_rows == 10
    assert one.equals(other)
    lines = [(tmp_path / f"{name}-scored.{kind}.rejected.jsonl").read_bytes() for name in ("plain", "views")]
    assert lines[0] == lines[1]


VIEWED = {
    pa.binary_view(): b"a",
    pa.list_(pa.string_view()): ["a", "b"],
    pa.large_list(pa.binary_view()): [b"a"],
    pa.list_(pa.string_view(), 2): ["a", "b"],
    pa.struct([("x", pa.list_(pa.string_view()))]): {"x": ["a"]},
    pa.map_(pa.string_view(), pa.binary_view()): [("a", b"b")],
}


@pytest.mark.parametrize("viewed", VIEWED, ids=str)
def test_a_column_of_views_passes_whatever_holds_them(
    bench: ConsumerBench, score: Score, rows: Rows, tmp_path: Path, viewed: pa.DataType
) -> None:
    bench.release("1.0.0")
    value = VIEWED[viewed]
    table = pa.Table.from_pylist([*rows[:3], {**rows[3], "contract": "Weekly"}])
    pq.write_table(table.append_column("note", pa.array([value] * 4, viewed)), tmp_path / "rows.parquet")
    assert viewed in pq.read_schema(tmp_path / "rows.parquet").types
    assert score("rows.parquet", "scored.parquet", "--carry", "note") == 0
    assert pq.read_table(tmp_path / "scored.parquet")["note"].to_pylist() == [value] * 3
    assert len(rejected(tmp_path / "scored.parquet.rejected.jsonl")) == 1


def test_a_row_that_the_model_fails_on_is_rejected_alone(
    bench: ConsumerBench, score: Score, rows: Rows, tmp_path: Path
) -> None:
    # 0 * infinity is no number; the golden rows do not have tenure 0.
    golden = [{"input": {**bench.contract.example(), "tenure": 5}, "output": {"prediction": "Yes", "probability": 1.0}}]
    bench.release("1.0.0", model=bench.model(scale=float("inf")), golden=golden)
    write(tmp_path / "rows.parquet", rows)
    assert score() == 0
    lines = rejected(tmp_path / "scored.parquet.rejected.jsonl")
    assert [line["index"] for line in lines] == [0, 3, 7]
    assert lines[0]["problems"] == [{"pointer": "", "detail": "churn@1.0.0: a probability is nan"}]
    assert pq.read_metadata(tmp_path / "scored.parquet").num_rows == 9


def test_columns_that_do_not_fit_are_all_named_before_a_row_is_read(
    bench: ConsumerBench, score: Score, rows: Rows, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.release("1.0.0")
    unfit = [
        {**row, "extra": 1, "model": "x", "monthly_charges": Decimal("1.50"), "female": date.today()} for row in rows
    ]
    for row in unfit:
        del row["tenure"]
    table = pa.Table.from_pylist(unfit)
    write(tmp_path / "rows.parquet", [])
    pq.write_table(table.append_column("partner", table.column("partner")), tmp_path / "rows.parquet")
    told = refused(score, capsys, "rows.parquet", "scored.parquet", "--columns", "nowhere", "--carry", "dependents")
    for words in (
        "extra: is not a field of the contract",
        "model: is not a field",
        "tenure: is missing",
        "partner: occurs 2 times",
        "monthly_charges: is of type decimal128(3, 2)",
        "female: is of type date32",
        "nowhere: is named in --columns",
        "dependents: is a field of the contract",
    ):
        assert words in told
    carried = refused(score, capsys, "rows.parquet", "scored.parquet", "--carry", "extra,model")
    assert "model: is the name of an answer as well" in carried


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("rows.parquet", None, "No such file"),
        ("rows.parquet", b"", "rows.parquet cannot be read"),
        ("rows.parquet", b"PAR1 nothing of the kind PAR1", "rows.parquet cannot be read"),
        ("rows.csv", b"", "rows.csv cannot be read"),
        ("rows.csv", b"a,b\n1\n", "Expected 2 columns, got 1"),
        ("rows.csv", b"a,b\n1", "Expected 2 columns, got 1"),
        ("rows.csv", b"tenure,\n1,2\n", '- "": is not a field of the contract'),
        ("rows.xlsx", b"", "rows.xlsx does not say what kind of file it is"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_usage_error(
    bench: ConsumerBench,
    score: Score,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes | None,
    words: str,
) -> None:
    bench.release("1.0.0")
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert words in refused(score, capsys, name)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_empty_line_of_a_csv_file_ends_the_run(
    bench: ConsumerBench,
    score: Score,
    rows: Rows,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    end: str,
    place: int,
) -> None:
    bench.release("1.0.0")
    names = list(rows[0])
    lines = [",".join(names), *(",".join(str(row[name]) for name in names) for row in rows[:2])]
    lines.insert(place, "")
    (tmp_path / "rows.csv").write_text("\ufeff" + end.join(lines) + end, encoding="utf-8", newline="")
    told = refused(score, capsys, "rows.csv", "scored.csv")
    assert f"Line {place + 1} of {tmp_path / 'rows.csv'} is empty.\n" in told
    assert not list(tmp_path.glob("*scored*"))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("count", [1, 3])
def test_empty_lines_at_the_end_of_a_csv_file_are_no_rows(
    bench: ConsumerBench, score: Score, rows: Rows, tmp_path: Path, end: str, count: int
) -> None:
    bench.release("1.0.0")
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows[:2])]
    (tmp_path / "rows.csv").write_text(end.join(lines) + end * (1 + count), newline="")
    assert score("rows.csv", "scored.parquet") == 0
    assert pq.read_table(tmp_path / "scored.parquet").num_rows == 2
    assert not (tmp_path / "scored.parquet.rejected.jsonl").exists()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("block", [1024, 4 * 1024 * 1024])
def test_what_is_no_empty_line_of_a_csv_file_ends_nothing(
    bench: ConsumerBench,
    score: Score,
    rows: Rows,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    end: str,
    block: int,
) -> None:
    """Neither empty lines within quotes nor lines of empty cells are, nor is the end of the last line."""
    monkeypatch.setattr("edustream_api.offline.row_source.BLOCK_BYTES", block)
    bench.release("1.0.0")
    names = list(rows[0])
    note = f"{end}{end}x{end}{end}"
    lines = [",".join(["note", *names]), *(",".join([f'"{note}"', *map(str, rows[0].values())]) for _ in range(40))]
    lines.insert(2, "," * len(names))
    (tmp_path / "rows.csv").write_text(end.join(lines) + end, newline="")
    assert score("rows.csv", "scored.parquet", "--carry", "note") == 0
    assert pq.read_table(tmp_path / "scored.parquet")["note"].to_pylist() == [note] * 40
    assert [line["index"] for line in rejected(tmp_path / "scored.parquet.rejected.jsonl")] == [1]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("block", [5, 6, 7, 8, 9, 4 * 1024 * 1024])
def test_an_empty_line_of_a_csv_file_of_one_column_is_an_empty_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, block: int
) -> None:
    monkeypatch.setattr("edustream_api.offline.row_source.BLOCK_BYTES", block)
    path = tmp_path / "rows.csv"
    path.write_text(end.join(["a", "1", "", "22", "", "", "3"]) + end, newline="")
    rows = open_rows(path)
    assert rows.schema.names == ["a"]
    found = [cell for batch in rows.batches(0) for cell in batch.column(0).to_pylist()]
    assert found == ["1", None, "22", None, None, "3"]


def test_a_file_of_one_endless_line_is_a_usage_error(
    bench: ConsumerBench,
    score: Score,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edustream_api.offline.row_source.BLOCK_BYTES", 8)
    bench.release("1.0.0")
    (tmp_path / "rows.csv").write_text("tenure," * 9)
    assert "rows.csv cannot be read" in refused(score, capsys, "rows.csv")


def test_pages_that_were_damaged_are_a_usage_error(
    bench: ConsumerBench, score: Score, rows: Rows, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.release("1.0.0")
    path = tmp_path / "rows.parquet"
    write(path, rows, compression="none", use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[4:200] = b"\xff" * 196
    path.write_bytes(data)
    assert "rows.parquet cannot be read" in refused(score, capsys)


@pytest.mark.usefixtures("written")
def test_outputs_are_never_overwritten(score: Score, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is input and output" in refused(score, capsys, "rows.parquet", "rows.parquet")
    assert "what kind of file it shall be" in refused(score, capsys, "rows.parquet", "scored.txt")
    assert "nowhere.\nNext: make it" in refused(score, capsys, "rows.parquet", "nowhere/scored.csv")
    assert not list(tmp_path.glob("*.unfinished"))
    assert score() == 0
    capsys.readouterr()
    before = (tmp_path / "scored.parquet").read_bytes()
    assert "scored.parquet already" in refused(score, capsys)
    (tmp_path / "scored.parquet").rename(tmp_path / "elsewhere")
    assert "rejected.jsonl already" in refused(score, capsys)
    assert (tmp_path / "elsewhere").read_bytes() == before


def test_an_input_that_changes_meanwhile_is_refused(
    score: Score,
    written: Rows,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = run._go_on

    def disturbed(*given: Any) -> None:
        go_on(*given)
        write(tmp_path / "rows.parquet", written[1:])

    monkeypatch.setattr(run, "_go_on", disturbed)
    assert "was changed while it was read" in refused(score, capsys)
    assert not (tmp_path / "scored.parquet").exists()


@pytest.mark.usefixtures("written")
def test_an_outage_is_survived_within_the_budget_and_not_beyond(
    bench: ConsumerBench, score: Score, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score("rows.parquet", "first.parquet") == 0
    capsys.readouterr()
    bench.registry.store.cut_off = True
    assert score("rows.parquet", "second.parquet") == 0
    assert "The registry cannot be reached" in capsys.readouterr().err
    told = refused(score, capsys, "rows.parquet", "third.parquet", code=6, EDUSTREAM_STALENESS_BUDGET_S="0")
    assert "the verified copy may be served for 0 s after that" in told


def test_what_the_server_refuses_scores_nothing(
    bench: ConsumerBench, score: Score, rows: Rows, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "rows.parquet", rows)
    assert "churn" in refused(score, capsys, code=3)
    bench.release("1.0.0", golden=bench.golden(scale=-0.06))
    assert "golden" in refused(score, capsys, code=4)
    assert "2 models are named" in refused(score, capsys, EDUSTREAM_MODEL="churn@1.0.0,housing@1.0.0")
    assert "EDUSTREAM_CACHE_DIR" in refused(score, capsys, EDUSTREAM_CACHE_DIR="")
    assert "There is no env file" in refused(
        score, capsys, "rows.parquet", "scored.parquet", "--env-file", str(tmp_path / "nowhere")
    )


@pytest.mark.parametrize("threads", ["0", "257", "abc", "1.5", ""])
def test_a_number_of_threads_that_is_none_is_told_with_what_is_expected(
    capsys: pytest.CaptureFixture[str], threads: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        command.main(["--input", "rows.csv", "--output", "scored.csv", "--threads", threads])
    assert caught.value.code == 2
    told = capsys.readouterr().err
    assert f"argument --threads: {threads!r}; expected: a whole number from 1 to 256\n" in told


def test_every_option_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        command.main(["--help"])
    assert caught.value.code == 0
    told = capsys.readouterr().out
    assert all(option in told for option in ("--carry", "--columns", "--threads", "--restart", "--cache-dir"))


@pytest.mark.parametrize("threads", ["0", "x", "257"])
def test_a_number_of_threads_that_is_none_is_a_usage_error(score: Score, threads: str) -> None:
    with pytest.raises(SystemExit) as caught:
        score("rows.parquet", "scored.parquet", "--threads", threads)
    assert caught.value.code == 2


@pytest.mark.usefixtures("written")
def test_a_bar_is_drawn_on_a_terminal_alone(
    score: Score,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert score() == 0
    assert "12.0/12.0" in capsys.readouterr().err


@pytest.mark.parametrize(("source", "output"), [("parquet", "parquet"), ("parquet", "csv"), ("csv", "parquet")])
def test_rows_of_which_all_are_rejected_leave_an_empty_output(
    served: ServedModel, score: Score, rows: Rows, tmp_path: Path, source: str, output: str
) -> None:
    write(tmp_path / "rows.parquet", [{**row, "tenure": 500} for row in rows])
    if source == "csv":
        pacsv.write_csv(pq.read_table(tmp_path / "rows.parquet"), tmp_path / "rows.csv")
    assert score(f"rows.{source}", f"scored.{output}") == 0
    assert len(rejected(tmp_path / f"scored.{output}.rejected.jsonl")) == len(rows)
    read = pq.read_table if output == "parquet" else pacsv.read_csv
    assert read(tmp_path / f"scored.{output}").num_rows == 0
