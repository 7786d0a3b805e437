from __future__ import annotations

import logging
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from edustream_contracts.errors import InvalidInput

from edustream_api.access import key_file
from edustream_api.access.key_file import KeyFile
from edustream_api.access.keys import KeyRing, new_key, ring_from_json

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)

ADD = """
import sys
from dataclasses import replace
from datetime import datetime, UTC
from pathlib import Path
from edustream_api.access import keys as api_keys
from edustream_api.access import key_file
for _ in range(20):
    key = api_keys.new_key(api_keys.new_secret(), sys.argv[2], datetime.now(UTC))
    key_file.change(Path(sys.argv[1]), lambda ring: replace(ring, keys=(*ring.keys, key)))
"""


def ring_of(*secrets: str) -> KeyRing:
    return KeyRing(tuple(new_key(secret, "shop", NOW) for secret in secrets))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_bytes(ring_of("a").to_json())
    return path


@pytest.fixture
def keys(path: Path) -> KeyFile:
    return KeyFile(path, lambda: NOW)


def test_follows_the_file(path: Path, keys: KeyFile) -> None:
    assert keys.ring.find(b"a") is not None
    key_file.change(path, lambda ring: ring_of("b"))
    assert keys.ring.find(b"a") is not None
    keys.look()
    assert keys.ring.find(b"a") is None
    assert keys.ring.find(b"b") is not None


def test_notices_a_change_of_equal_length_at_an_equal_time(path: Path, keys: KeyFile) -> None:
    before = path.stat()
    key_file.change(path, lambda ring: ring_of("b"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    keys.look()
    assert keys.ring.find(b"b") is not None


def test_reads_nothing_while_nothing_changes(keys: KeyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_file, "read_ring", None)
    keys.look()
    assert keys.report() == {"keys": 1, "read_at": "2026-01-31T12:00:00+00:00", "error": None}


@pytest.mark.parametrize("damage", ["gone", "broken", "folder", "long"])
def test_keeps_the_last_good_keys_tells_once_and_recovers(
    path: Path, keys: KeyFile, damage: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.unlink()
    if damage == "broken":
        path.write_text("{")
    elif damage == "folder":
        path.mkdir()
    elif damage == "long":
        monkeypatch.setattr(key_file, "MAX_BYTES", 3)
        path.write_bytes(ring_of("b").to_json())
    for _ in range(3):
        keys.look()
    assert keys.ring.find(b"a") is not None
    assert keys.report()["error"] is not None
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "api_keys_unreadable")

    monkeypatch.setattr(key_file, "MAX_BYTES", 1000)
    if damage == "folder":
        path.rmdir()
    path.write_bytes(ring_of("c").to_json())
    keys.look()
    assert keys.ring.find(b"c") is not None
    assert keys.report()["error"] is None


def test_a_file_that_comes_back_unchanged_is_no_longer_an_error(path: Path, keys: KeyFile) -> None:
    aside = path.with_name("aside")
    path.rename(aside)
    keys.look()
    assert keys.report()["error"] is not None
    aside.rename(path)
    keys.look()
    assert keys.report()["error"] is None


def test_does_not_start_without_keys_that_it_can_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"nowhere\.json cannot be read"):
        KeyFile(tmp_path / "nowhere.json")


@pytest.mark.parametrize("content", [None, "{"], ids=["gone", "broken"])
def test_one_that_is_not_required_admits_nobody_until_it_can_be_read(
    path: Path, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    path.unlink()
    if content is not None:
        path.write_text(content)
    keys = KeyFile(path, lambda: NOW, required=False)
    keys.look()
    report = keys.report()
    assert keys.ring.find(b"a") is None
    assert (report["keys"], report["read_at"]) == (0, None)
    assert report["error"] is not None
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "api_keys_unreadable")

    path.write_bytes(ring_of("a").to_json())
    keys.look()
    assert keys.ring.find(b"a") is not None
    assert keys.report() == {"keys": 1, "read_at": "2026-01-31T12:00:00+00:00", "error": None}


def test_a_new_file_is_its_owners_alone_and_one_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key_file.change(path, lambda ring: ring)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    key_file.change(path, lambda ring: ring_of("a"))
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_folder_that_there_is_not_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file or directory"):
        key_file.change(tmp_path / "nowhere" / "keys.json", lambda ring: ring)


@pytest.mark.parametrize("fault", ["unreadable", "long"])
def test_what_nobody_could_read_is_never_written(path: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()
    written = KeyRing((new_key("b", "shop", NOW, models=["Churn" if fault == "unreadable" else "churn"]),))
    if fault == "long":
        monkeypatch.setattr(key_file, "MAX_BYTES", len(before))
    with pytest.raises(InvalidInput, match=r"keys\.json stays as it was") as caught:
        key_file.change(path, lambda ring: written)
    why = "/keys/0/models: expected" if fault == "unreadable" else "it is longer than"
    assert why in str(caught.value)
    assert path.read_bytes() == before


def test_of_changes_at_the_same_moment_none_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    names = ("one", "two")
    adding = [subprocess.Popen([sys.executable, "-c", ADD, str(path), name]) for name in names]
    assert [process.wait() for process in adding] == [0, 0]
    found = [key.name for key in ring_from_json(path.read_bytes()).keys]
    assert sorted(found) == ["one"] * 20 + ["two"] * 20
