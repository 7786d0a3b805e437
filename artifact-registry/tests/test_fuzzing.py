"""Whatever lies in the bucket, or on the disk, a reader raises the library's own errors and nothing else.

`make test` tries some hundred cases a parser; `make prove` spends about ten minutes.
"""

from __future__ import annotations

import json
import os
import tempfile
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hostile_bytes import altered, edited, hostile, json_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edustream_contracts.contract import load_contract, parse_contract
from edustream_contracts.errors import EduStreamError, InvalidInput, Rejected, Unreachable
from edustream_registry import layout, verification
from edustream_registry.announcement import require_registry
from edustream_registry.auditing import Auditor
from edustream_registry.channel import LogEntry, Tombstone
from edustream_registry.golden_vectors import read_rows
from edustream_registry.local_copy import LocalCopy
from edustream_registry.manifest import Manifest
from edustream_registry.names import Reference
from edustream_registry.needs import Needs, verified_needs
from edustream_registry.needs_gate import NeedsGate
from edustream_registry.reading import ReleaseReader
from edustream_registry.statement import MAX_STATEMENT_BYTES, Statement
from edustream_registry.testing.simulator import RegistrySimulator, write_release
from edustream_registry.trust import parse_trust

KINDS: dict[str, type[Statement]] = {
    layout.manifest_key("churn", "1.0.0"): Manifest,
    layout.entry_key("churn", "production", 1): LogEntry,
    layout.tombstone_key("churn", "1.0.1"): Tombstone,
}
SLACK_BYTES = 512 * 1024
MULTIPLE = 32
"""What a parsed document takes, per byte of it: the smallest JSON value has two bytes, an empty dict 64."""


def simulated() -> RegistrySimulator:
    """A registry with a promoted release, and one that was yanked."""
    registry = RegistrySimulator()
    with tempfile.TemporaryDirectory() as folder:
        for model in (b"one", b"two"):
            content = write_release(Path(folder) / model.decode(), load_contract("churn"), model)
            registry.publish(content, Path(folder) / model.decode())
    registry.promote("churn", "1.0.0")
    registry.yank("churn", "1.0.1")
    needs = Needs.of(Reference.parse("churn@production"), "1.0.0", load_contract("churn"))
    registry.consumer.state(needs, registry.clock() + timedelta(days=1))
    return registry


REGISTRY = simulated()
GENUINE = dict(REGISTRY.memory.objects)
(STATED,) = (key for key in GENUINE if key.startswith(layout.CONSUMERS))
FILES = [key for key in GENUINE if "/files/" in key]


def reader_of(objects: dict[str, bytes]) -> ReleaseReader:
    REGISTRY.memory.objects = objects
    return ReleaseReader(REGISTRY.memory, REGISTRY.trust, REGISTRY.clock)


def peak_bytes(read: Callable[[], object]) -> int:
    """The most memory that was held while something was read, or refused."""
    tracemalloc.start()
    try:
        with suppress(Rejected, InvalidInput):
            read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def statements(data: st.DataObject) -> None:
    key = data.draw(st.sampled_from([*sorted(KINDS), STATED]))
    found = data.draw(hostile(GENUINE[key]))

    def read() -> None:
        if key == STATED:
            verified_needs(REGISTRY.trust, key, found)
        else:
            REGISTRY.reader.verified(key, found, KINDS[key])

    assert peak_bytes(read) <= 2 * len(found) + SLACK_BYTES


def consumer_statements(data: st.DataObject) -> None:
    """What a promoter, an auditor and the consumer itself make of it, whoever signed it."""
    if data.draw(st.booleans()):
        REGISTRY.memory.objects[STATED] = data.draw(hostile(GENUINE[STATED]))
    else:
        said = data.draw(altered(json.loads(GENUINE[STATED])["signed"]))
        with suppress(EduStreamError):
            REGISTRY.memory.objects[STATED] = REGISTRY.consumer_signer.sign(said)
    release = REGISTRY.reader.manifest("churn", "1.0.0").statement
    with suppress(EduStreamError):
        NeedsGate(REGISTRY.reader).assess(release, "production", REGISTRY.clock())
    with suppress(EduStreamError):
        Auditor(REGISTRY.reader).audit()
    with suppress(EduStreamError):
        REGISTRY.consumer.end("churn")


def payloads_with_a_genuine_signature(data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(KINDS)))
    payload = data.draw(altered(json.loads(GENUINE[key])["signed"]))
    with suppress(EduStreamError):
        signed = REGISTRY.signer.sign(payload)
        objects = {**GENUINE, key: signed}
        reader = reader_of(objects)
        verification.verify(reader, reader.resolve(Reference.parse("churn@production")))


def registry_documents(data: st.DataObject) -> None:
    with suppress(Rejected, Unreachable):
        require_registry(reader_of({layout.REGISTRY: data.draw(hostile(GENUINE[layout.REGISTRY]))}).store)


def hints(data: st.DataObject) -> None:
    head = layout.head_key("churn", "production")
    found = reader_of({**GENUINE, head: data.draw(hostile(GENUINE[head]))}).last_entry("churn", "production")
    assert found is not None
    assert found.statement.sequence == 1


def trust_files(data: st.DataObject) -> None:
    with suppress(InvalidInput):
        parse_trust(data.draw(hostile(REGISTRY.trust.to_json())), "trust.json")


def contracts(data: st.DataObject) -> None:
    with suppress(InvalidInput):
        parse_contract(data.draw(hostile(json.dumps(load_contract("churn").document).encode())))


