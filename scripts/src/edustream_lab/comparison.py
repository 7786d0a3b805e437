"""The comparison of a monorepo with this system, written from what the experiments measured."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from edustream_lab.company import POLL_INTERVAL_S
from edustream_lab.language import Language, Script
from edustream_lab.programme import Figures

TABLE: Final = Script.read(Path(__file__).with_suffix(".yaml"))
PAGES: Final = {
    Language.ENGLISH: "docs/monorepo-vs-multirepo.md",
    Language.SPANISH: "docs/monorepo-vs-multirepo.es.md",
}
RECORD: Final = "bench/experiments.json"
POLL: Final = "poll_interval_ms"
"""How often the consumers of an experiment looked at the registry, in ms: a figure of every record."""
SIDES: Final = ("monorepo", "multirepo")


@dataclass(frozen=True, slots=True)
class Shown:
    """The facts of one experiment, by their keys, that show what one cell of the table says."""

    experiment: str
    facts: tuple[str, ...]


def _by(experiment: str, *facts: str) -> Shown:
    return Shown(experiment, facts)


ROWS: Final[Mapping[str, tuple[Shown, Shown]]] = {
    "code-access": (
        _by("rename-the-folder", "monorepo-works", "api-breaks"),
        _by("rename-the-folder", "no-path-to-break"),
    ),
    "environment": (
        _by("different-pythons", "monorepo-installs", "pickle-fails"),
        _by("different-pythons", "consumer-installs", "onnx-answers"),
    ),
    "sharing": (
        _by("forge-a-model", "code-ran"),
        _by("forge-a-model", "newcomer-refuses", "old-refused", "code-did-not-run"),
    ),
    "coordination": (
        _by("rename-the-folder", "api-breaks", "api-repaired"),
        _by("rename-the-folder", "nothing-changed", "consumer-follows"),
    ),
    "lines": (
        _by("change-the-shared-code", "one-line-for-both"),
        _by("change-the-shared-code", "released"),
    ),
    "independence": (
        _by("change-the-shared-code", "skew", "no-warning", "same-answer-until-restart", "consistent-again"),
        _by("change-the-shared-code", "old-keeps-its-own"),
    ),
    "serving": (
        _by("change-the-shared-code", "serving-monorepo", "restart-answers-nobody"),
        _by("change-the-shared-code", "slower", "where-the-time-goes", "no-request-failed"),
    ),
    "breaks": (
        _by("break-the-contract", "monorepo-notices-nothing", "customer-notices"),
        _by("break-the-contract", "counterexample", "nothing-written"),
    ),
    "missing": (
        _by("delete-the-artifact", "monorepo-goes-on", "monorepo-breaks"),
        _by("delete-the-artifact", "goes-on", "stops", "alive-not-ready", "healed"),
    ),
    "simultaneous": (
        _by("two-at-once", "merge-fails"),
        _by("two-at-once", "at-once", "one-wins"),
    ),
    "going-back": (
        _by("change-the-shared-code", "restart-answers-nobody"),
        _by("fridays-release", "rolled-back", "none-failed"),
    ),
    "outage": (
        _by("registry-goes-away", "monorepo-starts"),
        _by(
            "registry-goes-away",
            *("nothing-lost", "refused-openly", "recovers", "blind-stops", "producer-stops"),
        ),
    ),
    "price": (
        _by("break-the-contract", "monorepo-needs-nothing"),
        _by("break-the-contract", "no-key", "no-bucket", "release-holds"),
    ),
}
"""The rows of the table: what shows what they say of the monorepo, and of the multirepo."""


def record(figures: Figures, path: Path) -> None:
    """Write what experiments measured, each with when and on what; what others measured before stays as it is."""
    before = json.loads(path.read_text())["experiments"] if path.exists() else {}
    circumstances = {
        "measured_at": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        POLL: int(1000 * float(POLL_INTERVAL_S)),
    }
    now = {name: circumstances | {"figures": measured} for name, measured in figures.items()}
    document = {"experiments": dict(sorted((before | now).items()))}
    path.write_text(json.dumps(document, indent=2) + "\n")


def page(recorded: Mapping[str, Any], language: Language) -> str:
    """The page in one language. Raises `KeyError` where a cell names a figure that its experiment did not measure."""
    experiments = recorded["experiments"]

    def said(key: str, figures: Mapping[str, object] | None = None) -> str:
        return TABLE.said(key, language, figures or {})

    def cell(row: str, side: str, shown: Shown) -> str:
        experiment = experiments[shown.experiment]
        return said(f"{row}-{side}", {**experiment["figures"], POLL: experiment[POLL]})

    header = [said(f"{column}-column") for column in ("question", *SIDES, "command")]
    circumstances = [said(f"{column}-column") for column in ("experiment", "when", "cores", "poll")]
    lines = [
        *(f"# {said('title')}", "", said("introduction"), "", said("measured"), ""),
        *(_row(header), _row(["---"] * len(header))),
        *(
            _row(
                [
                    said(f"{row}-question"),
                    *(cell(row, side, shown) for side, shown in zip(SIDES, both, strict=True)),
                    _command(both),
                ]
            )
            for row, both in ROWS.items()
        ),
        *("", f"## {said('circumstances-title')}", "", said("circumstances"), ""),
        *(_row(circumstances), _row(["---"] * len(circumstances))),
        *(
            _row([f"`{name}`", one["measured_at"], str(one["cores"]), str(one[POLL])])
            for name, one in experiments.items()
        ),
        *("", f"## {said('choice-title')}", "", said("choice-of-one"), "", said("choice-of-many"), ""),
    ]
    return "\n".join(lines)


def write_pages(root: Path) -> list[Path]:
    """Write the page in every language from what was recorded last; the files."""
    recorded = json.loads((root / RECORD).read_text())
    written = []
    for language, path in PAGES.items():
        (root / path).write_text(page(recorded, language), encoding="utf-8")
        written.append(root / path)
    return written


def _command(both: tuple[Shown, Shown]) -> str:
    """The command that shows both cells of a row."""
    names = list(dict.fromkeys(shown.experiment for shown in both))
    return f"`make experiments NAME={names[0]}`" if len(names) == 1 else f'`make experiments NAME="{" ".join(names)}"`'


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
