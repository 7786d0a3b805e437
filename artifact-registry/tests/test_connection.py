"""Opening the reading and the writing side from settings."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edustream_contracts.errors import InvalidInput
from edustream_registry.authorship import author_name, open_author
from edustream_registry.connection import open_reader, open_store
from edustream_registry.settings import RegistrySettings
from edustream_registry.signing import Signer
from edustream_registry.trust import TrustPolicy


@pytest.fixture
def settings(tmp_path: Path) -> RegistrySettings:
    signer = Signer.generate()
    (tmp_path / "key.pem").write_bytes(signer.pem)
    (tmp_path / "trust.json").write_bytes(TrustPolicy((signer.public,)).to_json())
    return RegistrySettings.from_environ(
        {
            "REGISTRY_URL": "s3://models",
            "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
            "EDUSTREAM_TRUST_FILE": str(tmp_path / "trust.json"),
            "EDUSTREAM_SIGNING_KEY_FILE": str(tmp_path / "key.pem"),
        }
    )


def test_both_sides_open_without_a_word_to_the_store(settings: RegistrySettings) -> None:
    author = open_author(settings, "me")

    assert author.who == "me"
    assert isinstance(author.reader.trust, TrustPolicy)
    assert author.reader.trust.keys[0].key_id == author.signer.public.key_id
    assert open_store(settings).url == open_reader(settings).store.url == "s3://models"


def test_without_trust_file_nothing_is_read(settings: RegistrySettings) -> None:
    with pytest.raises(InvalidInput, match="EDUSTREAM_TRUST_FILE is not set"):
        open_reader(dataclasses.replace(settings, trust_file=None))


def test_without_key_nothing_is_written(settings: RegistrySettings, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="EDUSTREAM_SIGNING_KEY_FILE is not set"):
        open_author(dataclasses.replace(settings, signing_key_files=()), "me")
    with pytest.raises(InvalidInput, match=r"nowhere\.pem cannot be read: No such file"):
        open_author(dataclasses.replace(settings, signing_key_files=(tmp_path / "nowhere.pem",)), "me")


def test_a_key_that_nobody_trusts_signs_nothing(settings: RegistrySettings, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(Signer.generate().pem)

    with pytest.raises(InvalidInput, match="is not in the trust file"):
        open_author(settings, "me")


def test_an_author_holds_as_many_keys_as_the_trust_file_asks_for(settings: RegistrySettings, tmp_path: Path) -> None:
    first, second = Signer.from_pem((tmp_path / "key.pem").read_bytes()), Signer.generate()
    (tmp_path / "second.pem").write_bytes(second.pem)
    (tmp_path / "trust.json").write_bytes(TrustPolicy((first.public, second.public), threshold=2).to_json())

    with pytest.raises(InvalidInput, match=r"asks for signatures of 2 keys; EDUSTREAM_SIGNING_KEY_FILE names 1\."):
        open_author(settings, "me")
    both = dataclasses.replace(settings, signing_key_files=(tmp_path / "second.pem", tmp_path / "key.pem"))
    author = open_author(both, "me")

    assert author.signer.public.key_id == second.public.key_id
    assert [signer.public.key_id for signer in author.cosigners] == [first.public.key_id]
    twice = dataclasses.replace(settings, signing_key_files=(tmp_path / "key.pem",) * 2)
    with pytest.raises(InvalidInput, match="names 1"):
        open_author(twice, "me")


@pytest.mark.parametrize("error", [KeyError("no such user"), OSError("no such user")])
def test_an_author_has_a_name_everywhere(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise error

    assert author_name({"EDUSTREAM_WHO": "the release job"}) == "the release job"
    assert author_name({})
    monkeypatch.setattr("getpass.getuser", nameless)
    assert author_name({}).startswith("uid ")
