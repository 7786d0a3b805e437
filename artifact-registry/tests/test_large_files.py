"""Files that do not fit into the memory that a process may take, on a real server, in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edustream_contracts.errors import InvalidInput
from edustream_registry import layout
from edustream_registry.connection import open_trust
from edustream_registry.downloading import PART_BYTES, download
from edustream_registry.local_server import RunningServer
from edustream_registry.manifest import ReleaseFile
from edustream_registry.provisioning import Folders
from edustream_registry.reading import ReleaseReader
from edustream_registry.s3_client import READING, make_client
from edustream_registry.s3_store import S3Store
from edustream_registry.sending import SourceFile
from edustream_registry.settings import RegistrySettings, with_env_file
from edustream_registry.store import ObjectMissing

MIB = 1024 * 1024
SIZE = 128 * MIB
ALLOWED_MIB = 100
PRELUDE = """
import os, resource, signal, sys
from pathlib import Path
from edustream_registry.connection import open_reader
from edustream_registry.downloading import download
from edustream_registry.manifest import ReleaseFile
from edustream_registry.sending import SourceFile
from edustream_registry.settings import RegistrySettings, with_env_file
env_file, path, size, sha256, key = sys.argv[1:]
reader = open_reader(RegistrySettings.from_environ(with_env_file({}, Path(env_file))))
file = ReleaseFile(name="large.bin", size=int(size), sha256=sha256)
def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
"""
PULL = "download(reader, 'large', file, Path(path)"
SEND = "reader.store.upload(key, SourceFile(Path(path), sha256))"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("large") / "large.bin"
    with path.open("wb") as file:
        for _ in range(SIZE // MIB):
            file.write(os.urandom(MIB))
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def described(large: Path) -> ReleaseFile:
    return ReleaseFile.of(large)


@pytest.fixture(scope="module")
def producer(folders: Folders) -> Path:
    return folders.producer / ".env"


def settings(env_file: Path) -> RegistrySettings:
    return RegistrySettings.from_environ(with_env_file({}, env_file))


def key_of(file: ReleaseFile) -> str:
    return layout.file_key("large", file.sha256, file.name)


def run(code: str, env_file: Path, path: Path, file: ReleaseFile) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-c",
        PRELUDE + code,
        str(env_file),
        str(path),
        str(file.size),
        file.sha256,
        key_of(file),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def sent(producer: Path, large: Path, described: ReleaseFile) -> int:
    """The file is in the registry; what it took to send it, in MiB of memory."""
    done = run(f"before = peak_mib()\n{SEND}\nprint(peak_mib() - before)", producer, large, described)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_sending_a_large_file_takes_little_memory(sent: int) -> None:
    assert sent <= ALLOWED_MIB


def test_pulling_a_large_file_takes_little_memory(
    sent: int, producer: Path, described: ReleaseFile, tmp_path: Path
) -> None:
    target = tmp_path / "large.bin"

    done = run(f"before = peak_mib()\n{PULL})\nprint(peak_mib() - before)", producer, target, described)

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= ALLOWED_MIB
    assert ReleaseFile.of(target) == described


@pytest.mark.usefixtures("sent")
def test_a_pull_that_was_killed_goes_on_where_it_stopped(
    producer: Path, described: ReleaseFile, tmp_path: Path
) -> None:
    target = tmp_path / "large.bin"
    code = f"""
arrived = 0
def die(count):
    global arrived
    arrived += count
    if arrived >= {SIZE // 2}:
        os.kill(os.getpid(), signal.SIGKILL)
{PULL}, die)
"""
    assert run(code, producer, target, described).returncode == -signal.SIGKILL
    assert not target.exists()
    left = (tmp_path / ".partial-large.bin").stat().st_size
    assert SIZE // 2 <= left < SIZE
    asked: list[str] = []

    def record(params: dict[str, Any], **_: Any) -> None:
        asked.append(params["Range"])

    client = make_client("s3", settings(producer), READING)
    client.meta.events.register("before-parameter-build.s3.GetObject", record)
    reader = ReleaseReader(S3Store(settings(producer), client), open_trust(settings(producer)))
    download(reader, "large", described, target)

    assert ReleaseFile.of(target) == described
    assert min(int(text.removeprefix("bytes=").partition("-")[0]) for text in asked) == left
    assert len(asked) == (SIZE - left) // PART_BYTES


def test_a_large_file_with_another_digest_never_lands(
    producer: Path, seaweedfs_server: RunningServer, tmp_path: Path
) -> None:
    store, key = S3Store(settings(producer)), f"models/large/files/{'0' * 64}/large.bin"
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(3 * PART_BYTES + 1))

    with pytest.raises(InvalidInput, match="the release states 0000"):
        store.upload(key, SourceFile(path, "0" * 64))

    with pytest.raises(ObjectMissing):
        store.size(key)
    admin = make_client("s3", settings(seaweedfs_server.admin_env))
    assert "Uploads" not in admin.list_multipart_uploads(Bucket=settings(producer).bucket)
