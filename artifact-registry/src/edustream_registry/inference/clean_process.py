"""Proves a release in a process of its own, which can import nothing but what a consumer has."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from edustream_contracts.errors import EduStreamError, GateRefused, Problem
from edustream_registry.inference.loading import prove_directory
from edustream_registry.manifest import ReleaseContent

# Isolated before anything else is imported, this module included.
PROGRAM: Final = (
    "from edustream_registry.inference.isolation import isolate; isolate(); "
    "from edustream_registry.inference.clean_process import main; main()"
)
TIMEOUT_S: Final = 300.0


def prove_in_clean_process(content: ReleaseContent, directory: Path, timeout_s: float = TIMEOUT_S) -> int:
    """Prove the files of a release in `directory` as a consumer will; the number of golden rows that agreed.

    The process heeds no variable of Python's and no folder of the caller's, and has at most `timeout_s` seconds.

    Raises `GateRefused` (kind `golden`) with each row, field and difference, or with what else was wrong.
    """
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-I", "-c", PROGRAM, str(directory.resolve())],
            input=content.model_dump_json(),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _refused(f"it has not answered after {timeout_s:g} s.") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise _refused(f"it ended with code {done.returncode}: {last}")
    verdict: dict[str, Any] = json.loads(done.stdout)
    if "refusal" in verdict:
        raise _refused(verdict["refusal"], [Problem(*problem) for problem in verdict["problems"]])
    return int(verdict["rows"])


def main() -> None:
    """What the clean process does: content on standard input, directory as argument, verdict on standard output."""
    verdict: dict[str, Any]
    try:
        verdict = {"rows": prove_directory(ReleaseContent.model_validate_json(sys.stdin.read()), Path(sys.argv[1]))}
    except EduStreamError as error:
        problems = [(problem.pointer, problem.message) for problem in error.problems]
        verdict = {"refusal": error.fact, "problems": problems}
    sys.stdout.write(json.dumps(verdict))


def _refused(fact: str, problems: Sequence[Problem] = ()) -> GateRefused:
    return GateRefused(
        "golden",
        f"A clean process, without the training code, refuses the release: {fact}",
        remedy="nothing was published; mend the export, or whatever the model needs beside onnxruntime, and try again.",
        problems=problems,
    )
