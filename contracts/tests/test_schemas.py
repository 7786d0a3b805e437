from __future__ import annotations

from typing import Any, get_args

import pytest

from edustream_contracts.resources import CHECKOUT, read_json
from edustream_contracts.schemas import ObjectName, object_validator
from edustream_contracts.validation import SchemaValidator

NAMES = get_args(ObjectName)
META_SCHEMA = {"$ref": "https://json-schema.org/draft/2020-12/schema"}
PROFILE: dict[str, Any] = {
    "profile_format": 1,
    "rows": 3,
    "features": {
        "tenure": {"kind": "numeric", "edges": [0, 1], "counts": [0, 3, 0], "missing": 0},
        "contract": {"kind": "categorical", "categories": ["One year"], "counts": [3], "missing": 0},
    },
    "prediction": {"kind": "numeric", "edges": [0.5], "counts": [1, 2], "missing": 0},
}
GOLDEN = {"golden_format": 1, "rows": [{"input": {}, "output": {}}]}


def test_every_schema_file_is_known() -> None:
    files = {path.name.removesuffix(".schema.json") for path in (CHECKOUT / "schemas").iterdir()}

    assert files == {*NAMES, "model-contract"}


@pytest.mark.parametrize("name", [*NAMES, "model-contract"])
def test_every_schema_obeys_the_meta_schema_and_is_explained(name: str) -> None:
    schema = read_json("schemas", f"{name}.schema.json")

    assert SchemaValidator(META_SCHEMA).problems(schema) == []
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"]
    assert schema["description"]


@pytest.mark.parametrize("name", NAMES)
def test_a_validator_is_compiled_once_and_refuses_an_empty_object(name: ObjectName) -> None:
    assert object_validator(name) is object_validator(name)
    assert object_validator(name).problems({})


@pytest.mark.parametrize(("name", "document"), [("profile", PROFILE), ("golden", GOLDEN)])
def test_documents_of_a_release(name: ObjectName, document: dict[str, Any]) -> None:
    assert object_validator(name).problems(document) == []
    assert object_validator(name).problems({**document, "surprise": 1})


@pytest.mark.parametrize(
    ("sequence", "previous", "valid"), [(1, False, True), (1, True, False), (2, True, True), (2, False, False)]
)
def test_only_the_first_entry_of_a_log_has_none_before_it(sequence: int, previous: bool, valid: bool) -> None:
    entry: dict[str, Any] = {
        "type": "log-entry",
        "protocol": 1,
        "model": "churn",
        "channel": "production",
        "sequence": sequence,
        "version": "1.0.0",
        "manifest_digest": "0" * 64,
        "promoted_at": "2026-01-01T00:00:00+00:00",
        "promoted_by": "tester",
        "reason": "a test",
        "write_id": "0" * 32,
    }
    if previous:
        entry["previous"] = "0" * 64

    assert object_validator("log-entry").is_valid(entry) == valid
