"""No byte of a manifest, a log entry or a file can change without a refusal.

`make test` tries every position once; `make prove` tries all 255 other values of an entry's bytes, 16 of a manifest's,
and 10,000 random mutations of every file.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from conftest import resolve
from hostile_bytes import mutated

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Rejected
from edustream_registry import layout
from edustream_registry.channel import LogEntry
from edustream_registry.local_copy import LocalCopy
from edustream_registry.manifest import Manifest
from edustream_registry.names import Reference
from edustream_registry.publishing import Publisher
from edustream_registry.statement import Statement
from edustream_registry.testing.simulator import RegistrySimulator, write_release

STATEMENTS: dict[str, type[Statement]] = {
    layout.manifest_key("churn", "1.0.0"): Manifest,
    layout.entry_key("churn", "production", 1): LogEntry,
}
KEYS = pytest.mark.parametrize("key", STATEMENTS, ids=["manifest", "entry"])
SEED = 20261121


@pytest.fixture
def registry(tmp_path: Path, contract: ModelContract) -> RegistrySimulator:
    """A registry with a promoted release that has every kind of file, its bundle included."""
    simulator = RegistrySimulator()
    extra = {"profile.json": b'{"profile_format": 1}', "model_card.md": "# Modèle\n".encode(), "empty.png": b""}
    content = write_release(tmp_path / "release", contract, bytes(range(256)) * 16, extra_files=extra)
    Publisher(simulator.author).publish(content, tmp_path / "release")
    simulator.promote("churn", "1.0.0")
    return simulator


def assert_refused(registry: RegistrySimulator, key: str, data: bytes) -> None:
    try:
        registry.reader.verified(key, data, STATEMENTS[key])
    except Rejected as error:
        assert error.kind in {"malformed", "signature"}  # noqa: PT017 - pytest.raises costs more than the check
    else:
        pytest.fail(f"accepted: {data!r}")


@KEYS
def test_every_single_byte_change_is_refused(registry: RegistrySimulator, key: str) -> None:
    genuine, source = registry.memory.objects[key], random.Random(SEED)

    for position, byte in enumerate(genuine):
        other = source.choice(
            [value for value in (byte ^ 1, byte ^ 32, byte ^ 128, source.randrange(256)) if value != byte]
        )
        assert_refused(registry, key, genuine[:position] + bytes([other]) + genuine[position + 1 :])


@pytest.mark.prove
@KEYS
def test_every_value_of_every_byte_is_refused(registry: RegistrySimulator, key: str) -> None:
    genuine, source = registry.memory.objects[key], random.Random(SEED)
    entry = STATEMENTS[key] is LogEntry

    for position, byte in enumerate(genuine):
        others = [value for value in range(256) if value != byte]
        for other in others if entry else source.sample(others, 16):
            assert_refused(registry, key, genuine[:position] + bytes([other]) + genuine[position + 1 :])


@KEYS
def test_random_mutations_of_a_statement_are_refused(registry: RegistrySimulator, key: str) -> None:
    genuine, source = registry.memory.objects[key], random.Random(SEED)

    for _ in range(300):
        assert_refused(registry, key, mutated(genuine, source))


def mutate_every_file(registry: RegistrySimulator, directory: Path, rounds: int) -> int:
    """How many mutated files were refused, both in the registry and on a consumer's disk."""
    found = resolve(registry)
    copy = LocalCopy(directory, registry.trust, registry.clock).fetch(registry.reader, found)
    source = random.Random(SEED)
    refused = 0
    for file in found.manifest.content.files:
        key = layout.file_key("churn", file.sha256, file.name)
        genuine, path = registry.memory.objects[key], directory / "files" / file.sha256 / file.name
        for _ in range(rounds):
            data = mutated(genuine, source)
            registry.memory.objects[key] = data
            path.write_bytes(data)
            for read in (
                lambda file=file: registry.reader.read_file("churn", file),
                lambda file=file: registry.reader.check_file("churn", file),
                lambda file=file: copy.read(file.name),
            ):
                with pytest.raises(Rejected) as caught:
                    read()
                assert caught.value.kind == "digest"
                refused += 1
        registry.memory.objects[key] = genuine
        path.write_bytes(genuine)
        assert registry.reader.read_file("churn", file) == copy.read(file.name) == genuine
    return refused


def test_random_mutations_of_every_file_are_refused(registry: RegistrySimulator, tmp_path: Path) -> None:
    assert mutate_every_file(registry, tmp_path / "copy", rounds=60) == 7 * 60 * 3


@pytest.mark.prove
def test_ten_thousand_mutations_of_every_file_are_refused(registry: RegistrySimulator, tmp_path: Path) -> None:
    assert mutate_every_file(registry, tmp_path / "copy", rounds=10_000) == 7 * 10_000 * 3


def test_an_unchanged_release_is_accepted(registry: RegistrySimulator) -> None:
    found = registry.reader.resolve(Reference.parse("churn@production"))

    assert sorted(file.name for file in found.manifest.content.files) == [
        "contract.json",
        "empty.png",
        "golden.json",
        "model.onnx",
        "model.sig",
        "model_card.md",
        "profile.json",
    ]
