"""The comparison of a monorepo with this system, written from what the experiments measured."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final

from edustream_lab.language import Language, Script
from edustream_lab.programme import Figures

TABLE: Final = Script.read(Path(__file__).with_suffix(".yaml"))
PAGES: Final = {
    Language.ENGLISH: "docs/monorepo-vs-multirepo.md",
    Language.SPANISH: "docs/monorepo-vs-multirepo.es.md",
}
RECORD: Final = "bench/experiments.json"
ROWS: Final = {
    "code-access": "rename-the-folder",
    "environment": "different-pythons",
    "sharing": "forge-a-model",
    "coordination": "rename-the-folder",
    "lines": "change-the-shared-code",
    "independence": "change-the-shared-code",
    "serving": "change-the-shared-code",
    "breaks": "break-the-contract",
    "missing": "delete-the-artifact",
    "simultaneous": "two-at-once",
    "going-back": "fridays-release",
    "outage": "registry-goes-away",
    "price": "break-the-contract",
}
"""The rows of the table, each with the experiment that shows what it says."""
COLUMNS: Final = ("question", "monorepo", "multirepo")


def record(figures: Figures, path: Path) -> None:
    """Write what experiments measured, with when and on what; what others measured before stays in the file."""
    before = json.loads(path.read_text())["figures"] if path.exists() else {}
    document = {
        "measured_at": datetime.now(UTC).date().isoformat(),
        "machine": {"cores": os.cpu_count()},
        "figures": dict(sorted({**before, **figures}.items())),
    }
    path.write_text(json.dumps(document, indent=2) + "\n")


def page(recorded: Mapping[str, Any], language: Language) -> str:
    """The page in one language. Raises `KeyError` where a figure that it names was not recorded."""
    figures = dict(chain.from_iterable(measured.items() for measured in recorded["figures"].values()))

    def said(key: str) -> str:
        return TABLE.said(key, language, figures)

    when = {"when": recorded["measured_at"], "cores": recorded["machine"]["cores"]}
    header = [said(f"{column}-column") for column in (*COLUMNS, "command")]
    lines = [
        *(f"# {said('title')}", "", said("introduction"), "", TABLE.said("measured", language, when), ""),
        *(_row(header), _row(["---"] * len(header))),
        *(
            _row([*(said(f"{row}-{column}") for column in COLUMNS), f"`make experiments NAME={experiment}`"])
            for row, experiment in ROWS.items()
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


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
