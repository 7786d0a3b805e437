"""The JSON Schemas of the registry's objects, compiled once each."""

from __future__ import annotations

from functools import cache
from typing import Literal

from edustream_contracts.resources import read_json
from edustream_contracts.validation import SchemaValidator

ObjectName = Literal[
    "registry", "manifest", "log-entry", "channel-head", "tombstone", "consumer-statement", "trust", "golden", "profile"
]


@cache
def object_validator(name: ObjectName) -> SchemaValidator:
    """The validator of one kind of registry object, e.g. `manifest`."""
    return SchemaValidator(read_json("schemas", f"{name}.schema.json"))
