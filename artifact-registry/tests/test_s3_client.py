"""What a person reads when the store cannot be used: the fact, the address, the next step."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError
from conftest import settings_in

from edustream_contracts.errors import EduStreamError, InvalidInput, OutcomeUnknown, Unreachable
from edustream_registry.local_server import RunningServer, free_ports
from edustream_registry.provisioning import Folders
from edustream_registry.s3_client import READING, ConcurrentWrite, make_client, make_session, translated
from edustream_registry.s3_store import S3Store
from edustream_registry.settings import RegistrySettings
from edustream_registry.store import ObjectExists, ObjectMissing, WriteCondition

SETTINGS = RegistrySettings.from_environ(
    {
        "REGISTRY_URL": "s3://models",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "mykey",
        "AWS_SECRET_ACCESS_KEY": "mysecret",
    }
)


def answer(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")


def raised(error: Exception, *, writes: bool, conditional: bool = False) -> BaseException:
    with (
        pytest.raises((EduStreamError, LookupError, RuntimeError)) as caught,
        translated(SETTINGS, "write x", writes=writes, conditional=conditional),
    ):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("error", "kind", "step"),
    [
        (NoCredentialsError(), "credentials_missing", "AWS_ACCESS_KEY_ID"),
        (ConnectTimeoutError(endpoint_url="x"), "connection", "make registry"),
        (BotoCoreError(), "connection", "make registry"),
        (answer("NoSuchBucket", 404), "bucket_missing", "edustream-registry init"),
        (answer("InvalidAccessKeyId", 403), "credentials_refused", ".env"),
        (answer("SignatureDoesNotMatch", 403), "credentials_refused", ".env"),
        (answer("ExpiredToken", 400), "credentials_refused", ".env"),
        (answer("RequestTimeTooSkewed", 403), "server_error", "clock"),
        (answer("AccessDenied", 403), "access_denied", "the key of the right user"),
        (answer("InvalidRequest", 400), "server_error", "server's log"),
        (answer("NotImplemented", 501), "server_error", "server's log"),
    ],
    ids=str,
)
@pytest.mark.parametrize("writes", [True, False], ids=["writing", "reading"])
def test_what_did_not_land_is_said_not_to_have_landed(error: Exception, kind: str, step: str, writes: bool) -> None:
    translated_error = raised(error, writes=writes)

    assert isinstance(translated_error, Unreachable)
    assert translated_error.kind == kind
    assert step in translated_error.remedy
    assert "models" in translated_error.fact
    assert "mysecret" not in str(translated_error)


@pytest.mark.parametrize(
    "error", [ReadTimeoutError(endpoint_url="x"), ResponseParserError("x"), answer("InternalError", 500)], ids=str
)
def test_without_a_usable_reply_a_write_is_unknown_and_a_read_failed(error: Exception) -> None:
    assert isinstance(raised(error, writes=True), OutcomeUnknown)
    assert isinstance(raised(error, writes=False), Unreachable)


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (answer("NoSuchKey", 404), ObjectMissing),
        (answer("404", 404), ObjectMissing),
        (answer("PreconditionFailed", 412), ObjectExists),
        (answer("ConditionalRequestConflict", 409), ConcurrentWrite),
    ],
    ids=str,
)
def test_answers_of_the_protocol(error: ClientError, category: type[Exception]) -> None:
    assert isinstance(raised(error, writes=True, conditional=True), category)


def test_a_conflict_that_is_not_about_a_conditional_write_is_a_refusal() -> None:
    refused = raised(answer("LimitExceeded", 409), writes=True)

    assert isinstance(refused, Unreachable)
    assert refused.kind == "server_error"


def test_an_upload_that_somebody_aborted_did_not_land(tmp_path: Path) -> None:
    class Client:
        def upload_fileobj(self, *_: Any, **__: Any) -> None:
            raise answer("NoSuchUpload", 404)

    (tmp_path / "x").write_bytes(b"x")

    with pytest.raises(Unreachable, match=r"The upload of models/x to s3://models .* was aborted while it"):
        S3Store(SETTINGS, Client()).upload("models/x", tmp_path / "x")


def test_a_store_that_ignores_ranges_is_told_so() -> None:
    class Client:
        def get_object(self, **arguments: Any) -> dict[str, Any]:
            return {"Body": io.BytesIO(b"the whole object")}

    with pytest.raises(Unreachable, match="does not serve parts of objects") as caught:
        S3Store(SETTINGS, Client()).read_range("x", 4, 5)

    assert caught.value.kind == "server_error"


# --- on a real server ---


@pytest.fixture
def consumer(folders: Folders) -> RegistrySettings:
    return settings_in(folders.consumer / ".env")


def refusal(settings: RegistrySettings) -> EduStreamError:
    with pytest.raises(EduStreamError) as caught:
        S3Store(settings).get("registry.json", 1000)
    return caught.value


def test_a_consumer_reads(consumer: RegistrySettings) -> None:
    assert b"protocol" in S3Store(consumer).get("registry.json", 1000)


def test_a_key_that_nobody_knows(consumer: RegistrySettings) -> None:
    error = refusal(dataclasses.replace(consumer, access_key_id="AKIASTRANGER"))

    assert error.kind == "credentials_refused"
    assert "AKIASTRANGER" in error.fact


def test_a_wrong_secret(consumer: RegistrySettings) -> None:
    error = refusal(dataclasses.replace(consumer, secret_access_key="wrong"))

    assert error.kind == "credentials_refused"
    assert "wrong" not in str(error)


def test_no_credentials(consumer: RegistrySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    error = refusal(dataclasses.replace(consumer, access_key_id=None, secret_access_key=None))

    assert error.kind == "credentials_missing"
    assert "AWS_ACCESS_KEY_ID" in error.remedy


def test_a_missing_bucket(seaweedfs_server: RunningServer) -> None:
    error = refusal(dataclasses.replace(settings_in(seaweedfs_server.admin_env), bucket="nowhere"))

    assert error.kind == "bucket_missing"
    assert "'nowhere' does not exist" in error.fact


def test_nobody_answers(consumer: RegistrySettings) -> None:
    error = refusal(dataclasses.replace(consumer, endpoint_url=f"http://127.0.0.1:{free_ports(1)[0]}"))

    assert error.kind == "connection"
    assert "Nothing answers at s3://models at http://127.0.0.1:" in error.fact
    assert "make registry" in error.remedy


def test_a_refused_write_and_a_refused_upload(consumer: RegistrySettings, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    store = S3Store(consumer)

    with pytest.raises(Unreachable, match="may not write models/x in s3://models") as put:
        store.put("models/x", b"x", WriteCondition.CREATE)
    with pytest.raises(Unreachable, match="may not write models/x in s3://models") as upload:
        store.upload("models/x", tmp_path / "x")

    assert put.value.kind == upload.value.kind == "access_denied"


def test_lists_fail_in_our_words(consumer: RegistrySettings) -> None:
    stranger = S3Store(dataclasses.replace(consumer, access_key_id="AKIASTRANGER"))

    with pytest.raises(Unreachable, match="AKIASTRANGER"):
        list(stranger.list(""))
    with pytest.raises(Unreachable, match="AKIASTRANGER"):
        list(stranger.folders(""))


def test_clients_have_bounded_timeouts_and_leave_repetition_to_us() -> None:
    config = make_client("s3", SETTINGS, READING).meta.config

    assert (config.connect_timeout, config.read_timeout) == (2, 3)
    assert config.retries["total_max_attempts"] == 1


CREDENTIALS = {"AWS_ACCESS_KEY_ID": "mykey", "AWS_SECRET_ACCESS_KEY": "mysecret"}


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("AWS_REGION", "a b", "region_name 'a b' doesn't match a supported format."),
        ("AWS_ENDPOINT_URL_S3", "http://no host", "Invalid endpoint: http://no host."),
        ("AWS_PROFILE", "nosuch", "The config profile (nosuch) could not be found."),
        ("AWS_DEFAULTS_MODE", "x", "invalid defaults mode: x"),
        ("AWS_CONFIG_FILE", b"\xff\x00 no config", "Unable to parse config file: {file}."),
        ("AWS_CONFIG_FILE", b"[default]\ncredential_process=/no/program\n", "'/no/program'"),
        ("AWS_CONFIG_FILE", b"[default]\ns3=foo\n", "'str' object has no attribute 'get'"),
        ("AWS_SHARED_CREDENTIALS_FILE", b"[default]\naws_access_key_id=x\n", "missing: aws_secret_access_key."),
    ],
)
def test_settings_that_only_boto3_judges_are_told_as_wrong_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, value: str | bytes, words: str
) -> None:
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "aws"
    if isinstance(value, bytes):
        file.write_bytes(value)
        value = str(file)
    monkeypatch.setenv(variable, value)
    environ = {"REGISTRY_URL": "s3://models", variable: value}
    # boto3 looks into its files for credentials where none are set.
    settings = RegistrySettings.from_environ(environ if file.exists() else {**environ, **CREDENTIALS})

    with pytest.raises(InvalidInput) as caught:
        S3Store(settings)

    assert caught.value.kind == "configuration"
    assert words.format(file=file) in caught.value.fact
    assert "AWS_" in caught.value.remedy


def test_a_web_server_that_is_no_s3_store_is_named_as_such() -> None:
    class Paginator:
        def paginate(self, **arguments: object) -> None:
            raise answer("404", 404)

    class Client:
        def get_paginator(self, name: str) -> Paginator:
            return Paginator()

    with pytest.raises(Unreachable, match="is no S3 store") as caught:
        list(S3Store(SETTINGS, Client()).list("models/"))
    assert caught.value.kind == "not_a_registry"


def test_sessions_share_what_describes_the_services() -> None:
    one, other = (make_session(SETTINGS) for _ in range(2))
    loaders = [session._session.get_component("data_loader") for session in (one, other)]
    assert loaders[0] is loaders[1]


@pytest.mark.parametrize("service", ["s3", "iam", "sts"])
@pytest.mark.parametrize("region", ["us-east-1", "eu-south-2", "cn-north-1", "us-gov-west-1"])
def test_addresses_are_those_of_boto3_though_only_those_of_our_services_are_kept(service: str, region: str) -> None:
    settings = dataclasses.replace(SETTINGS, endpoint_url=None, region=region)
    session = make_session(settings)
    ours = session.client(service)
    stock = boto3.session.Session("mykey", "mysecret", region_name=region).client(service)
    assert ours.meta.endpoint_url == stock.meta.endpoint_url
    addresses = session._session.get_component("data_loader").load_data("endpoints")
    assert {name for partition in addresses["partitions"] for name in partition["services"]} == {"s3", "iam", "sts"}
