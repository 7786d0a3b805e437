"""A verified copy of a release on this disk: what is fetched, kept, recalled and refused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flushes import Flushes
from local_copies import FILES, PRODUCTION, path_of, rewrite, state_path

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import InvalidInput, NothingToServe, Rejected, Unreachable
from edustream_registry import layout, local_copy, trust
from edustream_registry.local_copy import LocalCopy, LocalRelease, state_name
from edustream_registry.manifest import ReleaseContent
from edustream_registry.names import Reference
from edustream_registry.promotion import Promoter
from edustream_registry.resolved import Resolved
from edustream_registry.signing import Signer, verify_statement
from edustream_registry.testing.simulator import RegistrySimulator, write_release
from edustream_registry.trust import TrustPolicy


def test_named_files_alone_are_fetched(copy: LocalCopy, promoted: RegistrySimulator, found: Resolved) -> None:
    release = copy.fetch(promoted.reader, found, {"contract.json"})

    assert release.read("contract.json")
    assert [file.name for file in found.manifest.content.files if copy.holds(file)] == ["contract.json"]


def test_a_fetched_release_is_read_from_this_disk(
    fetched: LocalRelease, promoted: RegistrySimulator, content: ReleaseContent, release_dir: Path
) -> None:
    promoted.store.cut_off = True

    for file in content.files:
        assert fetched.read(file.name) == (release_dir / file.name).read_bytes()
    with pytest.raises(InvalidInput, match="has no file 'x'"):
        fetched.read("x")


def test_what_is_there_and_intact_is_not_fetched_again(
    fetched: LocalRelease, copy: LocalCopy, promoted: RegistrySimulator, found: Resolved
) -> None:
    copy.fetch(promoted.reader, found)

    assert promoted.store.calls == []


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [b"", b"x", None], ids=["emptied", "replaced", "deleted"])
def test_a_damaged_file_is_refused_and_fetched_anew(
    fetched: LocalRelease,
    copy: LocalCopy,
    promoted: RegistrySimulator,
    directory: Path,
    name: str,
    damage: bytes | None,
) -> None:
    path = path_of(directory, fetched.resolved, name)
    good = path.read_bytes()
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)

    with pytest.raises(Rejected, match="the file is fetched anew") as caught:
        fetched.read(name)
    assert caught.value.kind == "digest"

    copy.fetch(promoted.reader, fetched.resolved)
    assert fetched.read(name) == good
    assert [operation for operation, _ in promoted.store.calls] == ["get"]


@pytest.mark.parametrize("name", FILES)
def test_no_single_byte_of_a_local_file_can_be_changed(fetched: LocalRelease, directory: Path, name: str) -> None:
    path = path_of(directory, fetched.resolved, name)
    good = path.read_bytes()
    for position in {0, len(good) // 2, len(good) - 1}:
        path.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        with pytest.raises(Rejected):
            fetched.read(name)


def test_a_bad_file_in_the_registry_never_reaches_the_disk(
    copy: LocalCopy, promoted: RegistrySimulator, found: Resolved, directory: Path
) -> None:
    file = found.manifest.content.file("model.onnx")
    key = layout.file_key("churn", file.sha256, file.name)
    promoted.memory.objects[key] = b"medol"
    with pytest.raises(Rejected):
        copy.fetch(promoted.reader, found)
    del promoted.memory.objects[key]
    with pytest.raises(NothingToServe):
        copy.fetch(promoted.reader, found)

    assert not path_of(directory, found, "model.onnx").exists()
    assert copy.recall(PRODUCTION) is None


def test_nothing_is_known_at_first(copy: LocalCopy) -> None:
    assert copy.known(PRODUCTION) is None
    assert copy.recall(PRODUCTION) is None


def test_what_was_fetched_but_not_committed_is_not_recalled(
    copy: LocalCopy, promoted: RegistrySimulator, found: Resolved
) -> None:
    copy.fetch(promoted.reader, found)

    assert copy.known(PRODUCTION) is None


def test_a_committed_release_is_recalled_without_the_registry(
    fetched: LocalRelease, copy: LocalCopy, promoted: RegistrySimulator
) -> None:
    promoted.store.cut_off = True

    recalled = copy.recall(PRODUCTION)

    assert recalled is not None
    assert recalled.release.resolved == fetched.resolved
    assert recalled.contacted_at == recalled.answered_at == promoted.clock()
    assert recalled.release.read("model.onnx") == b"model"
    assert copy.known(PRODUCTION) == fetched.resolved


def test_contact_refreshes_the_time(fetched: LocalRelease, copy: LocalCopy, promoted: RegistrySimulator) -> None:
    before = promoted.clock()
    promoted.clock.advance(30)
    copy.contacted(fetched.resolved)

    recalled = copy.recall(PRODUCTION)

    assert recalled is not None
    assert recalled.contacted_at - before == timedelta(seconds=30)
    assert recalled.answered_at == recalled.contacted_at


def test_contact_with_the_release_that_is_held_verifies_no_signature(
    fetched: LocalRelease, copy: LocalCopy, promoted: RegistrySimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []

    def verify(*told: Any) -> Any:
        verified.append(told[-1])
        return verify_statement(*told)

    monkeypatch.setattr(trust, "verify_statement", verify)
    copy.contacted(fetched.resolved)
    at_contact = len(verified)

    assert copy.known(PRODUCTION) == fetched.resolved
    assert (at_contact, len(verified)) == (0, 2)


@pytest.mark.parametrize("part", ["manifest", "entry"])
def test_contact_puts_a_state_right_whose_statements_are_not_those_of_the_release(
    fetched: LocalRelease, copy: LocalCopy, directory: Path, part: str
) -> None:
    rewrite(directory, lambda state: state.update({part: state[part].replace("churn", "chorn")}))

    copy.contacted(fetched.resolved)

    assert copy.known(PRODUCTION) == fetched.resolved


GONE = NothingToServe("yanked", "churn@1.0.0 was yanked.", remedy="promote another version.")


def test_what_was_withdrawn_says_so_until_it_is_confirmed_again(fetched: LocalRelease, copy: LocalCopy) -> None:
    copy.withdrawn(fetched.resolved, GONE)

    recalled = copy.recall(PRODUCTION)
    assert recalled is not None
    assert recalled.withdrawn is not None
    assert (recalled.withdrawn.kind, str(recalled.withdrawn)) == (GONE.kind, str(GONE))
    assert recalled.release.resolved == fetched.resolved

    copy.contacted(fetched.resolved)
    confirmed = copy.recall(PRODUCTION)
    assert confirmed is not None
    assert confirmed.withdrawn is None


def test_the_withdrawal_of_a_release_that_is_not_held_is_not_noted(
    copy: LocalCopy, fetched: LocalRelease, promoted: RegistrySimulator, release_dir: Path, contract: ModelContract
) -> None:
    promoted.publish(write_release(release_dir, contract, b"newer"), release_dir)
    promoted.promote("churn", "1.0.1")
    copy.commit(copy.fetch(promoted.reader, promoted.reader.resolve(PRODUCTION)))

    copy.withdrawn(fetched.resolved, GONE)

    recalled = copy.recall(PRODUCTION)
    assert recalled is not None
    assert recalled.withdrawn is None


def test_old_files_of_releases_that_no_state_holds_are_removed(
    copy: LocalCopy, fetched: LocalRelease, promoted: RegistrySimulator, directory: Path
) -> None:
    held = {file.sha256 for file in fetched.resolved.manifest.content.files}
    files = directory / "files"
    for name, age_s in (("old", local_copy.UNUSED_S + 1), ("new", local_copy.UNUSED_S - 1)):
        (files / name).mkdir()
        (files / name / "model.onnx").write_bytes(b"model")
        written = promoted.clock().timestamp() - age_s
        os.utime(files / name, (written, written))
    for digest in held:
        os.utime(files / digest, (0, 0))

    copy.tidy()

    assert {folder.name for folder in files.iterdir()} == held | {"new"}


def test_what_was_held_grows_old_from_when_it_is_held_no_more(
    copy: LocalCopy,
    fetched: LocalRelease,
    promoted: RegistrySimulator,
    directory: Path,
    release_dir: Path,
    contract: ModelContract,
) -> None:
    model = path_of(directory, fetched.resolved, "model.onnx").parent
    os.utime(model, (0, 0))
    promoted.publish(write_release(release_dir, contract, b"newer"), release_dir)
    promoted.promote("churn", "1.0.1")
    promoted.clock.advance(10)
    copy.commit(copy.fetch(promoted.reader, promoted.reader.resolve(PRODUCTION)))
    promoted.clock.advance(local_copy.UNUSED_S)
    copy.contacted(promoted.reader.resolve(PRODUCTION))
    copy.tidy()
    assert model.exists()
    promoted.clock.advance(1)
    copy.tidy()
    assert not model.exists()


def test_what_is_asked_for_again_is_not_removed_before_it_is_committed(
    copy: LocalCopy, fetched: LocalRelease, promoted: RegistrySimulator, directory: Path
) -> None:
    shutil.rmtree(directory / "state")
    # Where there is none, nothing is removed anyway.
    (directory / "state").mkdir()
    promoted.clock.advance(2 * local_copy.UNUSED_S)
    for folder in (directory / "files").iterdir():
        os.utime(folder, (0, 0))
    copy.fetch(promoted.reader, fetched.resolved)
    # Another consumer that shares the directory tidies up meanwhile.
    LocalCopy(directory, promoted.trust, promoted.clock).tidy()
    assert {folder.name for folder in (directory / "files").iterdir()} == {
        file.sha256 for file in fetched.resolved.manifest.content.files
    }


def test_nothing_is_removed_where_a_state_cannot_be_read(
    copy: LocalCopy, fetched: LocalRelease, directory: Path
) -> None:
    (directory / "state" / "other.json").write_text("{")
    unused = directory / "files" / "old"
    unused.mkdir()
    os.utime(unused, (0, 0))

    copy.tidy()

    assert unused.exists()


def test_an_answer_that_confirms_nothing_refreshes_its_own_time(
    fetched: LocalRelease, copy: LocalCopy, promoted: RegistrySimulator
) -> None:
    before = promoted.clock()
    promoted.clock.advance(30)
    copy.answered(fetched.resolved)

    recalled = copy.recall(PRODUCTION)

    assert recalled is not None
    assert recalled.release.resolved == fetched.resolved
    assert (recalled.contacted_at, recalled.answered_at) == (before, before + timedelta(seconds=30))


def test_an_answer_about_a_release_that_is_not_held_is_not_noted(
    copy: LocalCopy, fetched: LocalRelease, promoted: RegistrySimulator, release_dir: Path, contract: ModelContract
) -> None:
    promoted.publish(write_release(release_dir, contract, b"newer"), release_dir)
    promoted.promote("churn", "1.0.1")
    copy.commit(copy.fetch(promoted.reader, promoted.reader.resolve(PRODUCTION)))
    before = promoted.clock()
    promoted.clock.advance(30)

    copy.answered(fetched.resolved)

    recalled = copy.recall(PRODUCTION)
    assert recalled is not None
    assert (recalled.release.resolved.version, recalled.answered_at) == ("1.0.1", before)


@pytest.mark.parametrize("state", [None, b"{"], ids=["gone", "damaged"])
def test_an_answer_makes_no_state_of_none(
    fetched: LocalRelease, copy: LocalCopy, directory: Path, state: bytes | None
) -> None:
    path = state_path(directory)
    path.unlink()
    if state is not None:
        path.write_bytes(state)

    copy.answered(fetched.resolved)

    assert (path.read_bytes() if path.exists() else None) == state


def test_a_state_of_before_that_holds_no_answer_is_as_old_as_its_confirmation(
    fetched: LocalRelease, copy: LocalCopy, directory: Path
) -> None:
    rewrite(directory, lambda state: state.pop("answered_at"))

    recalled = copy.recall(PRODUCTION)

    assert recalled is not None
    assert recalled.answered_at == recalled.contacted_at


def test_what_is_known_protects_against_rollback_after_a_restart(
    fetched: LocalRelease, copy: LocalCopy, promoted: RegistrySimulator
) -> None:
    del promoted.memory.objects[layout.entry_key("churn", "production", 1)]
    promoted.memory.objects.pop(layout.head_key("churn", "production"))

    with pytest.raises(NothingToServe) as caught:
        promoted.reader.resolve(PRODUCTION, copy.known(PRODUCTION))

    assert caught.value.kind == "channel_empty"


@pytest.mark.parametrize("reference", ["churn@1.0.0", "churn@^1", "churn@~1.0", "churn@caret-1", "churn@production"])
def test_every_reference_has_a_state_of_its_own(
    copy: LocalCopy, promoted: RegistrySimulator, reference: str, directory: Path
) -> None:
    promoted.promote("churn", "1.0.0", "caret-1")
    for text in ("churn@1.0.0", "churn@^1", "churn@~1.0", "churn@caret-1", "churn@production"):
        copy.commit(copy.fetch(promoted.reader, promoted.reader.resolve(Reference.parse(text))))

    known = copy.known(Reference.parse(reference))

    assert known is not None
    assert str(known.reference) == reference
    assert len(list((directory / "state").iterdir())) == 5


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.clear(),
        lambda state: state.update(copy_format=2),
        lambda state: state.update(reference="churn@staging"),
        lambda state: state.update(contacted_at="yesterday"),
        lambda state: state.update(contacted_at="2026-01-01T00:00:00"),
        lambda state: state.update(contacted_at=5),
        lambda state: state.update(withdrawn="yanked"),
        lambda state: state.update(withdrawn={"kind": "yanked"}),
        lambda state: state.update(answered_at="yesterday"),
        lambda state: state.update(answered_at="2026-01-01T00:00:00"),
        lambda state: state.update(answered_at=None),
        lambda state: state.update(manifest=5),
        lambda state: state.pop("manifest"),
        lambda state: state.pop("entry"),
        lambda state: state.update(entry=None),
        lambda state: state.update(entry=[1]),
        lambda state: state.update(manifest=state["entry"]),
        lambda state: state.update(entry=state["manifest"]),
        lambda state: state.update(manifest=state["manifest"].replace("tester", "chiefs")),
        lambda state: state.update(entry=state["entry"].replace("a test", "a rest")),
    ],
    ids=range(20),
)
def test_a_damaged_state_is_rejected_not_believed(
    fetched: LocalRelease, copy: LocalCopy, directory: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    rewrite(directory, change)

    for ask in (copy.known, copy.recall):
        with pytest.raises(Rejected):
            ask(PRODUCTION)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b"5"])
def test_a_state_that_is_no_state(fetched: LocalRelease, copy: LocalCopy, directory: Path, data: bytes) -> None:
    state_path(directory).write_bytes(data)

    with pytest.raises(Rejected, match="cannot be read") as caught:
        copy.recall(PRODUCTION)
    assert caught.value.kind == "malformed"


def test_a_genuine_state_of_another_channel_is_refused(
    fetched: LocalRelease, copy: LocalCopy, promoted: RegistrySimulator, directory: Path
) -> None:
    promoted.promote("churn", "1.0.0", "staging")
    staging = promoted.reader.resolve(Reference.parse("churn@staging"))
    assert staging.entry is not None
    entry = staging.entry.data.decode()
    rewrite(directory, lambda state: state.update(entry=entry))

    with pytest.raises(Rejected, match="does not ask for"):
        copy.recall(PRODUCTION)


@pytest.mark.parametrize("asked", ["churn@2.0.0", "churn@^2", "other@1.0.0"])
def test_a_genuine_state_of_another_release_is_refused(
    copy: LocalCopy, promoted: RegistrySimulator, directory: Path, asked: str
) -> None:
    exact = promoted.reader.resolve(Reference.parse("churn@1.0.0"))
    copy.commit(LocalRelease(Resolved(Reference.parse(asked), exact.release), directory))

    with pytest.raises(Rejected, match="does not ask for"):
        copy.recall(Reference.parse(asked))


def test_a_key_that_is_not_trusted_any_more(
    fetched: LocalRelease, promoted: RegistrySimulator, directory: Path
) -> None:
    distrusting = LocalCopy(directory, TrustPolicy((Signer.generate().public,)), promoted.clock)

    with pytest.raises(Rejected) as caught:
        distrusting.recall(PRODUCTION)
    assert caught.value.kind == "signature"


def test_a_write_that_fails_leaves_the_old_state_and_no_rubbish(
    fetched: LocalRelease,
    copy: LocalCopy,
    promoted: RegistrySimulator,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = state_path(directory).read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    promoted.clock.advance(10)
    with pytest.raises(OSError, match="No space left"):
        copy.contacted(fetched.resolved)

    assert state_path(directory).read_bytes() == before


def test_a_state_is_on_the_medium_before_it_replaces_the_old_one_and_its_name_after(
    copy: LocalCopy,
    promoted: RegistrySimulator,
    found: Resolved,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = copy.fetch(promoted.reader, found)
    path = directory / "state" / state_name(PRODUCTION)
    flushes = Flushes(path, monkeypatch)

    copy.commit(release)

    assert flushes.of(path, path.parent, directory) == [(directory, False), (path, False), (path.parent, True)]


def test_an_interrupted_fetch_goes_on_where_it_stopped(
    copy: LocalCopy, promoted: RegistrySimulator, found: Resolved, directory: Path
) -> None:
    file = found.manifest.content.file("model.onnx")
    key = layout.file_key("churn", file.sha256, file.name)
    data = promoted.memory.objects.pop(key)
    with pytest.raises(NothingToServe):
        copy.fetch(promoted.reader, found)
    promoted.memory.objects[key] = data
    promoted.store.calls.clear()

    release = copy.fetch(promoted.reader, found)

    assert promoted.store.calls == [("get", key)]
    assert release.read("model.onnx") == data


def test_two_processes_share_what_one_of_them_fetched(
    fetched: LocalRelease, promoted: RegistrySimulator, directory: Path
) -> None:
    other = LocalCopy(directory, promoted.trust, promoted.clock)
    promoted.store.cut_off = True

    other.fetch(promoted.reader, fetched.resolved)
    recalled = other.recall(PRODUCTION)

    assert recalled is not None
    assert recalled.release.read("golden.json") == fetched.read("golden.json")


def test_an_outage_while_fetching(copy: LocalCopy, promoted: RegistrySimulator, found: Resolved) -> None:
    promoted.store.cut_off = True

    with pytest.raises(Unreachable):
        copy.fetch(promoted.reader, found)


def test_a_genuine_entry_with_the_manifest_of_another_release_is_refused(
    fetched: LocalRelease,
    copy: LocalCopy,
    promoted: RegistrySimulator,
    directory: Path,
    tmp_path: Path,
    contract: ModelContract,
) -> None:
    promoted.publish(write_release(tmp_path / "next", contract, b"next"), tmp_path / "next")
    promoted.promote("churn", "1.0.1")
    later = promoted.reader.resolve(PRODUCTION).release.data.decode()
    rewrite(directory, lambda state: state.update(manifest=later))

    with pytest.raises(Rejected, match="names a manifest that its log entry did not promote"):
        copy.recall(PRODUCTION)


def test_a_slower_process_does_not_take_back_that_its_release_was_renewed(
    copy: LocalCopy, fetched: LocalRelease, promoted: RegistrySimulator
) -> None:
    Promoter(promoted.author).renew("churn", "production", "1.0.0", "a test")
    copy.commit(copy.fetch(promoted.reader, promoted.reader.resolve(PRODUCTION)))

    copy.contacted(fetched.resolved)

    known = copy.known(PRODUCTION)
    assert known is not None
    assert (known.manifest_digest, known.sequence) == (fetched.resolved.manifest_digest, 2)


def test_a_slower_process_does_not_take_the_state_back(
    copy: LocalCopy, fetched: LocalRelease, promoted: RegistrySimulator, release_dir: Path, contract: ModelContract
) -> None:
    promoted.publish(write_release(release_dir, contract, b"newer"), release_dir)
    promoted.promote("churn", "1.0.1")
    newer = copy.fetch(promoted.reader, promoted.reader.resolve(PRODUCTION))
    copy.commit(newer)

    copy.contacted(fetched.resolved)

    known = copy.known(PRODUCTION)
    assert known is not None
    assert known.sequence == 2
