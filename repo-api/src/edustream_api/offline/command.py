"""The command line of `score_batch.py`: options, words, exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
from edustream_contracts.errors import EduStreamError, InvalidInput
from edustream_contracts.exit_codes import DONE, INTERRUPTED, exit_code
from edustream_registry.reading import ReleaseReader
from edustream_registry.settings import with_env_file

from edustream_api.offline.released_model import ModelSource, reader_from
from edustream_api.offline.run import Summary, Task, run
from edustream_api.settings import PREFIX, ConsumerSettings

MOST_THREADS: Final = 256
# Options that the server has as well, each with a variable of the same name.
SHARED: Final = {
    "model": "what to score with: churn@production (channel), churn@2.1.0 (version) or churn@^2 (range)",
    "contract": "contract that the release may extend, but not break: installed, any, or the path of a document",
    "cache_dir": "directory of the verified local copy",
    "staleness_budget_s": "seconds for which the local copy may be used while the registry is unreachable",
}
EPILOG: Final = """exit codes: 0 done, also where rows were rejected · 2 usage, or a file that cannot be read or written
· 3 nothing to score with · 4 rejected · 5 incompatible contract · 6 registry unreachable · 130 interrupted; the same
command goes on. Rejected rows are in OUTPUT.rejected.jsonl."""


def main(
    argv: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
    env_file: Path = Path(".env"),
    open_registry: Callable[[Mapping[str, str]], ReleaseReader] = reader_from,
) -> int:
    """Score a file; the exit code.

    Options come before the process's environment, and that before the `.env` file beside the entry point.
    """
    environ = os.environ if environ is None else environ
    options = _parser().parse_args(argv)
    task = Task(
        input=options.input,
        output=options.output,
        kept=None if options.columns is None else _names(options.columns),
        carried=_names(options.carry),
        threads=options.threads,
        restart=options.restart,
    )
    try:
        if options.env_file is not None and not options.env_file.is_file():
            raise InvalidInput(
                "argument",
                f"There is no env file {options.env_file}.",
                remedy="give --env-file an existing file, or leave it out.",
            )
        given = {PREFIX + name.upper(): value for name in SHARED if (value := getattr(options, name)) is not None}
        merged = with_env_file({**environ, **given}, options.env_file or env_file)
        source = ModelSource(ConsumerSettings.from_environ(merged))
        # Arrow's own threads would come on top of those that were asked for.
        pa.set_cpu_count(1)
        model = source.load(open_registry(merged), _tell)
        summary = run(task, model)
    except EduStreamError as error:
        _tell(str(error))
        return exit_code(error)
    except KeyboardInterrupt:
        _tell(f"Interrupted. {task.output} is not there yet; the same command goes on where this run was.")
        return INTERRUPTED
    sys.stdout.write(_said(task, summary, f"{model.name}@{model.version}", model.release.manifest_digest))
    return DONE


def _said(task: Task, summary: Summary, release: str, digest: str) -> str:
    whole, before = summary.whole, summary.before
    rate = (whole.read - before.read) / max(summary.seconds, 1e-9)
    lines = [
        f"read       {whole.read:,} rows of {task.input}"
        + (f", {before.read:,} of them before" if before.read else ""),
        f"scored     {whole.scored:,} rows into {task.output}",
        f"rejected   {whole.rejected:,} rows" + (f", with their reasons in {task.rejected}" if whole.rejected else ""),
        f"release    {release} ({digest})",
        f"speed      {rate:,.0f} rows/s in {summary.seconds:.1f} s",
    ]
    return "\n".join(lines) + "\n"


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def _count(text: str) -> int:
    expected = argparse.ArgumentTypeError(f"{text!r}; expected: a whole number from 1 to {MOST_THREADS}")
    try:
        number = int(text)
    except ValueError as error:
        raise expected from error
    if not 1 <= number <= MOST_THREADS:
        raise expected
    return number


def _parser() -> argparse.ArgumentParser:
    cores = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(
        prog="score_batch.py", description="Score a file of rows with a released model.", epilog=EPILOG
    )
    add = parser.add_argument
    add("--input", type=Path, required=True, metavar="FILE", help="rows: Parquet, or CSV in UTF-8 with a header")
    add("--output", type=Path, required=True, metavar="FILE", help="accepted rows with their answers: Parquet or CSV")
    add("--columns", metavar="NAME,...", help="columns of the input that the output holds, too (default: all)")
    add("--carry", default="", metavar="NAME,...", help="columns that are no fields and only pass to the output")
    add("--threads", type=_count, default=cores, metavar="N", help=f"threads that score (default: cores, {cores})")
    add("--restart", action="store_true", help="give up what an interrupted run left, and begin anew")
    for name, text in SHARED.items():
        default = getattr(ConsumerSettings(), name)
        shown = ",".join(default) if isinstance(default, tuple) else default
        add(f"--{name.replace('_', '-')}", metavar=name.upper(), help=f"{text} (default: {shown})")
    add("--env-file", type=Path, metavar="FILE", help="file of variables (default: .env beside this)")
    return parser
