"""Statements and files that somebody changed or exchanged: a reader notices every one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from attacked import HEAD, PRODUCTION, entry_key, resigned
from conftest import refusal, resolve

from edustream_contracts.errors import Rejected
from edustream_registry import layout
from edustream_registry.reading import ReleaseReader
from edustream_registry.signing import Signer
from edustream_registry.testing.simulator import RegistrySimulator


@pytest.mark.parametrize("key", [entry_key(1), layout.manifest_key("churn", "1.0.0")], ids=["entry", "manifest"])
def test_a_strangers_statement_is_refused(registry: RegistrySimulator, release: Callable[..., str], key: str) -> None:
    release("a")
    registry.memory.objects[key] = resigned(registry, key, Signer.generate())

    assert refusal(lambda: resolve(registry))[:2] == (Rejected, "signature")


@pytest.mark.parametrize("key", [entry_key(1), layout.manifest_key("churn", "1.0.0")], ids=["entry", "manifest"])
def test_an_edited_statement_is_refused(registry: RegistrySimulator, release: Callable[..., str], key: str) -> None:
    release("a")
    registry.memory.objects[key] = registry.memory.objects[key].replace(b"tester", b"chiefs")

    assert refusal(lambda: resolve(registry))[:2] == (Rejected, "signature")


@pytest.mark.parametrize("wanted", ["churn@^1", "churn@1.0.1", "churn@production"])
def test_an_unsigned_tombstone_moves_nobody(
    registry: RegistrySimulator, release: Callable[..., str], wanted: str
) -> None:
    release("a")
    release("b")
    registry.memory.objects[layout.tombstone_key("churn", "1.0.1")] = b"{}"

    assert refusal(lambda: resolve(registry, wanted))[:2] == (Rejected, "malformed")


def test_a_tombstone_of_another_version_moves_nobody(registry: RegistrySimulator, release: Callable[..., str]) -> None:
    release("a")
    release("b")
    registry.yank("churn", "1.0.0")
    objects = registry.memory.objects
    objects[layout.tombstone_key("churn", "1.0.1")] = objects[layout.tombstone_key("churn", "1.0.0")]

    assert refusal(lambda: resolve(registry))[:2] == (Rejected, "mix_and_match")


def test_a_replaced_manifest_is_refused_even_with_a_trusted_signature(
    registry: RegistrySimulator, release: Callable[..., str]
) -> None:
    release("a")
    key = layout.manifest_key("churn", "1.0.0")
    registry.memory.objects[key] = resigned(registry, key, registry.signer, published_by="somebody")

    category, kind, message = refusal(lambda: resolve(registry))

    assert (category, kind) == (Rejected, "mix_and_match")
    assert "replaced after the promotion" in message


@pytest.mark.parametrize("wanted", ["churn@1.0.0", "churn@^1"])
def test_a_manifest_that_changes_under_a_version_that_was_known_is_refused(
    registry: RegistrySimulator, release: Callable[..., str], wanted: str
) -> None:
    release("a")
    known = resolve(registry, wanted)
    key = layout.manifest_key("churn", "1.0.0")
    registry.memory.objects[key] = resigned(registry, key, registry.signer, published_by="somebody")

    assert refusal(lambda: resolve(registry, wanted, known))[:2] == (Rejected, "mix_and_match")


def test_a_genuine_manifest_in_anothers_place_is_refused(
    registry: RegistrySimulator, release: Callable[..., str]
) -> None:
    release("a")
    release("b")
    objects = registry.memory.objects
    objects[layout.manifest_key("churn", "1.0.1")] = objects[layout.manifest_key("churn", "1.0.0")]

    _, kind, message = refusal(lambda: resolve(registry))

    assert kind == "mix_and_match"
    assert "speaks of the version '1.0.0', not of '1.0.1'" in message


@pytest.mark.parametrize(
    ("model", "channel", "sequence"), [("churn", "staging", 1), ("other", "production", 1), ("churn", "production", 2)]
)
def test_a_genuine_entry_in_anothers_place_is_refused(
    registry: RegistrySimulator, release: Callable[..., str], model: str, channel: str, sequence: int
) -> None:
    release("a")
    objects = registry.memory.objects
    objects[layout.entry_key(model, channel, sequence)] = objects[entry_key(1)]

    assert refusal(lambda: resolve(registry, f"{model}@{channel}"))[1] == "mix_and_match"


def test_rollback_a_shorter_log_than_was_seen_is_refused(
    registry: RegistrySimulator, release: Callable[..., str]
) -> None:
    release("a")
    release("b")
    known = resolve(registry)
    del registry.memory.objects[entry_key(2)]

    category, kind, message = refusal(lambda: resolve(registry, known=known))

    assert (category, kind) == (Rejected, "rollback")
    assert "shows entry 1 as its last; entry 2 was seen before" in message


def test_an_entry_that_was_replaced_since_it_was_seen_is_refused(
    registry: RegistrySimulator, release: Callable[..., str]
) -> None:
    release("a")
    known = resolve(registry)
    registry.memory.objects[entry_key(1)] = resigned(registry, entry_key(1), registry.signer, reason="another")

    _, kind, message = refusal(lambda: resolve(registry, known=known))

    assert kind == "mix_and_match"
    assert "Entry 1 of churn@production was replaced" in message


def test_an_entry_that_does_not_follow_the_one_before_is_refused(
    registry: RegistrySimulator, release: Callable[..., str]
) -> None:
    release("a")
    known = resolve(registry)
    release("b")
    registry.memory.objects[entry_key(2)] = resigned(registry, entry_key(2), registry.signer, previous="0" * 64)

    assert refusal(lambda: registry.reader.poll(known))[1] == "mix_and_match"
    assert refusal(lambda: registry.reader.history("churn", "production"))[1] == "mix_and_match"


@pytest.mark.parametrize("missing", [1, 2])
def test_a_gap_in_the_log_is_found_by_its_history(
    registry: RegistrySimulator, release: Callable[..., str], missing: int
) -> None:
    for model in "abc":
        release(model)
    del registry.memory.objects[entry_key(missing)]

    _, kind, message = refusal(lambda: registry.reader.history("churn", "production"))

    assert kind == "mix_and_match"
    assert f"lacks entry {missing}" in message


def test_freeze_an_entry_older_than_allowed_is_refused(
    registry: RegistrySimulator, release: Callable[..., str]
) -> None:
    release("a")
    strict = dataclasses.replace(registry.trust, max_entry_age_s=60.0)
    reader = ReleaseReader(registry.store, strict, registry.clock)
    registry.clock.advance(60)
    known = reader.resolve(PRODUCTION)
    registry.clock.advance(1)

    for call in (lambda: reader.resolve(PRODUCTION), lambda: reader.poll(known)):
        category, kind, message = refusal(call)
        assert (category, kind) == (Rejected, "freeze")
        assert "is 61 s old; your trust file allows 60 s" in message
        assert "Next: confirm it: edustream-registry promote churn@1.0.0 --to production --renew; or" in message


def test_a_file_with_one_byte_changed_or_more_bytes_is_refused(
    registry: RegistrySimulator, release: Callable[..., str]
) -> None:
    release("abc")
    file = resolve(registry).manifest.content.file("model.onnx")
    key = layout.file_key("churn", file.sha256, file.name)

    for data in (b"abd", b"ab", b"abcd", b""):
        registry.memory.objects[key] = data
        assert refusal(lambda: registry.reader.read_file("churn", file))[:2] == (Rejected, "digest")


def test_a_statement_longer_than_any_may_be_is_refused(
    registry: RegistrySimulator, release: Callable[..., str]
) -> None:
    release("a")
    registry.memory.objects[layout.manifest_key("churn", "1.0.0")] += b" " * 2**20

    assert refusal(lambda: resolve(registry))[:2] == (Rejected, "digest")


@pytest.mark.parametrize(
    "hint",
    [
        b'{"sequence": 1}',
        b'{"sequence": 99}',
        b'{"sequence": 0}',
        b'{"sequence": -1}',
        b'{"sequence": "3"}',
        b"",
        b"\xff",
        b"[]",
        b"[" * 1000,
        b"x" * 5000,
        None,
    ],
)
def test_whatever_head_says_the_log_decides(
    registry: RegistrySimulator, release: Callable[..., str], hint: bytes | None
) -> None:
    for model in "abc":
        release(model)
    if hint is None:
        del registry.memory.objects[HEAD]
    else:
        registry.memory.objects[HEAD] = hint

    assert resolve(registry).sequence == 3
