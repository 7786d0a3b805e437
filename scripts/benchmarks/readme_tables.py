"""Writes the tables of the README's section on speed from what was measured last: `make bench-tables`.

A table stands between two comments that name its source, and is never edited by hand.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
README: Final = ROOT / "README.md"
BLOCK: Final = re.compile(r"(<!-- from (bench/[a-z]+\.json) -->\n).*?(<!-- end -->)", re.DOTALL)
HEADER: Final = "| compared | medians | ratio | target |\n|---|---|---|---|\n"
NO_TARGET: Final = ">= 0"


def rendered(results: Mapping[str, Any]) -> str:
    """One set of results in Markdown: when, on what, each figure with its target, and what was missed."""
    rows = results["figures"]
    versions = ", ".join(f"{package} {version}" for package, version in results["versions"].items())
    when = f"Measured on {results['measured_at']} on {results['machine']['cores']} cores, with {versions}.\n\n"
    return when + HEADER + "".join(map(_row, rows)) + "\n" + _verdict(results)


def with_tables(text: str, results: Mapping[str, Mapping[str, Any]]) -> str:
    """The document with every table written anew; `results` by the path that the comment names."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{rendered(results[found[2]])}\n{found[3]}", text)


def sources(text: str) -> list[str]:
    """The paths that the document's comments name."""
    return [found[2] for found in BLOCK.finditer(text)]


def _row(row: Mapping[str, Any]) -> str:
    target = "none" if row["target"] == NO_TARGET else row["target"]
    return f"| {row['name']} | {row['ours']} / {row['theirs']} {row['unit']} | {row['ratio']} | {target} |\n"


def _verdict(results: Mapping[str, Any]) -> str:
    missed = [row["name"] for row in results["figures"] if not row["met"]]
    aimed = sum(row["target"] != NO_TARGET for row in results["figures"])
    lines = [f"{aimed - len(missed)} of {aimed} targets were met in that run." + ("" if not missed else " Missed:")]
    lines += ["", *(f"- {name}" for name in missed)] if missed else []
    absent = [why.rstrip(".") for why in results.get("not_measured", [])]
    lines += ["", f"Not measured: {'; '.join(absent)}."] if absent else []
    return "\n".join(lines) + "\n"


def main() -> int:
    """Rewrite the README."""
    text = README.read_text()
    results = {path: json.loads((ROOT / path).read_text()) for path in sources(text)}
    README.write_text(with_tables(text, results))
    sys.stdout.write(f"README.md: {', '.join(results)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
