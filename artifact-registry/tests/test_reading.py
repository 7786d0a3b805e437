"""Resolving references: what they stand for, what is missing, what it costs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import refusal, resolve

from edustream_contracts.errors import NothingToServe, Rejected, Unreachable
from edustream_registry import layout
from edustream_registry.announcement import require_registry
from edustream_registry.manifest import ReleaseContent
from edustream_registry.names import Reference
from edustream_registry.reading import ReleaseReader
from edustream_registry.signing import Signer
from edustream_registry.testing.simulator import RegistrySimulator
from edustream_registry.trust import TrustPolicy

PRODUCTION = Reference.parse("churn@production")
HEAD = layout.head_key("churn", "production")


# --- what a reference stands for ---


def test_a_channel_stands_for_its_last_promotion(registry: RegistrySimulator, release: Callable[..., str]) -> None:
    release("a")
    release("b")

    found = resolve(registry)

    assert (found.version, found.sequence, found.model) == ("1.0.1", 2, "churn")
    assert found.release.key_ids == (registry.signer.public.key_id,)


def test_an_exact_version(registry: RegistrySimulator, release: Callable[..., str]) -> None:
    release("a", "2.1.0", promote=False)

    found = resolve(registry, "churn@2.1.0")

    assert (found.version, found.sequence, found.entry) == ("2.1.0", None, None)


def test_a_range_takes_the_highest_by_number_without_prereleases(
    registry: RegistrySimulator, release: Callable[..., str]
) -> None:
    for version in ("2.9.0", "2.10.0", "2.11.0-rc.1", "3.0.0"):
        release(f"m{version}", version, promote=False)

    assert resolve(registry, "churn@^2").version == "2.10.0"
    assert resolve(registry, "churn@~2.9").version == "2.9.0"
    assert registry.reader.versions("churn") == ["2.9.0", "2.10.0", "2.11.0-rc.1", "3.0.0"]


def test_a_range_passes_over_yanked_versions(registry: RegistrySimulator, release: Callable[..., str]) -> None:
    release("a", "2.0.0", promote=False)
    release("b", "2.1.0", promote=False)
    registry.yank("churn", "2.1.0")

    assert resolve(registry, "churn@^2").version == "2.0.0"


def test_names_are_listed(registry: RegistrySimulator, release: Callable[..., str]) -> None:
    release("a")

    assert registry.reader.models() == ["churn"]
    assert registry.reader.channels("churn") == ["production"]
    assert registry.reader.yanked("churn") == set()


def test_keys_that_the_protocol_does_not_define_are_nobodys_business(
    registry: RegistrySimulator, release: Callable[..., str]
) -> None:
    release("a")
    release("b")
    for key in (
        "models/churn/releases/notes.txt",
        "models/churn/releases/latest.json",
        "models/churn/releases/old/9.9.9.json",
        "models/churn/yanked/README.json",
        "models/churn/channels/production/log/zzz.json",
        "models/churn/channels/production/log/1.json",
        "models/churn/channels/production/log/000000000009.json.bak",
    ):
        registry.memory.objects[key] = b"junk"
    del registry.memory.objects[HEAD]

    assert resolve(registry).version == "1.0.1"
    assert resolve(registry, "churn@^1").version == "1.0.1"
    assert len(registry.reader.history("churn", "production")) == 2


# --- nothing to serve ---


def test_an_empty_registry(registry: RegistrySimulator) -> None:
    category, kind, message = refusal(lambda: resolve(registry))

    assert (category, kind) == (NothingToServe, "model_missing")
    assert "memory://registry" in message
    assert "models: none" in message
    assert "Next: publish one: python train_publish.py" in message


def test_another_model_is_named(registry: RegistrySimulator, release: Callable[..., str]) -> None:
    release("a")

    _, kind, message = refusal(lambda: resolve(registry, "chrun@production"))

    assert kind == "model_missing"
    assert "models: churn" in message


def test_an_empty_channel(registry: RegistrySimulator, release: Callable[..., str]) -> None:
    release("a", promote=False)

    category, kind, message = refusal(lambda: resolve(registry))

    assert (category, kind) == (NothingToServe, "channel_empty")
    assert "released: 1.0.0; channels: none" in message
    assert "edustream-registry promote churn@1.0.0 --to production" in message


@pytest.mark.parametrize("wanted", ["churn@1.0.1", "churn@production"])
def test_a_missing_release(registry: RegistrySimulator, release: Callable[..., str], wanted: str) -> None:
    release("a")
    release("b")
    del registry.memory.objects[layout.manifest_key("churn", "1.0.1")]

    category, kind, message = refusal(lambda: resolve(registry, wanted))

    assert (category, kind) == (NothingToServe, "release_missing")
    assert "churn@1.0.1 is not in memory://registry; released: 1.0.0" in message


@pytest.mark.parametrize(("yank", "said"), [(False, "released: 2.0.0."), (True, "released: 2.0.0; yanked: 2.0.0.")])
def test_no_version_matches(registry: RegistrySimulator, release: Callable[..., str], yank: bool, said: str) -> None:
    release("a", "2.0.0", promote=False)
    if yank:
        registry.yank("churn", "2.0.0")

    category, kind, message = refusal(lambda: resolve(registry, "churn@^2" if yank else "churn@^1"))

    assert (category, kind) == (NothingToServe, "no_version_matches")
    assert said in message


def test_a_range_of_an_unknown_model(registry: RegistrySimulator) -> None:
    assert refusal(lambda: resolve(registry, "churn@^1"))[1] == "model_missing"


def test_a_model_whose_manifests_are_gone(registry: RegistrySimulator, release: Callable[..., str]) -> None:
    release("a")
    del registry.memory.objects[layout.manifest_key("churn", "1.0.0")]

    _, kind, message = refusal(lambda: resolve(registry))

    assert kind == "model_missing"
    assert "Next: ask edustream-registry doctor what is missing of it" in message


@pytest.mark.parametrize("wanted", ["churn@1.0.0", "churn@production"])
def test_a_yanked_release(registry: RegistrySimulator, release: Callable[..., str], wanted: str) -> None:
    release("a")
    registry.yank("churn", "1.0.0")

    category, kind, message = refusal(lambda: resolve(registry, wanted))

    assert (category, kind) == (NothingToServe, "yanked")
    assert "yanked by tester at 2026-01-01T00:00:00+00:00: a test" in message


def test_a_missing_file(registry: RegistrySimulator, release: Callable[..., str]) -> None:
    release("a")
    found = resolve(registry)
    file = found.manifest.content.file("model.onnx")
    del registry.memory.objects[layout.file_key("churn", file.sha256, file.name)]

    category, kind, message = refusal(lambda: registry.reader.read_file("churn", file))

    assert (category, kind) == (NothingToServe, "file_missing")
    assert file.sha256 in message
    assert "publish the release again, which puts the file back" in message


# --- unreachable ---


def test_an_outage(registry: RegistrySimulator, release: Callable[..., str]) -> None:
    release("a")
    registry.store.cut_off = True

    assert refusal(lambda: resolve(registry))[:2] == (Unreachable, "connection")


def test_a_bucket_that_is_no_registry(registry: RegistrySimulator) -> None:
    registry.memory.objects.clear()

    category, kind, message = refusal(lambda: resolve(registry))

    assert (category, kind) == (Unreachable, "not_a_registry")
    assert "edustream-registry init" in message


@pytest.mark.parametrize(
    "announcement",
    [b'{"protocol": 2, "created_at": "2026-01-01T00:00:00Z"}', b"{}", b"", b"\xff", b"[" * 1024, b"null"],
    ids=["version 2", "empty object", "empty", "no UTF-8", "deep", "null"],
)
def test_a_registry_of_another_protocol(registry: RegistrySimulator, announcement: bytes) -> None:
    registry.memory.objects[layout.REGISTRY] = announcement

    assert refusal(lambda: require_registry(registry.store))[:2] == (Rejected, "protocol_version")


# --- cost ---


def test_a_cold_start_costs_five_requests(promoted: RegistrySimulator) -> None:
    resolve(promoted)

    assert [operation for operation, _ in promoted.store.calls] == ["get"] * 5


def test_a_poll_costs_two_requests_and_returns_the_same(promoted: RegistrySimulator) -> None:
    known = resolve(promoted)
    promoted.store.calls.clear()

    assert promoted.reader.poll(known) is known
    assert [operation for operation, _ in promoted.store.calls] == ["get", "get"]


def test_a_lagging_head_costs_one_listing(registry: RegistrySimulator, release: Callable[..., str]) -> None:
    for model in "abcdef":
        release(model)
    registry.memory.objects[HEAD] = b'{"sequence": 1}'
    registry.store.calls.clear()

    assert resolve(registry).sequence == 6
    assert [operation for operation, _ in registry.store.calls].count("list") == 1
    assert len(registry.store.calls) <= 7


# --- polling ---


def test_a_poll_sees_a_new_promotion_and_several(registry: RegistrySimulator, release: Callable[..., str]) -> None:
    release("a")
    known = resolve(registry)
    release("b")

    second = registry.reader.poll(known)
    release("c")
    release("d")

    assert second.sequence == 2
    assert registry.reader.poll(second).sequence == 4


def test_a_poll_sees_a_tombstone(registry: RegistrySimulator, release: Callable[..., str]) -> None:
    release("a")
    known = resolve(registry)
    exact = resolve(registry, "churn@1.0.0")
    registry.yank("churn", "1.0.0")

    assert refusal(lambda: registry.reader.poll(known))[1] == "yanked"
    assert refusal(lambda: registry.reader.poll(exact))[1] == "yanked"


def test_a_poll_of_a_range_sees_a_new_release(registry: RegistrySimulator, release: Callable[..., str]) -> None:
    release("a", "1.0.0", promote=False)
    known = resolve(registry, "churn@^1")
    assert registry.reader.poll(known) is known

    release("b", "1.4.0", promote=False)

    assert registry.reader.poll(known).version == "1.4.0"


def test_two_signatures_may_be_demanded(promoted: RegistrySimulator) -> None:
    strict = TrustPolicy((*promoted.trust.keys, Signer.generate().public), threshold=2)

    with pytest.raises(Rejected, match="1 valid signatures of trusted keys where 2 are needed"):
        ReleaseReader(promoted.store, strict).resolve(PRODUCTION)


def test_content_is_what_was_published(promoted: RegistrySimulator, content: ReleaseContent) -> None:
    assert resolve(promoted).manifest.content == content


def test_names_that_the_protocol_does_not_allow_are_nobodys(promoted: RegistrySimulator) -> None:
    promoted.memory.objects["models/Bad_Name/x"] = b""
    promoted.memory.objects["models/churn/channels/Bad_Name/log/x"] = b""

    assert promoted.reader.models() == ["churn"]
    assert promoted.reader.channels("churn") == ["production"]


def test_an_empty_channel_suggests_a_release_that_can_be_promoted(
    registry: RegistrySimulator, release: Callable[..., str]
) -> None:
    for model in ("one", "two"):
        release(model, promote=False)
    registry.yank("churn", "1.0.1")
    with pytest.raises(NothingToServe) as caught:
        registry.reader.resolve(Reference.parse("churn@production"))
    assert "promote churn@1.0.0" in caught.value.remedy

    registry.yank("churn", "1.0.0")
    with pytest.raises(NothingToServe) as caught:
        registry.reader.resolve(Reference.parse("churn@production"))
    assert "all of churn are yanked" in caught.value.remedy