def names_in_listings(data: st.DataObject) -> None:
    parts = st.sampled_from(["models", "churn", "releases", "yanked", "channels", "production", "log", "files", ""])
    name = st.text(max_size=12) | st.sampled_from([f"{1:012d}.json", "٣" * 12 + ".json", "1.0.0.json", "9.9.9-x.json"])
    keys = st.lists(st.tuples(st.lists(parts | st.text(max_size=5), max_size=6), name), max_size=5)
    strange = {"/".join([*path, last]): b"{}" for path, last in data.draw(keys)}
    reader = reader_of({**strange, **GENUINE})
    assert "churn" in reader.models()
    for reference in ("churn@production", "churn@^1", "churn@1.0.0", "churn@1.0.1", "churn@^9"):
        with suppress(EduStreamError):
            reader.resolve(Reference.parse(reference))
    with suppress(EduStreamError):
        reader.history("churn", "production")


def whole_buckets(data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(GENUINE)))
    reader = reader_of({**GENUINE, key: data.draw(edited(GENUINE[key]) | st.binary(max_size=64))})
    for reference in ("churn@production", "churn@^1", "churn@1.0.1"):
        with suppress(EduStreamError):
            verification.verify(reader, reader.resolve(Reference.parse(reference)))


def documents_of_a_release(data: st.DataObject) -> None:
    found = REGISTRY.reader.resolve(Reference.parse("churn@production"))
    REGISTRY.memory.objects = GENUINE
    contents = {file.name: REGISTRY.reader.read_file("churn", file) for file in found.manifest.content.files}
    name = data.draw(st.sampled_from(["golden.json", "profile.json", "contract.json"]))
    genuine = contents.get(name, b'{"profile_format": 1, "rows": 1, "features": {}}')
    with suppress(Rejected):
        verification.check_documents(found, {**contents, name: data.draw(hostile(genuine))})


def local_states(data: st.DataObject) -> None:
    production = Reference.parse("churn@production")
    with tempfile.TemporaryDirectory() as folder:
        copy = LocalCopy(Path(folder), REGISTRY.trust, REGISTRY.clock)
        REGISTRY.memory.objects = GENUINE
        copy.contacted(REGISTRY.reader.resolve(production))
        (path,) = (Path(folder) / "state").iterdir()
        path.write_bytes(data.draw(hostile(path.read_bytes())))
        with suppress(Rejected):
            copy.recall(production)


TARGETS: list[Callable[[st.DataObject], None]] = [
    statements,
    consumer_statements,
    payloads_with_a_genuine_signature,
    registry_documents,
    hints,
    trust_files,
    contracts,
    names_in_listings,
    whole_buckets,
    documents_of_a_release,
    local_states,
]


def fuzz(target: Callable[[st.DataObject], None], examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    @given(st.data())
    def run(data: st.DataObject) -> None:
        REGISTRY.memory.objects = dict(GENUINE)
        target(data)

    try:
        run()
    finally:
        REGISTRY.memory.objects = dict(GENUINE)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__)
def test_only_errors_of_our_own(target: Callable[[st.DataObject], None]) -> None:
    fuzz(target, 40)


@pytest.mark.prove
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__)
def test_only_errors_of_our_own_in_ten_minutes(target: Callable[[st.DataObject], None]) -> None:
    fuzz(target, int(os.environ.get("EDUSTREAM_FUZZ_EXAMPLES", "6000")))


# --- bounds ---


PIECES = {"arrays": b"[],", "objects": b'{"a":1},', "numbers": b"1,", "texts": b'"",', "bytes": b"\xff"}


@pytest.mark.parametrize("piece", PIECES.values(), ids=PIECES)
@pytest.mark.parametrize("opening", [b"[", b'{"signatures":[],"signed":{"a":['], ids=["no envelope", "unsigned"])
def test_what_nobody_signed_takes_no_more_than_twice_its_size(opening: bytes, piece: bytes) -> None:
    data = (opening + piece * MAX_STATEMENT_BYTES)[: MAX_STATEMENT_BYTES - 3] + b"]}}"

    for read in (
        lambda: REGISTRY.reader.verified("models/churn/releases/1.0.0.json", data, Manifest),
        lambda: verified_needs(REGISTRY.trust, STATED, data),
    ):
        with pytest.raises(Rejected):
            read()
        assert peak_bytes(read) <= 2 * len(data)


@pytest.mark.parametrize("piece", [b"[],", b"{},", b'{"a":1},'], ids=["arrays", "empty objects", "objects"])
def test_a_parsed_document_takes_no_more_than_a_multiple_of_its_size(piece: bytes) -> None:
    size, contract = 1024 * 1024, load_contract("churn")
    data = (b'{"rows":[' + piece * size)[: size - 3] + b"1]}"

    assert peak_bytes(lambda: parse_contract(data)) <= MULTIPLE * size
    assert peak_bytes(lambda: read_rows(data, contract)) <= MULTIPLE * size
    release = REGISTRY.reader.resolve(Reference.parse("churn@1.0.0"))
    documents = {"contract.json": json.dumps(contract.document).encode(), "profile.json": data}
    assert peak_bytes(lambda: verification.check_documents(release, documents)) <= MULTIPLE * size


@given(json_values)
def test_hostile_values_have_no_second_form(value: Any) -> None:
    """What is signed is read back as it was, or not signed at all."""
    with suppress(Rejected):
        signed = REGISTRY.signer.sign({"value": value})
        assert REGISTRY.signer.sign(REGISTRY.trust.verify(signed, "it").payload) == signed
