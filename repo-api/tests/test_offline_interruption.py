"""Runs that end too soon: what they leave, and how the same command goes on with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from consumers import ConsumerBench
from edustream_registry.durable_files import write_whole
from offline_runs import Rows, Score, refused, write

from edustream_api.offline import run, unfinished_run


@pytest.mark.usefixtures("written")
def test_a_disk_that_is_full_is_said_and_the_run_can_be_gone_on_with(
    score: Score,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(unfinished_run, "write_whole", full)
        assert "No space left on device" in refused(score, capsys)
    assert score() == 0


def interrupted_after(segments: int, monkeypatch: pytest.MonkeyPatch, score: Score, *argv: str) -> int:
    """Runs until so many segments are on the disk, then Ctrl-C."""
    append = unfinished_run.UnfinishedRun.append

    def stopping(self: unfinished_run.UnfinishedRun, *given: Any) -> None:
        if self.progress.segments == segments:
            raise KeyboardInterrupt
        append(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(unfinished_run.UnfinishedRun, "append", stopping)
        return score(*argv)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "SEGMENT_ROWS", 4)
    monkeypatch.setattr("edustream_api.offline.row_source.CHUNK_ROWS", 2)


@pytest.mark.usefixtures("small", "written")
def test_a_disk_that_is_full_later_is_no_mistake_of_the_input(
    score: Score, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []

    def full(path: Path, data: bytes) -> None:
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(path)
        write_whole(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(unfinished_run, "write_whole", full)
        told = refused(score, capsys)
    assert [path.name for path in written] == ["run.json", "progress.json"]
    assert "No space left on device" in told
    assert "--restart" not in told
    assert score() == 0


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_an_interrupted_run_goes_on_where_it_was(
    bench: ConsumerBench,
    score: Score,
    rows: Rows,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    bench.release("1.0.0")
    write(tmp_path / "rows.parquet", rows, row_group_size=5)
    pacsv.write_csv(pa.Table.from_pylist(rows), tmp_path / "rows.csv")
    names = (f"rows.{kind}", f"scored.{kind}")
    assert score(names[0], f"whole.{kind}") == 0
    assert interrupted_after(2, monkeypatch, score, *names) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert not (tmp_path / names[1]).exists()
    # What a sudden death leaves behind the last segment counts for nothing.
    for part in ("output", "rejected"):
        with (tmp_path / f".scored.{kind}.unfinished" / part).open("ab") as file:
            file.write(b"half a segment")
    assert score(*names) == 0
    told = capsys.readouterr().out
    assert "12 rows" in told
    assert "8 of them before" in told
    read = pq.read_table if kind == "parquet" else pacsv.read_csv
    assert read(tmp_path / names[1]).equals(read(tmp_path / f"whole.{kind}"))
    reasons = [(tmp_path / f"{name}.{kind}.rejected.jsonl").read_bytes() for name in ("whole", "scored")]
    assert reasons[0] == reasons[1]


def write_latin_1(path: Path, rows: Rows, place: int) -> None:
    """A CSV file whose text in the row `place` is no UTF-8."""
    path.write_text(",".join(rows[0]) + ",note\n")
    with path.open("ab") as file:
        for index, row in enumerate(rows):
            cells = ["" if cell is None else str(cell) for cell in row.values()]
            file.write(",".join(cells).encode() + (b",caf\xe9\n" if index == place else b",cafe\n"))


@pytest.mark.usefixtures("small")
def test_an_input_that_is_refused_before_the_first_segment_leaves_nothing(
    bench: ConsumerBench, score: Score, rows: Rows, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.release("1.0.0")
    write_latin_1(tmp_path / "rows.csv", rows, 1)
    before = sorted(tmp_path.iterdir())
    told = refused(score, capsys, "rows.csv", "scored.csv", "--carry", "note")
    assert "invalid UTF8 data" in told
    assert "--restart" not in told
    assert {path.name for path in tmp_path.iterdir()} - {path.name for path in before} <= {"cache"}


@pytest.mark.usefixtures("small")
def test_an_input_that_is_refused_late_keeps_what_is_done_and_says_where(
    bench: ConsumerBench,
    score: Score,
    rows: Rows,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edustream_api.offline.row_source.BLOCK_BYTES", 1024)
    bench.release("1.0.0")
    write_latin_1(tmp_path / "rows.csv", rows * 20, 230)
    folder = tmp_path / ".scored.csv.unfinished"
    options = ("rows.csv", "scored.csv", "--carry", "note", "--threads", "1")
    told = refused(score, capsys, *options)
    assert "invalid UTF8 data" in told
    done = json.loads((folder / "progress.json").read_bytes())["read"]
    assert 0 < done <= 230
    assert f"The first {done:,} rows are done; they lie unfinished in {folder}, and are taken up again only" in told
    assert "add --restart then" in told
    # With the same input it is told again, and nothing is lost.
    assert f"The first {done:,} rows are done" in refused(score, capsys, *options)
    write_latin_1(tmp_path / "rows.csv", rows * 20, -1)
    assert "is not this one" in refused(score, capsys, *options)
    assert score(*options, "--restart") == 0
    assert not folder.exists()
    assert pacsv.read_csv(tmp_path / "scored.csv").num_rows == 200


@pytest.mark.usefixtures("small", "written")
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_what_the_progress_counts_is_on_the_disk_before_it(
    score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = tmp_path / f".scored.{kind}.unfinished"
    disk: dict[Path, Any] = {}
    steps = []

    def held(path: Path) -> Any:
        return {entry.name for entry in path.iterdir()} if path.is_dir() else path.read_bytes()

    def fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        disk[path] = held(path)

    def written(path: Path, data: bytes) -> None:
        if path.name == "progress.json":
            parts = [*folder.glob("output*"), *folder.glob("rejected")]
            steps.append({part.name for part in parts})
            assert {part: disk.get(part) for part in parts} == {part: held(part) for part in parts}
            assert disk[folder] >= {part.name for part in parts}
        write_whole(path, data)

    monkeypatch.setattr("os.fsync", fsync)
    monkeypatch.setattr(unfinished_run, "write_whole", written)
    assert score("rows.parquet", f"scored.{kind}") == 0
    assert len(steps) == 3
    assert steps[0] >= {"output", "rejected"}
    assert disk[tmp_path / f".scored.{kind}.unfinished" / "output"] == (tmp_path / f"scored.{kind}").read_bytes()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[20:])


@pytest.mark.usefixtures("small", "written")
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b""), cut])
def test_a_run_that_was_damaged_says_to_begin_anew(
    score: Score,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Path], object],
) -> None:
    assert interrupted_after(2, monkeypatch, score) == 130
    damage(tmp_path / ".scored.parquet.unfinished" / "output.footer-000001")
    told = refused(score, capsys)
    assert "output.footer-000001, a part of the unfinished run, is missing or damaged" in told
    assert "with --restart" in told
    assert score("rows.parquet", "scored.parquet", "--restart") == 0


@pytest.mark.usefixtures("small", "written")
@pytest.mark.parametrize("part", ["output", "rejected"])
def test_a_run_that_holds_less_than_it_says_begins_anew(
    score: Score, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    assert interrupted_after(2, monkeypatch, score) == 130
    (tmp_path / ".scored.parquet.unfinished" / part).write_bytes(b"")
    assert score() == 0
    assert "of them before" not in capsys.readouterr().out
    assert pq.read_table(tmp_path / "scored.parquet").num_rows == 10


@pytest.mark.usefixtures("small", "written")
def test_no_two_runs_write_one_output(
    score: Score, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    append = unfinished_run.UnfinishedRun.append
    told: list[str] = []

    def meeting(self: unfinished_run.UnfinishedRun, *given: Any) -> None:
        append(self, *given)
        told.extend(refused(score, capsys, "rows.parquet", "scored.parquet", *more) for more in ((), ("--restart",)))

    monkeypatch.setattr(unfinished_run.UnfinishedRun, "append", meeting)
    assert score() == 0
    assert len(told) == 6
    assert all("Another process is writing" in words for words in told)
    assert pq.read_table(tmp_path / "scored.parquet").num_rows == 10


@pytest.mark.usefixtures("written")
def test_what_took_the_name_of_the_output_meanwhile_is_not_overwritten(
    score: Score, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "scored.parquet"
    append = unfinished_run.UnfinishedRun.append

    def overtaken(self: unfinished_run.UnfinishedRun, *given: Any) -> None:
        append(self, *given)
        output.write_bytes(b"of somebody else")

    with monkeypatch.context() as patched:
        patched.setattr(unfinished_run.UnfinishedRun, "append", overtaken)
        assert "it was not there when this run began" in refused(score, capsys)
    assert "scored.parquet already" in refused(score, capsys)
    assert output.read_bytes() == b"of somebody else"
    output.unlink()
    assert score() == 0
    assert "12 of them before" in capsys.readouterr().out


@pytest.mark.usefixtures("small")
def test_nothing_else_is_gone_on_with(
    bench: ConsumerBench,
    score: Score,
    written: Rows,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert interrupted_after(1, monkeypatch, score) == 130
    bench.release("1.1.0", scale=0.05)
    told = refused(score, capsys)
    assert "the release: was churn@1.0.0" in told
    assert "is churn@1.1.0" in told
    write(tmp_path / "rows.parquet", written[1:])
    told = refused(score, capsys, "rows.parquet", "scored.parquet", "--model", "churn@1.0.0", "--columns", "tenure")
    assert "the input: was" in told
    assert "the columns of the output: was" in told
    assert score("rows.parquet", "scored.parquet", "--restart") == 0
    scored = pq.read_table(tmp_path / "scored.parquet")
    assert set(scored["model_version"].to_pylist()) == {"1.1.0"}
    assert scored.num_rows == 9


@pytest.mark.usefixtures("small", "written")
@pytest.mark.parametrize("step", ["first", "second"])
def test_a_run_that_died_while_it_named_its_files_ends_well(
    score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    name = unfinished_run._named

    def dying(source: Path, target: Path) -> None:
        if step == "second" or target.suffix == ".jsonl":
            name(source, target)
        if step == "first" or target.suffix == ".parquet":
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(unfinished_run, "_named", dying)
        assert score() == 130
    assert score() == 0
    assert pq.read_metadata(tmp_path / "scored.parquet").num_rows == 10
    assert len((tmp_path / "scored.parquet.rejected.jsonl").read_text().splitlines()) == 2
    assert not (tmp_path / ".scored.parquet.unfinished").exists()


FILES = ("scored.{}", "scored.{}.rejected.jsonl")


def die(*_: Any) -> None:
    raise KeyboardInterrupt


@pytest.fixture(params=["parquet", "csv"])
def names(request: pytest.FixtureRequest, bench: ConsumerBench, rows: Rows, tmp_path: Path) -> Sequence[str]:
    """An input, its output, and its side file."""
    bench.release("1.0.0")
    write(tmp_path / "rows.parquet", rows)
    return ("rows.parquet", *(name.format(request.param) for name in FILES))


@pytest.fixture
def named(
    score: Score, names: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[Path, bytes]]:
    """The finished files of a run that died once they had their names; they are never changed."""
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", die)
        assert score(*names[:2]) == 130
    files = {tmp_path / name: (tmp_path / name).read_bytes() for name in names[1:]}
    yield files
    assert {path: path.read_bytes() for path in files} == files


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.glob(".scored*")]


def test_a_run_that_died_before_it_cleared_up_is_told_as_finished(
    named: dict[Path, bytes], score: Score, names: Sequence[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(*names[:2]) == 0
    assert "12 rows of" in capsys.readouterr().out
    assert hidden(tmp_path) == []


def test_a_finished_output_is_not_given_up_by_restart(
    named: dict[Path, bytes], score: Score, names: Sequence[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"{names[1]} already" in refused(score, capsys, *names[:2], "--restart")
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("restart", [(), ("--restart",)])
def test_a_finished_output_is_not_overwritten_by_that_of_another_input(
    named: dict[Path, bytes],
    score: Score,
    names: Sequence[str],
    rows: Rows,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    restart: Sequence[str],
) -> None:
    write(tmp_path / "rows.parquet", rows[1:])
    assert f"{names[1]} already" in refused(score, capsys, *names[:2], *restart)
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("restart", [(), ("--restart",)])
@pytest.mark.parametrize("lost", [("run.json",), ("progress.json",), ("run.json", "progress.json"), ("output",)])
def test_a_finished_output_is_not_overwritten_where_its_run_is_not_known(
    named: dict[Path, bytes],
    score: Score,
    names: Sequence[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    restart: Sequence[str],
    lost: Sequence[str],
) -> None:
    for name in lost:
        (tmp_path / f".{names[1]}.unfinished" / name).unlink()
    assert f"{names[1]} already" in refused(score, capsys, *names[:2], *restart)


@pytest.mark.usefixtures("written")
def test_the_rejected_rows_of_a_run_that_died_before_it_named_its_output_are_not_overwritten(
    score: Score, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unfinished_run._named

    def dying(source: Path, target: Path) -> None:
        name(source, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(unfinished_run, "_named", dying)
        assert score() == 130
    side_file = tmp_path / "scored.parquet.rejected.jsonl"
    whole = side_file.read_bytes()
    assert "rejected.jsonl already" in refused(score, capsys, "rows.parquet", "scored.parquet", "--restart")
    assert side_file.read_bytes() == whole
    assert score() == 0
    assert side_file.read_bytes() == whole


def test_a_run_whose_output_was_taken_away_before_it_cleared_up_begins_anew(
    named: dict[Path, bytes], score: Score, names: Sequence[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    for path in list(named):
        named[path.rename(tmp_path / "elsewhere" / path.name)] = named.pop(path)
    assert score(*names[:2]) == 0
    assert "of them before" not in capsys.readouterr().out
    assert not any(path.samefile(tmp_path / path.name) for path in named)


@pytest.mark.parametrize("restart", [(), ("--restart",)])
@pytest.mark.parametrize("removed", [0, 1, 4])
def test_a_run_that_died_while_it_cleared_up_leaves_its_output(
    score: Score,
    names: Sequence[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    removed: int,
    restart: Sequence[str],
) -> None:

    def dying(folder: Path, **_: Any) -> None:
        for path in sorted(folder.iterdir())[:removed]:
            path.unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", dying)
        assert score(*names[:2]) == 130
    whole = {path: path.read_bytes() for path in (tmp_path / name for name in names[1:])}
    assert f"{names[1]} already" in refused(score, capsys, *names[:2], *restart)
    assert {path: path.read_bytes() for path in whole} == whole
    assert hidden(tmp_path) == []
