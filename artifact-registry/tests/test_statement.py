"""Wire types: what was written is read back, what is unknown survives, what is foreign is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from edustream_contracts.canonical import canonical_json
from edustream_contracts.errors import Rejected
from edustream_contracts.schemas import object_validator
from edustream_registry.channel import LogEntry, Tombstone
from edustream_registry.manifest import Manifest, ReleaseContent
from edustream_registry.signing import Signer
from edustream_registry.statement import Statement
from edustream_registry.trust import TrustPolicy

SIGNER = Signer.generate()
TRUST = TrustPolicy((SIGNER.public,))
WRITE_ID = "0" * 32
NOW = "2026-01-01T00:00:00+00:00"
COMMON: dict[str, Any] = {"model": "churn", "version": "1.0.0", "write_id": WRITE_ID}
FIRST = LogEntry(
    channel="production", sequence=1, manifest_digest="0" * 64, promoted_at=NOW, promoted_by="t", reason="r", **COMMON
)
TOMBSTONE = Tombstone(yanked_at=NOW, yanked_by="t", reason="r", **COMMON)


@pytest.fixture(params=["manifest", "log-entry", "second log-entry", "tombstone"])
def statement(request: pytest.FixtureRequest, content: ReleaseContent) -> Statement:
    known: dict[str, Statement] = {
        "manifest": Manifest(version="1.0.0", content=content, published_at=NOW, published_by="t", write_id=WRITE_ID),
        "log-entry": FIRST,
        "second log-entry": FIRST.model_copy(update={"sequence": 2, "previous": "1" * 64}),
        "tombstone": TOMBSTONE,
    }
    return known[request.param]


def read_back(kind: type[Statement], payload: dict[str, Any]) -> Statement:
    return kind.read(TRUST.verify(SIGNER.sign(payload), "the statement"), "the statement")


def test_a_statement_round_trips(statement: Statement) -> None:
    assert read_back(type(statement), statement.payload()) == statement


def test_what_is_written_obeys_the_schema(statement: Statement) -> None:
    assert object_validator(statement.SCHEMA).problems(statement.payload()) == []


def test_unknown_fields_survive_a_read(statement: Statement) -> None:
    payload = statement.payload() | {"x-later": {"a": [1, {"b": "c"}]}}

    assert canonical_json(read_back(type(statement), payload).payload()) == canonical_json(payload)


def test_unknown_fields_of_parts_survive_too(content: ReleaseContent) -> None:
    manifest = Manifest(version="1.0.0", content=content, published_at=NOW, published_by="t", write_id=WRITE_ID)
    payload = manifest.payload()
    payload["content"]["files"][0]["x-licence"] = "MIT"
    payload["content"]["rebuild"]["x-container"] = "python:3.11"

    assert read_back(Manifest, payload).payload() == payload


@pytest.mark.parametrize("version", [2, 0, "1", None, True, 1.5])
def test_another_major_version_of_the_protocol_is_refused(statement: Statement, version: Any) -> None:
    with pytest.raises(Rejected) as caught:
        read_back(type(statement), statement.payload() | {"protocol": version})

    # JSON Schema does not take `true` for 1, so that one gets as far as the schema.
    assert caught.value.kind == ("malformed" if version is True else "protocol_version")


def test_a_statement_without_version_is_refused(statement: Statement) -> None:
    payload = statement.payload()
    del payload["protocol"]

    with pytest.raises(Rejected, match=r"version None of the protocol.*\nNext: upgrade"):
        read_back(type(statement), payload)


@pytest.mark.parametrize("field", ["write_id", "type"])
def test_every_problem_is_reported(statement: Statement, field: str) -> None:
    payload = statement.payload()
    del payload[field]

    with pytest.raises(Rejected) as caught:
        read_back(type(statement), payload)

    assert caught.value.kind == "malformed"
    assert f"/{field}" in {problem.pointer for problem in caught.value.problems}


def test_one_kind_of_statement_does_not_pass_for_another() -> None:
    with pytest.raises(Rejected, match="is no valid tombstone"):
        read_back(Tombstone, FIRST.payload())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("content", "files", 0, "name"), "../etc/passwd"),
        (("content", "files", 0, "name"), "a/b"),
        (("content", "files", 0, "name"), ".."),
        (("content", "files", 0, "size"), -1),
        (("content", "files", 0, "size"), 2**41),
        (("content", "files", 0, "sha256"), "AB" * 32),
        (("content", "files"), []),
        (("content", "model"), "../churn"),
        (("content", "task"), "clustering"),
        (("content", "metrics"), {"roc_auc": "high"}),
        (("version",), "1.0"),
        (("version",), "../1.0.0"),
        (("published_at",), "yesterday"),
    ],
)
def test_hostile_manifests_of_a_trusted_key_are_refused(
    content: ReleaseContent, path: tuple[str | int, ...], value: Any
) -> None:
    manifest = Manifest(version="1.0.0", content=content, published_at=NOW, published_by="t", write_id=WRITE_ID)
    payload = manifest.payload()
    target: Any = payload
    for part in path[:-1]:
        target = target[part]
    target[path[-1]] = value

    with pytest.raises(Rejected) as caught:
        read_back(Manifest, payload)

    assert caught.value.kind == "malformed"
    assert caught.value.problems[0].pointer.startswith("/" + "/".join(map(str, path)))


def test_statements_are_frozen(statement: Statement) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        statement.write_id = "1" * 32
