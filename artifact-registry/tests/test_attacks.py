"""What an attacker who holds the bucket, but no trusted key, can do: nothing that a reader does not notice.

These are the attacks that The Update Framework lists (theupdateframework.io/docs/security), one test each at least.
Slow retrieval, and endless data on the wire, are in test_bounded_replies.py.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from attacked import HEAD, PRODUCTION, entry_key, resigned
from conftest import refusal, resolve

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Rejected
from edustream_registry import layout
from edustream_registry.announcement import MAX_HINT_BYTES, require_registry
from edustream_registry.local_copy import LocalCopy
from edustream_registry.names import Reference
from edustream_registry.promotion import Promoter
from edustream_registry.publishing import Publisher
from edustream_registry.pulling import pull
from edustream_registry.reading import ReleaseReader
from edustream_registry.signing import Signer
from edustream_registry.statement import MAX_STATEMENT_BYTES
from edustream_registry.testing.simulator import RegistrySimulator, write_release
from edustream_registry.trust import TrustPolicy


def test_arbitrary_software_an_attackers_release_is_refused(
    registry: RegistrySimulator, contract: ModelContract, tmp_path: Path
) -> None:
    """Whoever may write to the bucket, but holds no trusted key, publishes and promotes; nobody takes it."""
    stranger = Signer.generate()
    theirs = ReleaseReader(registry.store, TrustPolicy((stranger.public,)), registry.clock)
    author = registry.author_with(stranger, theirs)
    content = write_release(tmp_path / "theirs", contract, b"backdoor")
    Publisher(author, bundler=None).publish(content, tmp_path / "theirs", "1.0.0")
    Promoter(author).promote("churn", "production", "1.0.0", "trust me")

    for wanted in ("churn@production", "churn@1.0.0", "churn@^1"):
        assert refusal(partial(resolve, registry, wanted))[:2] == (Rejected, "signature")


def test_rollback_a_range_that_shows_less_than_was_seen_is_refused(
    registry: RegistrySimulator, release: Callable[..., str]
) -> None:
    release("a")
    release("b")
    known = resolve(registry, "churn@^1")
    manifest = registry.memory.objects.pop(layout.manifest_key("churn", "1.0.1"))

    for call in (lambda: resolve(registry, "churn@^1", known), lambda: registry.reader.poll(known)):
        category, kind, message = refusal(call)
        assert (category, kind) == (Rejected, "rollback")
        assert "shows 1.0.0 as its highest release; 1.0.1 was seen before" in message

    registry.memory.objects[layout.manifest_key("churn", "1.0.1")] = manifest
    registry.yank("churn", "1.0.1")
    assert resolve(registry, "churn@^1", known).version == registry.reader.poll(known).version == "1.0.0"


def test_rollback_an_unsigned_tombstone_lowers_no_range(
    registry: RegistrySimulator, release: Callable[..., str]
) -> None:
    release("a")
    release("b")
    known = resolve(registry, "churn@^1")
    del registry.memory.objects[layout.manifest_key("churn", "1.0.1")]
    stranger = {"version": "1.0.1", "model": "churn", "type": "tombstone"}
    registry.memory.objects[layout.tombstone_key("churn", "1.0.1")] = Signer.generate().sign(stranger)

    assert refusal(lambda: resolve(registry, "churn@^1", known))[:2] == (Rejected, "signature")


def test_rollback_the_floor_is_on_the_disk_and_no_slower_process_lowers_it(
    registry: RegistrySimulator, release: Callable[..., str], tmp_path: Path
) -> None:
    range_ = Reference.parse("churn@^1")
    copy = LocalCopy(tmp_path / "copy", registry.trust, registry.clock)
    release("a")
    slower = resolve(registry, "churn@^1")
    copy.commit(copy.fetch(registry.reader, slower))
    release("b")
    copy.commit(copy.fetch(registry.reader, resolve(registry, "churn@^1")))

    copy.contacted(slower)

    known = copy.known(range_)
    assert known is not None
    assert known.version == "1.0.1"
    registry.yank("churn", "1.0.1")
    copy.commit(copy.fetch(registry.reader, resolve(registry, "churn@^1", known)), since=known)
    lowered = copy.known(range_)
    assert lowered is not None
    assert lowered.version == "1.0.0"


def test_fast_forward_a_forged_high_sequence_moves_nobody(
    registry: RegistrySimulator, release: Callable[..., str]
) -> None:
    """The highest sequence is in the listing, but an entry there needs a signature, and HEAD decides nothing."""
    release("a")
    highest = 999_999_999_999
    registry.memory.objects[entry_key(highest)] = resigned(registry, entry_key(1), Signer.generate(), sequence=highest)
    assert resolve(registry).sequence == 1

    registry.memory.objects[HEAD] = json.dumps({"sequence": highest}).encode()
    assert refusal(lambda: resolve(registry))[:2] == (Rejected, "signature")
    del registry.memory.objects[entry_key(highest)]
    assert resolve(registry).sequence == 1


def test_fast_forward_a_stolen_key_cannot_leave_the_log_behind(
    registry: RegistrySimulator, release: Callable[..., str]
) -> None:
    """With a trusted key even: whoever skips numbers breaks the chain, and history says where."""
    release("a")
    known = resolve(registry)
    skipped = resigned(registry, entry_key(1), registry.signer, sequence=900, previous=known.entry.digest)  # type: ignore[union-attr]
    registry.memory.objects[entry_key(900)] = skipped

    assert registry.reader.poll(known) is known
    _, kind, message = refusal(lambda: registry.reader.history("churn", "production"))
    assert kind == "mix_and_match"
    assert "lacks entry 2" in message


def test_indefinite_freeze_ends_with_a_renewal(registry: RegistrySimulator, release: Callable[..., str]) -> None:
    release("a")
    reader = ReleaseReader(registry.store, dataclasses.replace(registry.trust, max_entry_age_s=60.0), registry.clock)
    known = reader.resolve(PRODUCTION)
    registry.clock.advance(61)
    assert refusal(lambda: reader.poll(known))[1] == "freeze"

    Promoter(registry.author).renew("churn", "production", "1.0.0", "still right")

    assert reader.poll(known).sequence == 2
    assert reader.resolve(PRODUCTION, known).version == "1.0.0"


def test_endless_data_no_read_goes_beyond_what_was_declared(
    registry: RegistrySimulator, release: Callable[..., str]
) -> None:
    release("abc")
    file = resolve(registry).manifest.content.file("model.onnx")
    key = layout.file_key("churn", file.sha256, file.name)
    limits = {
        layout.REGISTRY: MAX_HINT_BYTES,
        HEAD: MAX_HINT_BYTES,
        entry_key(1): MAX_STATEMENT_BYTES,
        layout.manifest_key("churn", "1.0.0"): MAX_STATEMENT_BYTES,
        layout.tombstone_key("churn", "1.0.0"): MAX_STATEMENT_BYTES,
        key: file.size,
    }
    asked: dict[str, int] = {}
    memory = registry.memory
    genuine = memory.get

    def recording(key: str, max_bytes: int) -> bytes:
        asked[key] = max_bytes
        return genuine(key, max_bytes)

    memory.get = recording  # type: ignore[method-assign]
    require_registry(registry.store)
    resolve(registry)
    registry.reader.read_file("churn", file)
    assert {name: asked[name] for name in limits} == limits

    memory.objects[key] += b"x" * 10**6
    assert refusal(lambda: registry.reader.read_file("churn", file))[:2] == (Rejected, "digest")
    assert refusal(lambda: registry.reader.check_file("churn", file))[:2] == (Rejected, "digest")


def test_extraneous_files_are_never_fetched(
    registry: RegistrySimulator, release: Callable[..., str], tmp_path: Path
) -> None:
    release("a")
    found = resolve(registry)
    for name in ("evil.so", "model.onnx", "../escape"):
        registry.memory.objects[f"models/churn/files/{'0' * 64}/{name}"] = b"extraneous"
    registry.memory.objects["models/churn/releases/evil/../1.0.0.json"] = b"extraneous"
    registry.store.calls.clear()

    pull(registry.reader, found, tmp_path / "pulled")

    stated = {file.name for file in found.manifest.content.files}
    assert {path.name for path in (tmp_path / "pulled").iterdir()} == stated | {"manifest.json"}
    assert not [key for _, key in registry.store.calls if "0" * 64 in key]


def test_mix_and_match_a_manifest_under_anothers_promotion_is_refused(
    registry: RegistrySimulator, release: Callable[..., str]
) -> None:
    release("a")
    release("b")
    objects = registry.memory.objects
    other = json.loads(objects[layout.manifest_key("churn", "1.0.0")])["signed"]["content"]
    key = layout.manifest_key("churn", "1.0.1")
    objects[key] = resigned(registry, key, registry.signer, content=other)

    assert refusal(lambda: resolve(registry))[:2] == (Rejected, "mix_and_match")


def test_wrong_software_a_genuine_release_of_another_model_or_version_is_refused(
    registry: RegistrySimulator, release: Callable[..., str]
) -> None:
    release("a")
    release("b")
    objects = registry.memory.objects
    objects[layout.manifest_key("fraud", "1.0.0")] = objects[layout.manifest_key("churn", "1.0.0")]
    objects[layout.manifest_key("churn", "2.0.0")] = objects[layout.manifest_key("churn", "1.0.1")]

    for wanted in ("fraud@1.0.0", "fraud@^1", "churn@2.0.0", "churn@^2"):
        assert refusal(partial(resolve, registry, wanted))[:2] == (Rejected, "mix_and_match")


def test_key_compromise_one_stolen_key_is_not_enough_below_a_threshold(
    registry: RegistrySimulator, release: Callable[..., str]
) -> None:
    second = Signer.generate()
    strict = TrustPolicy((registry.signer.public, second.public), threshold=2)
    reader = ReleaseReader(registry.store, strict, registry.clock)
    registry.author = dataclasses.replace(registry.author, reader=reader, cosigners=(second,))
    release("a")
    assert reader.resolve(PRODUCTION).version == "1.0.0"

    registry.memory.objects[entry_key(2)] = resigned(registry, entry_key(1), registry.signer, sequence=2)

    assert refusal(lambda: reader.resolve(PRODUCTION))[:2] == (Rejected, "signature")


def test_key_compromise_is_recovered_from_by_a_new_key_and_a_new_channel(
    registry: RegistrySimulator, release: Callable[..., str], contract: ModelContract, tmp_path: Path
) -> None:
    """The recipe of PROTOCOL.md, 10.3: the thief fast-forwarded the log to its end; consumers follow a new channel."""
    release("a")
    thief, honest = registry.signer, Signer.generate()
    end = 999_999_999_999
    registry.memory.objects[entry_key(end)] = resigned(registry, entry_key(1), thief, sequence=end, previous="0" * 64)

    trust = TrustPolicy((honest.public,))
    reader = ReleaseReader(registry.store, trust, registry.clock)
    author = registry.author_with(honest, reader)
    assert refusal(lambda: reader.resolve(PRODUCTION))[:2] == (Rejected, "signature")
    content = write_release(tmp_path / "again", contract, b"a, examined and released anew")
    Publisher(author, bundler=None).publish(content, tmp_path / "again", "2.0.0")
    Promoter(author).promote("churn", "live", "2.0.0", "the key of production was stolen")

    assert reader.resolve(Reference.parse("churn@live")).version == "2.0.0"
    assert reader.history("churn", "live")[0].key_ids == (honest.public.key_id,)
    for wanted in ("churn@1.0.0", "churn@production"):
        with pytest.raises(Rejected, match="carries 0 valid signatures"):
            reader.resolve(Reference.parse(wanted))
