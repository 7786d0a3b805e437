"""Reads the hand-written cases of `contracts/compatibility/` and makes whole contracts of them."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from edustream_contracts.contract import ModelContract, contract_from
from edustream_contracts.resources import CHECKOUT

FOLDER = CHECKOUT / "compatibility"
Side = Literal["input", "output"]
Age = Literal["old", "new"]

BYSTANDERS: dict[Side, dict[str, Any]] = {
    side: {
        "type": "object",
        "properties": {"bystander": {"type": "string", "description": "A field that never changes"}},
        "required": ["bystander"],
        "additionalProperties": False,
        "examples": [{"bystander": "here"}],
    }
    for side in ("input", "output")
}


@dataclass(frozen=True)
class Case:
    name: str
    document: Mapping[str, Any]

    def __str__(self) -> str:
        return self.name

    @property
    def sides(self) -> list[Side]:
        return [side for side in ("input", "output") if side in self.document]

    def contract(self, age: Age, side: Side) -> ModelContract:
        """The contract with the case's schema on one side; as an output, all fields but the first have a class each."""
        schema = copy.deepcopy(self.document[age])
        if side == "output" and not any("x-class" in spec for spec in schema["properties"].values()):
            label = sorted(self.document["old"]["properties"])[0]
            for name, spec in schema["properties"].items():
                if name != label:
                    spec["x-class"] = name
        return contract_from(
            {
                "contract_format": 1,
                "model": "case",
                "title": "A case",
                "description": self.document["why"],
                **BYSTANDERS,
                side: schema,
                "golden_tolerance": self.document.get("golden_tolerance", {}).get(age, 1e-5),
            }
        )


CASES = [Case(path.stem, json.loads(path.read_bytes())) for path in sorted((FOLDER / "cases").glob("*.json"))]
