"""A second opinion on every case; `compatibility/README.md` lists where it differs, and who is right."""

from __future__ import annotations

import json
import re

import jsoncompat
import pytest
from compatibility_cases import CASES, FOLDER, Side

ROLES: dict[Side, jsoncompat.RoleLiteral] = {"input": "deserializer", "output": "serializer"}
ROW = re.compile(r"^\| `([a-z-]+)` \| (input|output) \| (\w+) \| (\w+) \| (.+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def listed() -> list[tuple[str, ...]]:
    return ROW.findall((FOLDER / "README.md").read_text())


def test_the_disagreements_are_those_that_the_readme_lists(listed: list[tuple[str, ...]]) -> None:
    found = set()
    for case in CASES:
        old, new = json.dumps(case.document["old"]), json.dumps(case.document["new"])
        for side in case.sides:
            ours = case.document[side]["verdict"]
            theirs = "compatible" if jsoncompat.check_compat(old, new, ROLES[side]) else "breaking"
            if (ours == "breaking") != (theirs == "breaking"):
                found.add((case.name, side, ours, theirs))

    assert {row[:4] for row in listed} == found
    assert len(listed) == len(found)


def test_each_has_a_judgement(listed: list[tuple[str, ...]]) -> None:
    assert listed[0][4] != "the same"
    assert all(row[4].startswith(("here: ", "jsoncompat", "each by its own ", "the same")) for row in listed)
