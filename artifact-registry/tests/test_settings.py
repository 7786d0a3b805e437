from __future__ import annotations

import os
from pathlib import Path

import pytest

from edustream_contracts.errors import InvalidInput
from edustream_registry.settings import RegistrySettings, with_env_file

FULL = {
    "REGISTRY_URL": "s3://models/a/prefix",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:8333",
    "AWS_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
    "EDUSTREAM_TRUST_FILE": "/etc/trust.json",
    "EDUSTREAM_SIGNING_KEY_FILE": "/etc/key.pem",
}


def test_every_variable_is_read() -> None:
    settings = RegistrySettings.from_environ(FULL)

    assert (settings.bucket, settings.prefix) == ("models", "a/prefix")
    assert settings.url == "s3://models/a/prefix"
    assert settings.location == "s3://models/a/prefix at http://127.0.0.1:8333"
    assert (settings.region, settings.access_key_id, settings.secret_access_key) == ("eu-central-1", "key", "secret")
    assert settings.session_token == "token"
    assert settings.trust_file == Path("/etc/trust.json")
    assert settings.signing_key_files == (Path("/etc/key.pem"),)


def test_the_address_alone_is_enough() -> None:
    settings = RegistrySettings.from_environ({"REGISTRY_URL": "s3://models/"})

    assert (settings.url, settings.location, settings.region) == ("s3://models", "s3://models", "us-east-1")
    assert (settings.endpoint_url, settings.access_key_id, settings.trust_file) == (None, None, None)
    assert settings.signing_key_files == ()


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(RegistrySettings.from_environ(FULL)).replace("secret_access_key", "")
    assert "token" not in repr(RegistrySettings.from_environ(FULL)).replace("session_token", "")


def test_boto3s_other_name_of_the_region() -> None:
    settings = RegistrySettings.from_environ({"REGISTRY_URL": "s3://models", "AWS_DEFAULT_REGION": "eu-west-1"})

    assert settings.region == "eu-west-1"


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        RegistrySettings.from_environ(
            {"REGISTRY_URL": "http://models", "AWS_ENDPOINT_URL_S3": "localhost:8333", "AWS_ACCESS_KEY_ID": "key"}
        )

    assert caught.value.kind == "configuration"
    assert [problem.pointer for problem in caught.value.problems] == [
        "REGISTRY_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ACCESS_KEY_ID",
    ]
    assert "'http://models'" in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "models", "s3://", "s3://M", "s3://a", "s3:///x", "s3://models//x", "s3://models\n", "s3://-models"]
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(InvalidInput, match="expected s3://bucket"):
        RegistrySettings.from_environ({"REGISTRY_URL": url})


@pytest.mark.parametrize(
    "endpoint",
    ["http://", "https:///models", "ftp://host", "http://host:x", "http://host:70000", "http://[::1", "host"],
)
def test_endpoints_that_are_none(endpoint: str) -> None:
    with pytest.raises(InvalidInput, match="expected http://"):
        RegistrySettings.from_environ({"REGISTRY_URL": "s3://models", "AWS_ENDPOINT_URL_S3": endpoint})


@pytest.mark.parametrize("held", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_a_pair_of_credentials(held: str) -> None:
    with pytest.raises(InvalidInput, match="must be set together"):
        RegistrySettings.from_environ({"REGISTRY_URL": "s3://models", held: "x"})


def test_a_missing_env_file_adds_nothing(tmp_path: Path) -> None:
    assert with_env_file({"A": "1"}, tmp_path / ".env") == {"A": "1"}


def test_the_process_environment_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("REGISTRY_URL='s3://file'\nAWS_REGION='file'\n")

    merged = with_env_file({"REGISTRY_URL": "s3://process"}, tmp_path / ".env")

    assert merged == {"REGISTRY_URL": "s3://process", "AWS_REGION": "file"}


def test_relative_paths_are_meant_from_the_files_own_folder(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "EDUSTREAM_TRUST_FILE='trust.json'\nEDUSTREAM_SIGNING_KEY_FILE='/elsewhere/key.pem'\nOTHER_FILE='x'\n"
    )

    merged = with_env_file({}, tmp_path / ".env")

    assert merged["EDUSTREAM_TRUST_FILE"] == str(tmp_path / "trust.json")
    assert merged["EDUSTREAM_SIGNING_KEY_FILE"] == "/elsewhere/key.pem"
    assert merged["OTHER_FILE"] == "x"


def test_several_signing_keys_are_separated_as_paths_are(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        f"REGISTRY_URL='s3://models'\nEDUSTREAM_SIGNING_KEY_FILE='one.pem{os.pathsep}/elsewhere/two.pem'\n"
        "EDUSTREAM_TRUST_FILE='odd:name.json'\n"
    )

    settings = RegistrySettings.from_environ(with_env_file({}, tmp_path / ".env"))

    assert settings.signing_key_files == (tmp_path / "one.pem", Path("/elsewhere/two.pem"))
    assert settings.trust_file == tmp_path / "odd:name.json"
