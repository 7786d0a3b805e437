"""What a benchmark reports: comparisons of medians, each with its target."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edustream_lab.processes import environment


@dataclass(frozen=True, slots=True)
class Figure:
    """One comparison: the medians of both sides, their ratio or the median of the ratios of pairs, and its target."""

    name: str
    ours: float
    theirs: float
    unit: str
    ratio: float
    target: str
    met: bool
    paired: bool = False


def figure(name: str, ours: list[float], theirs: list[float], unit: str, target: str) -> Figure:
    """The figure of two series; `target` reads like `<= 0.2` or `>= 0.6`, of ours / theirs."""
    return _figure(name, ours, theirs, statistics.median(ours) / statistics.median(theirs), unit, target)


def paired_figure(name: str, ours: list[float], theirs: list[float], unit: str, target: str) -> Figure:
    """The figure of two series whose members were measured in turn, A B B A: the median of the rounds' own ratios.

    What slows the whole machine down for some rounds slows both sides of them down, and leaves their ratio alone.
    """
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return replace(_figure(name, ours, theirs, statistics.median(ratios), unit, target), paired=True)


def _figure(name: str, ours: list[float], theirs: list[float], ratio: float, unit: str, target: str) -> Figure:
    a, b = statistics.median(ours), statistics.median(theirs)
    sign, bound = target.split()
    met = ratio <= float(bound) if sign == "<=" else ratio >= float(bound)
    return Figure(name, _rounded(a), _rounded(b), unit, _rounded(ratio), target, met)


def _rounded(value: float) -> float:
    """To five significant digits, which is more than any repetition agrees on."""
    return float(f"{value:.5g}")


def timed(command: list[str], cwd: Path) -> float:
    """Seconds of a whole process."""
    began = time.perf_counter()
    subprocess.run(command, cwd=cwd, env=environment(), check=True, capture_output=True)
    return time.perf_counter() - began


def printed(command: list[str], cwd: Path) -> float:
    """The seconds that a process measured itself and printed last."""
    return float(_last_line(command, cwd))


def printed_json(command: list[str], cwd: Path) -> Any:
    """The JSON document that a process printed last."""
    return json.loads(_last_line(command, cwd))


def _last_line(command: list[str], cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, env=environment(), check=True, capture_output=True, text=True)
    return done.stdout.strip().splitlines()[-1]
