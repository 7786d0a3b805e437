"""Compares two contracts of many fields, every one of which breaks; prints the milliseconds of each verdict as JSON.

Runs in the consumer's environment. The fields are ranges, enumerations, lengths and patterns, nullable ones among
them, in equal parts; the last part has two patterns that differ. Every reason has its counterexample, a row of all
fields that two validators were asked about. Each verdict is timed with contracts read anew.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from edustream_contracts.compatibility import compare
from edustream_contracts.contract import ModelContract, contract_from

ROUNDS = 20
FIELDS = 200

OLD: list[dict[str, Any]] = [
    {"type": "integer", "minimum": 0, "maximum": 120},
    {"type": ["number", "null"], "minimum": 0},
    {"type": "string", "enum": ["No", "Yes", "Unknown"]},
    {"type": "string", "maxLength": 40, "pattern": "^[A-Z][a-z]*$"},
    {"type": "string", "pattern": "^[A-Z]{2,3}$"},
]
NEW: list[dict[str, Any]] = [
    {"type": "integer", "minimum": 1, "maximum": 120},
    {"type": "number", "minimum": 0},
    {"type": "string", "enum": ["No", "Yes"]},
    {"type": "string", "maxLength": 20, "pattern": "^[A-Z][a-z]*$"},
    {"type": "string", "pattern": "^[A-Z]{2}$"},
]
EXAMPLE = [12, 29.85, "Yes", "Berlin", "DE"]


def contract(kinds: list[dict[str, Any]]) -> ModelContract:
    """A contract of `FIELDS` input fields."""
    names = [f"field_{number}" for number in range(FIELDS)]
    fields = {name: {"description": "A field", **kinds[number % len(kinds)]} for number, name in enumerate(names)}
    label = {"type": "string", "description": "The prediction"}
    return contract_from(
        {
            "contract_format": 1,
            "model": "wide",
            "title": "A wide model",
            "description": "A model of many fields",
            "input": _flat(fields, {name: EXAMPLE[number % len(EXAMPLE)] for number, name in enumerate(names)}),
            "output": _flat({"prediction": label}, {"prediction": "Yes"}),
            "golden_tolerance": 1e-5,
        }
    )


def _flat(fields: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
        "examples": [example],
    }


milliseconds = []
for _ in range(ROUNDS):
    old, new = contract(OLD), contract(NEW)
    began = time.perf_counter()
    comparison = compare(old, new)
    milliseconds.append((time.perf_counter() - began) * 1000)
shown = sum(reason.refutes for reason in comparison.breaking)
sys.stdout.write(json.dumps({"fields": FIELDS, "counterexamples": shown, "milliseconds": milliseconds}) + "\n")
