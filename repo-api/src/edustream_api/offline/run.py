"""One run over one file: from its first row, or from where an interrupted run was, to the whole output."""

from __future__ import annotations

import hashlib
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
from edustream_contracts.errors import InvalidInput
from tqdm import tqdm

from edustream_api.loading import ServedModel
from edustream_api.offline.file_columns import assigned
from edustream_api.offline.row_source import CSV, RowSource, open_rows
from edustream_api.offline.scoring import Layout, Scorer
from edustream_api.offline.threads import Score, scoring_threads
from edustream_api.offline.unfinished_run import Progress, RunIdentity, UnfinishedRun, unfinished_run

# What a sudden death costs at most, and what is held in memory at once.
SEGMENT_ROWS: Final = 100_000
SEGMENT_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Task:
    """What to score, and how: `kept` are the columns of the output (None: all), `carried` those that only pass."""

    input: Path
    output: Path
    kept: tuple[str, ...] | None
    carried: tuple[str, ...]
    threads: int
    restart: bool

    @property
    def rejected(self) -> Path:
        """The side file."""
        return self.output.with_name(f"{self.output.name}.rejected.jsonl")


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did: all that its output holds, and what of it was done before it was gone on with."""

    whole: Progress
    before: Progress
    seconds: float


def run(task: Task, model: ServedModel) -> Summary:
    """Score the file; what was interrupted goes on.

    Raises `InvalidInput`: (kind `argument`) for paths that do not fit or exist, (kind `data`) for a file that cannot
    be read or is not of the contract's columns, (kind `configuration`) where the output cannot be written.
    """
    began = time.monotonic()
    rows = open_rows(task.input)
    if task.output.exists() and task.input.samefile(task.output):
        raise InvalidInput("argument", f"{task.input} is input and output.", remedy="give --output another name.")
    columns = assigned(rows.schema, model.contract, task.carried, task.kept, str(task.input))
    layout = Layout.of(
        rows.schema,
        columns,
        model.contract,
        is_text=task.input.suffix.lower() in CSV,
        to_text=task.output.suffix.lower() in CSV,
    )
    identity = RunIdentity(
        input_sha256=_digest(task.input),
        release=f"{model.name}@{model.version} {model.release.manifest_digest}",
        output=str(task.output.absolute()),
        kept=columns.kept,
        carried=task.carried,
    )
    with unfinished_run(task.output, task.rejected, layout.output, identity, restart=task.restart) as unfinished:
        before = unfinished.progress
        if not unfinished.is_finished:
            with unfinished.reading(), scoring_threads(Scorer(model, layout), task.threads) as score:
                _go_on(unfinished, rows, score, layout.output)
            if _digest(task.input) != identity.input_sha256:
                raise InvalidInput(
                    "data",
                    f"{task.input} was changed while it was read.",
                    remedy="give the same command with --restart once nobody writes to it.",
                )
        unfinished.finish()
        return Summary(unfinished.progress, before, time.monotonic() - began)


def _go_on(unfinished: UnfinishedRun, rows: RowSource, score: Score, schema: pa.Schema) -> None:
    start = unfinished.progress.read
    held: list[pa.RecordBatch] = []
    rejected: list[bytes] = []
    read = size = 0
    # Without a terminal there is no bar.
    with tqdm(total=rows.rows, initial=start, unit=" rows", unit_scale=True, disable=None, file=sys.stderr) as bar:
        for count, scored in score(rows.batches(start), start):
            held.append(scored.output)
            rejected.extend(scored.rejected)
            read += count
            size += scored.output.nbytes + sum(map(len, scored.rejected))
            if read >= SEGMENT_ROWS or size >= SEGMENT_BYTES:
                unfinished.append(pa.Table.from_batches(held, schema), rejected, read)
                held, rejected, read, size = [], [], 0, 0
            bar.update(count)
        if read:
            unfinished.append(pa.Table.from_batches(held, schema), rejected, read)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidInput(
            "data", f"The file {path} cannot be read: {error.strerror}.", remedy="give --input a file that can be."
        ) from error
