"""The picture of the architecture: drawn from its text, and legible in a browser."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from draw_architecture import LANGUAGES, drawn
from edustream_lab.places import Checkout

# For each picture: texts that leave it, cross the border of a box or touch another text.
ILLEGIBLE = """
const area = element => element.getBBox()
const apart = (a, b) => a.x + a.width < b.x || b.x + b.width < a.x || a.y + a.height < b.y || b.y + b.height < a.y
const within = (a, b) => a.x > b.x && a.x + a.width < b.x + b.width && a.y > b.y && a.y + a.height < b.y + b.height
const illegible = picture => {
  const texts = [...picture.querySelectorAll('text')]
  const boxes = [...picture.querySelectorAll('rect')].map(area)
  return texts.filter((text, index) => !within(area(text), picture.viewBox.baseVal)
    || boxes.some(box => !apart(area(text), box) && !within(area(text), box))
    || texts.slice(index + 1).some(other => !apart(area(text), area(other))))
}
const found = [...document.querySelectorAll('svg')].map(picture => illegible(picture).map(text => text.textContent))
document.body.innerHTML = '<output>' + JSON.stringify(found) + '</output>'
"""


def illegible(pictures: Sequence[str], folder: Path) -> list[list[str]]:
    page = folder / "page.html"
    page.write_text(f"<!doctype html><meta charset='utf-8'>{''.join(pictures)}<script>{ILLEGIBLE}</script>")
    chromium = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"]
    command = [*chromium, "--window-size=1200,800", f"--user-data-dir={folder / 'profile'}", page.as_uri()]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    told = re.search(r"<output>(.*)</output>", done.stdout)
    assert told, done.stdout
    return list(json.loads(told[1]))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_picture_is_drawn_from_its_text(checkout: Checkout, language: str) -> None:
    docs = checkout.root / "docs"
    picture = tomllib.loads((docs / "architecture.toml").read_text())
    assert (docs / LANGUAGES[language]).read_text() == drawn(picture, language), "run make picture"


def test_every_text_of_the_pictures_is_legible(checkout: Checkout, tmp_path: Path) -> None:
    pictures = [(checkout.root / "docs" / name).read_text() for name in LANGUAGES.values()]
    crowded = pictures[0].replace(">train_publish.py<", f">{'train_publish.py' * 3}<")
    *drawn_ones, spoilt = illegible([*pictures, crowded], tmp_path)
    assert drawn_ones == [[]] * len(pictures)
    assert "train_publish.py" * 3 in spoilt


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_picture_names_what_there_is(checkout: Checkout, language: str) -> None:
    svg = ET.parse(checkout.root / "docs" / LANGUAGES[language])
    names = [text.text or "" for text in svg.iter("{http://www.w3.org/2000/svg}text") if text.get("class") == "name"]
    assert names == ["repo-ml", "artifact-registry", "repo-api", "contracts"]
    assert [name for name in names if not (checkout.root / name).is_dir()] == []
