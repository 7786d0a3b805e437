from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import refusal, settings_in
from typer.testing import CliRunner, Result

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Unreachable
from edustream_registry import layout
from edustream_registry.authorship import open_author
from edustream_registry.cli import app
from edustream_registry.collecting import Collector
from edustream_registry.collection import MIN_GRACE_S
from edustream_registry.connection import open_trust
from edustream_registry.deletion import DeletingS3Store
from edustream_registry.local_server import RunningServer
from edustream_registry.provisioning import Folders, Provisioner
from edustream_registry.publishing import Publisher
from edustream_registry.reading import ReleaseReader
from edustream_registry.statement import MAX_STATEMENT_BYTES
from edustream_registry.store import ObjectMissing, WriteCondition
from edustream_registry.testing.simulator import write_release
from edustream_registry.unfinished_uploads import UnfinishedUpload

ORPHAN = layout.file_key("churn", "0" * 64, "model.onnx")
MANIFEST = layout.manifest_key("churn", "1.0.0")


@pytest.fixture(scope="module")
def repos(
    seaweedfs_server: RunningServer, tmp_path_factory: pytest.TempPathFactory, contract: ModelContract
) -> Folders:
    """A registry of its own on SeaweedFS with churn 1.0.0."""
    root = tmp_path_factory.mktemp("audited")
    written = Folders.below(root)
    Provisioner(dataclasses.replace(settings_in(seaweedfs_server.admin_env), bucket="audit-tests")).init(written)
    author = open_author(settings_in(written.producer / ".env"), "the producer")
    Publisher(author, bundler=None).publish(write_release(root / "a", contract), root / "a")
    return written


@pytest.fixture
def admin(repos: Folders) -> Iterator[DeletingS3Store]:
    """The administrator's store; what a test put or overwrote is taken back."""
    store = DeletingS3Store(settings_in(repos.admin / ".env"))
    before = {info.key for info in store.list("")}
    manifest = store.get(MANIFEST, MAX_STATEMENT_BYTES)
    yield store
    for key in {info.key for info in store.list("")} - before:
        store.delete(key)
    store.put(MANIFEST, manifest, WriteCondition.OVERWRITE)


