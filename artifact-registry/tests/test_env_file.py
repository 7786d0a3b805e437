from __future__ import annotations

from pathlib import Path

import pytest

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
