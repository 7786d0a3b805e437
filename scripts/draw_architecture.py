"""Draws docs/architecture.svg and its Spanish twin from docs/architecture.toml: `make picture`."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
LANGUAGES: Final = {"en": "architecture.svg", "es": "architecture.es.svg"}
PADDING: Final = 18
LINE: Final = 26
COLUMN: Final = 104
LABEL_LINE: Final = 17
STYLE: Final = """
text { font-family: system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; font-size: 15px; fill: #24292f }
.code { font-family: ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace; font-size: 14px }
.name { font-size: 18px; font-weight: 600 }
.role, .label { font-size: 13.5px; fill: #57606a }
.label { font-size: 13px }
.middle { text-anchor: middle }
.box { stroke-width: 1.5 }
.producer { fill: #ddf4ff; stroke: #54aeff }
.registry { fill: #f6f8fa; stroke: #8c959f }
.consumer { fill: #dafbe1; stroke: #4ac26b }
.contracts { fill: #fff8c5; stroke: #d4a72c }
.arrow { fill: none; stroke: #57606a; stroke-width: 1.8 }
.head { fill: #57606a }
.wall { stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 3 6; opacity: .55 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .role, .label { fill: #9198a1 }
  .producer { fill: #0c2d4d; stroke: #1f6feb }
  .registry { fill: #21262d; stroke: #6e7681 }
  .consumer { fill: #0f2e1a; stroke: #2ea043 }
  .contracts { fill: #332a0a; stroke: #9e6a03 }
  .arrow { stroke: #9198a1 }
  .head { fill: #9198a1 }
  .wall { stroke: #f85149; opacity: .75 }
}
"""


def drawn(picture: Mapping[str, Any], language: str) -> str:
    """The picture as the text of an SVG file, labelled in one language (`en` or `es`)."""
    width, height = picture["size"]
    svg = ET.Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width} {height}", role="img")
    ET.SubElement(svg, "title").text = picture["title"][language]
    ET.SubElement(svg, "style").text = STYLE
    marker = {"id": "head", "viewBox": "0 0 8 8", "refX": "7", "refY": "4", "markerWidth": "7", "markerHeight": "7"}
    head = ET.SubElement(ET.SubElement(svg, "defs"), "marker", {**marker, "orient": "auto"})
    ET.SubElement(head, "path", {"d": "M0 0L8 4L0 8z", "class": "head"})
    for wall in picture["wall"]:
        ET.SubElement(svg, "path", {"d": _path(wall["through"]), "class": "wall"})
        _label(svg, wall, language)
    for box in picture["box"]:
        _box(svg, box, language)
    for arrow in picture["arrow"]:
        ET.SubElement(svg, "path", {"d": _path(arrow["through"]), "class": "arrow", "marker-end": "url(#head)"})
        _label(svg, arrow, language)
    ET.indent(svg)
    return ET.tostring(svg, encoding="unicode") + "\n"


def _box(svg: ET.Element, box: Mapping[str, Any], language: str) -> None:
    (x, y), (width, height) = box["at"], box["size"]
    _text(svg, (x + width / 2, y - 14), box["role"][language], "role middle")
    place = {"x": x, "y": y, "width": width, "height": height, "rx": 10}
    ET.SubElement(svg, "rect", {name: f"{value}" for name, value in place.items()} | {"class": f"box {box['kind']}"})
    _text(svg, (x + PADDING, y + 36), box["name"], "name")
    for number, row in enumerate(box["rows"]):
        line = y + 72 + number * LINE
        if "code" in row:
            _text(svg, (x + PADDING, line), row["code"], "code")
        if language in row:
            _text(svg, (x + PADDING + (COLUMN if "code" in row else 0), line), row[language])


def _label(svg: ET.Element, line: Mapping[str, Any], language: str) -> None:
    """What is said of an arrow or a wall, if anything is."""
    if "label" in line:
        x, y = line["label_at"]
        for number, text in enumerate(line["label"][language].splitlines()):
            _text(svg, (x, y + number * LABEL_LINE), text, "label middle")


def _text(svg: ET.Element, at: Sequence[float], text: str, kind: str = "") -> None:
    place = {"x": f"{at[0]:g}", "y": f"{at[1]:g}"}
    ET.SubElement(svg, "text", place | ({"class": kind} if kind else {})).text = text


def _path(points: Sequence[Sequence[float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


def main() -> int:
    """Write the pictures."""
    picture = tomllib.loads((DOCS / "architecture.toml").read_text())
    for language, name in LANGUAGES.items():
        (DOCS / name).write_text(drawn(picture, language))
        sys.stdout.write(f"docs/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
