"""What the README and the Dockerfile say is what there is."""

from __future__ import annotations

import re
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import pytest
from consumers import ConsumerBench

from edustream_api.hosting import HostedModel, Hosting
from edustream_api.metrics import Metrics
from edustream_api.settings import ConsumerSettings

REPO = Path(__file__).parents[1]
README = (REPO / "README.md").read_text()


def test_the_tree_names_exactly_the_modules_that_there_are() -> None:
    package = REPO / "src" / "edustream_api"
    named, folder = set(), package
    for indent, name in re.findall(r"^  ( *)(\w+\.py|\w+/)", README.partition("\ntests/")[0], re.MULTILINE):
        if name.endswith("/"):
            folder = package / name
        else:
            named.add((folder if indent else package) / name)
    assert named == {path for path in package.rglob("*.py") if path.name != "__init__.py"}


@pytest.mark.parametrize("field", fields(ConsumerSettings), ids=lambda field: field.name)
def test_every_setting_is_documented_with_its_default(field: Field[Any]) -> None:
    name, default = field.name, field.default
    unset = {False: "off", "": "\N{EN DASH}", (): "all" if name in ("sends", "reads") else "\N{EN DASH}"}
    default = ",".join(default) or default if isinstance(default, tuple) else default
    text = f"{default:g}" if isinstance(default, float) else str(default).lower() if default is True else str(default)
    shown = unset.get(default) or f"`{text}`"
    assert f"| `--{name.replace('_', '-')}` | `EDUSTREAM_{name.upper()}` | {shown} |" in README


def test_every_metric_is_documented_and_every_documented_one_is_emitted(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    emitted = set(
        re.findall(
            r"^# TYPE (edustream_\w+)", Metrics({}).render(Hosting((HostedModel(keeper),))).decode(), re.MULTILINE
        )
    )
    assert set(re.findall(r"^\| `(edustream_\w+)` \|", README, re.MULTILINE)) == emitted


def test_the_image_runs_as_nobody_in_particular() -> None:
    dockerfile = (REPO / "Dockerfile").read_text()
    assert dockerfile.count("\nFROM ") + dockerfile.startswith("FROM ") == 2
    assert "\nUSER 10001\n" in dockerfile
    assert "\nHEALTHCHECK " in dockerfile
    assert '\nENTRYPOINT ["edustream-api"]\n' in dockerfile
