from __future__ import annotations

from pathlib import Path

import pytest

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.errors import InvalidInput
from edustream_registry.sending import SourceFile

DATA = b"0123456789"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    written = tmp_path / "model.onnx"
    written.write_bytes(DATA)
    return written


@pytest.mark.parametrize("size", [-1, 3, 5, 10, 100])
def test_what_is_read_is_what_the_file_holds(path: Path, size: int) -> None:
    told: list[int] = []
    with SourceFile(path, sha256_hex(DATA), told.append).open() as file:
        assert b"".join(iter(lambda: file.read(size), b"")) == DATA
    assert sum(told) == len(DATA)


@pytest.mark.parametrize("size", [-1, 3, 5, 10, 100])
def test_another_content_is_refused_before_the_end_is_told(path: Path, size: int) -> None:
    with (
        SourceFile(path, sha256_hex(DATA + b"x")).open() as file,
        pytest.raises(InvalidInput, match="the release states") as caught,
    ):
        list(iter(lambda: file.read(size), b""))
    assert caught.value.kind == "data"


def test_an_empty_file(path: Path) -> None:
    path.write_bytes(b"")
    with SourceFile(path, sha256_hex(b"")).open() as file:
        assert file.read(10) == b""
