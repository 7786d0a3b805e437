from __future__ import annotations

from pathlib import Path

import pytest
from conftest import refusal

from edustream_contracts.errors import InvalidInput
from edustream_registry.command_line import settings_from
from edustream_registry.env_file import read_env_file, write_env_file, write_private


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / ".env"
    variables = {"REGISTRY_URL": "s3://models", "AWS_SECRET_ACCESS_KEY": "a-b_c#d e"}

    write_env_file(path, variables, "A comment")

    assert read_env_file(path) == variables
    assert path.read_text().startswith("# A comment\n")


def test_files_are_for_their_owner_alone_even_when_replaced(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"old")
    path.chmod(0o644)

    write_private(path, b"new")

    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


@pytest.mark.parametrize(("text", "read"), [("A=1\nB\n", {"A": "1"}), ("", {}), ("# A=1\n", {})])
def test_lines_without_value_say_nothing(tmp_path: Path, text: str, read: dict[str, str]) -> None:
    (tmp_path / ".env").write_text(text)

    assert read_env_file(tmp_path / ".env") == read


def test_no_file_no_variables(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / ".env") == {}


@pytest.mark.parametrize(
    "data", [b"\x00\xff\xfe", "REGISTRY_URL='s3://models'\n".encode("utf-16")], ids=["binary", "UTF-16"]
)
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)

    error, kind, said = refusal(lambda: settings_from(tmp_path / "file"))

    assert (error, kind) == (InvalidInput, "configuration")
    assert f"The env file {tmp_path / 'file'} cannot be read: it is no UTF-8 text" in said
    assert "Next: " in said


def test_a_folder_is_no_env_file(tmp_path: Path) -> None:
    error, kind, said = refusal(lambda: settings_from(tmp_path))

    assert (error, kind) == (InvalidInput, "configuration")
    assert f"The env file {tmp_path} cannot be read: it is a folder." in said


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    error, kind, said = refusal(lambda: settings_from(tmp_path / ("x" * 300)))

    assert (error, kind) == (InvalidInput, "configuration")
    assert "File name too long" in said
