from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from edustream_contracts.errors import InvalidInput
from edustream_registry.cli import app
from edustream_registry.signing import PublicKey, Signer
from edustream_registry.trust import TrustPolicy, read_trust


def run(*arguments: object) -> str:
    """The output of `edustream-registry keys ...`; its error is raised."""
    done = CliRunner().invoke(app, ["keys", *map(str, arguments)])
    if done.exception:
        raise done.exception
    return done.output


def document(*arguments: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*arguments, "--json"))
    return found


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An env file that names trust.json beside it, which trusts one key."""
    monkeypatch.delenv("EDUSTREAM_TRUST_FILE", raising=False)
    (tmp_path / "trust.json").write_bytes(TrustPolicy((Signer.generate().public,)).to_json())
    path = tmp_path / ".env"
    path.write_text("EDUSTREAM_TRUST_FILE='trust.json'\n")
    return path


def test_a_rotation_step_by_step(env_file: Path, tmp_path: Path) -> None:
    here = ("--env-file", env_file)
    (old,) = document("show", *here)["keys"]
    said = run("generate", tmp_path / "new.pem")
    new = Signer.from_pem((tmp_path / "new.pem").read_bytes()).public.key_id
    assert f"Key {new}" in said
    assert f"public:  {tmp_path / 'new.public.pem'}" in said

    assert document("trust", tmp_path / "new.public.pem", *here)["keys"] == sorted([old, new])
    assert document("demand", "--threshold", 2, "--max-entry-age-s", 3600, *here) == {
        "trust_file": str(tmp_path / "trust.json"),
        "keys": sorted([old, new]),
        "threshold": 2,
        "max_entry_age_s": 3600.0,
        "consumers": {},
    }
    assert PublicKey.from_pem(run("export", new[:12], *here)).key_id == new
    assert document("demand", "--threshold", 1, "--any-age", *here)["max_entry_age_s"] is None
    assert document("distrust", old[:12], *here)["keys"] == [new]
    assert [key.key_id for key in read_trust(tmp_path / "trust.json").keys] == [new]


def test_people_read_a_table(env_file: Path, tmp_path: Path) -> None:
    (key,) = read_trust(tmp_path / "trust.json").keys

    assert key.key_id in run("show", "--trust-file", tmp_path / "trust.json")
    assert "1 of 1 must sign; a channel's last entry may be of any age" in run("show", "--env-file", env_file)
    aged = run("demand", "--max-entry-age-s", 60, "--env-file", env_file)
    assert "a channel's last entry may be at most 60 s old" in aged


def test_a_trust_file_must_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDUSTREAM_TRUST_FILE", raising=False)

    with pytest.raises(InvalidInput, match="No trust file is named"):
        run("show", "--env-file", tmp_path / f"none{os.extsep}env")
