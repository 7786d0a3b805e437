"""Writes the tables of the READMEs' section on speed from what was measured last: `make bench-tables`.

A table stands between two comments that name its source, and is never edited by hand. In the Spanish README figures and
units have the names that `figures.es.json` gives them, and fractions a comma.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
SPANISH_NAMES: Final = Path(__file__).with_name("figures.es.json")
BLOCK: Final = re.compile(r"(<!-- from (bench/[a-z]+\.json) -->\n).*?(<!-- end -->)", re.DOTALL)
NO_TARGET: Final = ">= 0"


@dataclass(frozen=True, slots=True)
class Wording:
    """What is said around the figures, in one language."""

    measured: str = "Measured on {when} on {cores} cores, with {versions}."
    columns: tuple[str, ...] = ("compared", "medians", "ratio", "target")
    none: str = "none"
    met: str = "{met} of {aimed} targets were met in that run."
    missed: str = "Missed:"
    absent: str = "Not measured: {why}."
    decimal_sign: str = "."
    names: Mapping[str, str] = field(default_factory=dict)

    def name(self, figure: str) -> str:
        """A figure's name in this language. Raises `LookupError` where others have names and this one has none."""
        if self.names and figure not in self.names:
            raise LookupError(f"{SPANISH_NAMES.name} has no name for the figure {figure!r}; add it.")
        return self.names.get(figure, figure)

    def unit(self, unit: str) -> str:
        """A unit in this language: symbols such as s and MiB are the same in all of them."""
        return self.names.get(unit, unit)

    def number(self, number: object) -> str:
        """A number, or a target such as `<= 0.2`, with this language's decimal sign."""
        return str(number).replace(".", self.decimal_sign)


ENGLISH: Final = Wording()


def spanish() -> Wording:
    """The wording of README.es.md."""
    return Wording(
        measured="Medido el {when} en {cores} núcleos, con {versions}.",
        columns=("se compara", "medianas", "razón", "objetivo"),
        none="ninguno",
        met="En esa ejecución se cumplieron {met} de {aimed} objetivos.",
        missed="No se cumplieron:",
        absent="Sin medir: {why}.",
        decimal_sign=",",
        names=json.loads(SPANISH_NAMES.read_text()),
    )


def documents() -> dict[Path, Wording]:
    """The documents that hold tables, each with its language."""
    return {ROOT / "README.md": ENGLISH, ROOT / "README.es.md": spanish()}


def rendered(results: Mapping[str, Any], wording: Wording = ENGLISH) -> str:
    """One set of results in Markdown: when, on what, each figure with its target, and what was missed."""
    versions = ", ".join(f"{package} {version}" for package, version in results["versions"].items())
    cores = results["machine"]["cores"]
    when = wording.measured.format(when=results["measured_at"], cores=cores, versions=versions)
    header = f"| {' | '.join(wording.columns)} |\n{'|---' * len(wording.columns)}|\n"
    rows = "".join(_row(row, wording) for row in results["figures"])
    return f"{when}\n\n{header}{rows}\n{_verdict(results, wording)}"


def with_tables(text: str, results: Mapping[str, Mapping[str, Any]], wording: Wording = ENGLISH) -> str:
    """The document with every table written anew; `results` by the path that the comment names."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{rendered(results[found[2]], wording)}\n{found[3]}", text)


def sources(text: str) -> list[str]:
    """The paths that the document's comments name."""
    return [found[2] for found in BLOCK.finditer(text)]


def _row(row: Mapping[str, Any], wording: Wording) -> str:
    target = wording.none if row["target"] == NO_TARGET else wording.number(row["target"])
    medians = f"{wording.number(row['ours'])} / {wording.number(row['theirs'])} {wording.unit(row['unit'])}"
    return f"| {wording.name(row['name'])} | {medians} | {wording.number(row['ratio'])} | {target} |\n"


def _verdict(results: Mapping[str, Any], wording: Wording) -> str:
    missed = [wording.name(row["name"]) for row in results["figures"] if not row["met"]]
    aimed = sum(row["target"] != NO_TARGET for row in results["figures"])
    lines = [wording.met.format(met=aimed - len(missed), aimed=aimed) + (f" {wording.missed}" if missed else "")]
    lines += ["", *(f"- {name}" for name in missed)] if missed else []
    absent = [f"`{why.rstrip('.')}`" for why in results.get("not_measured", [])]
    lines += ["", wording.absent.format(why="; ".join(absent))] if absent else []
    return "\n".join(lines) + "\n"


def main() -> int:
    """Rewrite the READMEs."""
    for document, wording in documents().items():
        text = document.read_text()
        results = {path: json.loads((ROOT / path).read_text()) for path in sources(text)}
        document.write_text(with_tables(text, results, wording))
        sys.stdout.write(f"{document.name}: {', '.join(results)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
