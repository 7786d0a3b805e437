"""The recorder, and the recording of `make demo` that lies in docs/."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from edustream_lab import handover
from edustream_lab.experiments import delete_the_artifact
from edustream_lab.language import Language
from edustream_lab.places import Checkout
from edustream_lab.processes import environment

PRINTS = "echo $TERM; stty size; printf '\\033[32m\\342\\234\\223 ma\\303\\261ana\\033[0m\\n'; test -t 1"


def read(cast: Path) -> tuple[dict[str, Any], list[list[Any]]]:
    """The header and the events of an asciicast, each in the form that its specification demands."""
    header, *events = [json.loads(line) for line in cast.read_text(encoding="utf-8").splitlines()]
    assert header["version"] == 2
    assert all(isinstance(header[side], int) and header[side] > 0 for side in ("width", "height"))
    assert all([type(part) for part in event] in ([float, str, str], [int, str, str]) for event in events)
    assert {code for _, code, _ in events} == {"o"}
    times = [time for time, _, _ in events]
    assert times == sorted(times)
    assert times[0] >= 0
    return header, events


def recorded(checkout: Checkout, file: Path, *command: str, cwd: Path | None = None) -> int:
    record = [sys.executable, str(checkout.root / "scripts" / "record_terminal.py"), str(file), *command]
    anywhere = environment({"TERM": "dumb"})
    done = subprocess.run(record, cwd=cwd, env=anywhere, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    return done.returncode


def test_a_recording_holds_what_the_terminal_showed(checkout: Checkout, tmp_path: Path) -> None:
    assert recorded(checkout, tmp_path / "a.cast", "sh", "-c", PRINTS) == 0
    header, events = read(tmp_path / "a.cast")
    terminal = f"{header['env']['TERM']}\r\n{header['height']} {header['width']}\r\n"
    assert "".join(text for _, _, text in events) == f"{terminal}\033[32m✓ mañana\033[0m\r\n"


def test_a_recording_does_not_tell_where_it_was_made(checkout: Checkout, tmp_path: Path) -> None:
    assert recorded(checkout, tmp_path / "a.cast", "sh", "-c", 'echo "$PWD/.venv/lib"', cwd=tmp_path) == 0
    _, events = read(tmp_path / "a.cast")
    assert "".join(text for _, _, text in events) == ".venv/lib\r\n"


def test_a_command_that_fails_leaves_no_recording(checkout: Checkout, tmp_path: Path) -> None:
    assert recorded(checkout, tmp_path / "a.cast", "sh", "-c", "echo no; exit 7") == 7
    assert list(tmp_path.iterdir()) == []


def unspaced(text: str) -> str:
    return "".join(text.split())


def facts(module: ModuleType) -> list[str]:
    """What a module hands to `fact`, in the order of its text: a sentence, or the key of one."""
    calls = (node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Call))
    told = [call.args[0] for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "fact"]
    return [str(one.value) for one in told if isinstance(one, ast.Constant)]


def test_the_recording_of_the_demonstration_holds_every_claim_of_it(checkout: Checkout) -> None:
    header, events = read(checkout.root / "docs" / "demo.cast")
    assert header["title"].endswith("make demo")
    shown = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", "".join(text for _, _, text in events))
    claims = re.findall(r"^   ✓ (.*(?:\r?\n     \S.*)*)", shown, re.MULTILINE)
    script = delete_the_artifact.EXPERIMENT.script.sentences
    sentences = [*facts(handover), *(script[key].texts[Language.ENGLISH] for key in facts(delete_the_artifact))]
    # The narrator breaks lines, also at hyphens; braces stand for what differs from run to run.
    expected = [re.sub(r"\\{.*?\\}", ".+", re.escape(unspaced(sentence))) for sentence in sentences]
    told = [unspaced(claim) for claim in claims]
    assert [claim for claim in expected if not any(re.fullmatch(claim, one) for one in told)] == []
    assert f"{len(claims)} claims, each one checked." in shown