def run(repos: Folders, *words: str) -> Result:
    result = CliRunner().invoke(app, [*words, "--env-file", str(repos.admin / ".env")], env={"COLUMNS": "200"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def run_json(repos: Folders, *words: str) -> Any:
    return json.loads(run(repos, *words, "--json").stdout)


def test_a_sound_registry(repos: Folders) -> None:
    result = run(repos, "audit")

    assert result.exit_code == 0
    assert "1 models, 1 releases, 3 files" in result.stdout
    assert "nothing is wrong." in result.stdout


def test_damage_ends_with_code_4_and_is_listed(repos: Folders, admin: DeletingS3Store) -> None:
    admin.put(MANIFEST, b"{}", WriteCondition.OVERWRITE)

    text = run(repos, "audit")
    document = run_json(repos, "audit", "churn")

    assert text.exit_code == 4
    assert ": 1 wrong." in text.stdout
    assert document["clean"] is False
    wrong = [finding for finding in document["findings"] if finding["severity"] == "wrong"]
    assert [(finding["kind"], finding["key"]) for finding in wrong] == [("malformed", MANIFEST)]
    assert all(key in wrong[0] for key in ("severity", "kind", "key", "message"))


def test_a_young_orphan_is_listed_and_stays(repos: Folders, admin: DeletingS3Store) -> None:
    admin.put(ORPHAN, b"x", WriteCondition.CREATE)

    assert "stays: young" in run(repos, "gc").stdout
    document, uploads = run_json(repos, "gc", "churn", "--grace", "1h", "--delete")

    assert [orphan["key"] for orphan in document["young"]] == [ORPHAN]
    assert (document["old"], document["deleted"], document["refusal"]) == ([], [], None)
    assert admin.size(ORPHAN) == 1
    assert (uploads["model"], uploads["old"], uploads["young"]) == ("unfinished uploads", [], [])


class Aged(DeletingS3Store):
    """As if all files and statements had been written two hours earlier."""

    def age_s(self, key: str) -> float:
        aged = "/files/" in key or key.startswith(layout.CONSUMERS)
        return super().age_s(key) + (2 * MIN_GRACE_S if aged else 0)

    def unfinished_uploads(self, prefix: str) -> Iterator[UnfinishedUpload]:
        for upload in super().unfinished_uploads(prefix):
            yield dataclasses.replace(upload, age_s=upload.age_s + 2 * MIN_GRACE_S)


def test_an_old_orphan_goes(repos: Folders, admin: DeletingS3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edustream_registry.commands_audit.DeletingS3Store", Aged)
    admin.put(ORPHAN, b"x", WriteCondition.CREATE)
    before = {info.key for info in admin.list("")}

    dry = run(repos, "gc", "--grace", "1h").stdout
    assert "would be deleted" in dry
    assert "nothing deleted (--delete does it)." in dry
    done = run(repos, "gc", "--grace", "1h", "--delete").stdout

    assert "1 deleted." in done
    assert "deleted" in done.splitlines()[1]
    assert run(repos, "gc", "--grace", "1h", "--delete").stdout.startswith("churn: 0 orphans")
    assert {info.key for info in admin.list("")} == before - {ORPHAN}


def test_an_expired_statement_goes(repos: Folders, admin: DeletingS3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edustream_registry.commands_audit.DeletingS3Store", Aged)
    expired, living = (layout.needs_key("api", digit * 32) for digit in "0f")
    for key in (expired, living):
        admin.put(key, b"x", WriteCondition.OVERWRITE)

    done = run(repos, "gc", "--grace", "1h", "--delete").stdout

    assert "consumers/: 1 expired statements older than 1 h (1 bytes), 0 younger: 1 deleted." in done
    assert [info.key for info in admin.list(layout.CONSUMERS)] == [living]
    admin.delete(living)


@pytest.fixture
def begun(admin: DeletingS3Store) -> str:
    """An upload of a large file whose publisher died after the first part; its id."""
    place = admin._object(ORPHAN)
    upload_id = str(admin._writer.create_multipart_upload(**place)["UploadId"])
    admin._writer.upload_part(**place, UploadId=upload_id, PartNumber=1, Body=b"12345")
    return upload_id


def test_a_young_unfinished_upload_is_listed_and_stays(repos: Folders, admin: DeletingS3Store, begun: str) -> None:
    for words in ((), ("--delete",)):
        said = run(repos, "gc", "--grace", "1h", *words).stdout
        assert "unfinished uploads: 0 older than 1 h (0 bytes), 1 younger" in said

    (held,) = admin.unfinished_uploads(layout.MODELS)
    assert (held.key, held.upload_id, held.size) == (ORPHAN, begun, 5)
    assert list(admin.unfinished_uploads(layout.files_prefix("another"))) == []
    admin.abort(held)
    assert refusal_of_a_second(admin, held)


def refusal_of_a_second(admin: DeletingS3Store, upload: UnfinishedUpload) -> bool:
    """Whether a second abort does not find the upload; some servers answer as to the first."""
    with contextlib.suppress(ObjectMissing):
        admin.abort(upload)
    return list(admin.unfinished_uploads(layout.MODELS)) == []


def test_an_old_unfinished_upload_is_aborted(
    repos: Folders, admin: DeletingS3Store, begun: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edustream_registry.commands_audit.DeletingS3Store", Aged)

    assert (
        "unfinished uploads: 1 older than 1 h (5 bytes), 0 younger: nothing deleted"
        in run(repos, "gc", "churn", "--grace", "1h").stdout
    )
    *_, done = run_json(repos, "gc", "churn", "--grace", "1h", "--delete")

    assert done["deleted"] == [f"{ORPHAN} (upload {begun[:12]})"]
    assert list(admin.unfinished_uploads(layout.MODELS)) == []


@pytest.mark.parametrize("kind", ["server_error", "access_denied", "connection"])
def test_a_store_that_does_not_list_unfinished_uploads(
    repos: Folders, admin: DeletingS3Store, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def refuse(*_: object) -> Iterator[UnfinishedUpload]:
        raise Unreachable(kind, "The store refused to list.", remedy="none.")

    monkeypatch.setattr(DeletingS3Store, "unfinished_uploads", refuse)
    if kind == "connection":
        with pytest.raises(Unreachable):
            CliRunner().invoke(app, ["gc", "--env-file", str(repos.admin / ".env")], catch_exceptions=False)
        return

    result = run(repos, "gc")

    assert result.exit_code == 0
    assert "churn: 0 orphans" in result.stdout
    assert "Unfinished uploads are left aside: The store refused to list." in result.stderr


def test_an_unreadable_manifest_ends_with_code_4(repos: Folders, admin: DeletingS3Store) -> None:
    admin.put(MANIFEST, b"{}", WriteCondition.OVERWRITE)

    result = run(repos, "gc")

    assert result.exit_code == 4
    assert "churn: nothing may be deleted, since not every manifest can be read." in result.stdout
    document, statements, _ = run_json(repos, "gc")
    assert document["refusal"]["kind"] == "malformed"
    assert (statements["model"], statements["old"], statements["refusal"]) == (layout.CONSUMERS, [], None)


def test_a_producer_may_not_delete_and_leaves_no_notice(repos: Folders, admin: DeletingS3Store) -> None:
    admin.put(ORPHAN, b"x", WriteCondition.CREATE)
    settings = settings_in(repos.producer / ".env")
    store = Aged(settings)
    collector = Collector(store, ReleaseReader(store, open_trust(settings)), MIN_GRACE_S)

    assert refusal(lambda: collector.collect("churn"))[:2] == (Unreachable, "access_denied")
    assert list(admin.list(layout.notices_prefix("churn"))) == []
    assert admin.size(ORPHAN) == 1


def test_a_refreshed_file_is_young_again(admin: DeletingS3Store, tmp_path: Path) -> None:
    """What the publisher relies on: the store tells when a file was last written, and by its own clock."""
    path = tmp_path / "model.onnx"
    path.write_bytes(b"x")
    admin.upload(ORPHAN, path)
    first = next(info.modified for info in admin.list(ORPHAN))
    while next(info.modified for info in admin.list(ORPHAN)) == first:
        admin.upload(ORPHAN, path)

    assert admin.age_s(ORPHAN) >= 0
