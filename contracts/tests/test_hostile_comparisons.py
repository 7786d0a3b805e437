"""Pairs of contracts that each keep to the profile, and that were made so that comparing them takes long."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from edustream_contracts.compatibility import compare
from edustream_contracts.contract import parse_contract
from edustream_contracts.validation import SchemaValidator
from edustream_contracts.value_set import Aspect, ValueSet

COMPARE_BOUNDED = """
import resource, sys
from pathlib import Path
from edustream_contracts.compatibility import compare
from edustream_contracts.contract import parse_contract
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
old, new = (parse_contract(Path(path).read_bytes()) for path in sys.argv[1:])
print(compare(old, new).verdict)
"""


def text(**keywords: Any) -> dict[str, Any]:
    return {"type": "string", "description": "A field", **keywords}


def number(**keywords: Any) -> dict[str, Any]:
    return {"type": "number", "description": "A field", **keywords}


def contract(fields: Mapping[str, Any], examples: Sequence[Mapping[str, Any]] = ({},)) -> bytes:
    side = {"type": "object", "required": [], "additionalProperties": False}
    document = {
        "contract_format": 1,
        "model": "hostile",
        "title": "Hostile",
        "description": "Takes long to compare",
        "input": {**side, "properties": fields, "examples": examples},
        "output": {**side, "properties": {"label": text()}, "examples": [{}]},
        "golden_tolerance": 1e-5,
    }
    return json.dumps(document, separators=(",", ":")).encode()


FRACTIONS = [place + 0.5 for place in range(10_000)]
PAIRS = {
    "many fractions": (contract({"f": number(enum=FRACTIONS)}), contract({"f": number(enum=FRACTIONS[:-1])})),
    "many examples of many fields": (
        contract({f"f{place}": text(maxLength=9) for place in range(1000)}, [{}] * 10_000),
        contract({f"f{place}": text(maxLength=8) for place in range(1000)}, [{}] * 10_000),
    ),
    "many long texts that are slow to match": (
        contract({f"f{place}": text(minLength=65536, pattern=f"(?=.*.*y)q{place}") for place in range(100)}),
        contract({f"f{place}": text(minLength=65536, pattern=f"(?=.*.*z)r{place}") for place in range(100)}),
    ),
    "many texts that are slow to match": (
        contract({f"f{place}": text(minLength=990, pattern=f"(?=.*.*y)q{place}|a$") for place in range(1000)}),
        contract({f"f{place}": text(minLength=990, pattern=f"(?=.*.*z)r{place}|a$") for place in range(1000)}),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_what_was_made_to_do_harm_is_compared_in_bounded_time(name: str, tmp_path: Path) -> None:
    paths = [tmp_path / "old.json", tmp_path / "new.json"]
    for path, document in zip(paths, PAIRS[name], strict=True):
        path.write_bytes(document)

    done = subprocess.run([sys.executable, "-c", COMPARE_BOUNDED, *paths], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "breaking"


def test_a_search_begins_with_the_first_examples_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = (
        parse_contract(contract({"f": text(maxLength=longest)}, [{"f": f"{place:03}"} for place in range(500)]))
        for longest in (9, 8)
    )
    is_valid, lost_to = SchemaValidator.is_valid, ValueSet.lost_to
    validated: list[Any] = []
    known: list[str] = []

    def validating(validator: SchemaValidator, row: Any) -> bool:
        validated.append(row)
        return is_valid(validator, row)

    def losing(values: ValueSet, other: ValueSet, texts: Collection[str] | None) -> dict[Aspect, tuple[Any, ...]]:
        known.extend(texts or ())
        return lost_to(values, other, texts)

    monkeypatch.setattr(SchemaValidator, "is_valid", validating)
    monkeypatch.setattr(ValueSet, "lost_to", losing)

    assert len(compare(old, new).breaking) == 1
    assert known == [f"{place:03}" for place in range(8)]
    assert len(validated) < 50
