"""The policies that init writes and that an administrator may render: their form, and what stores enforce of them."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from cfnlint.api import lint
from cfnlint.config import ManualArgs
from conftest import settings_in
from moto import mock_aws
from typer.testing import CliRunner

from edustream_contracts.errors import InvalidInput
from edustream_registry import local_server, policies
from edustream_registry.cli import app
from edustream_registry.layout import entry_key, file_key, head_key, manifest_key, notice_key, tombstone_key
from edustream_registry.local_server import Engine, running_server
from edustream_registry.policies import render
from edustream_registry.provisioning import Folders, Provisioner
from edustream_registry.s3_client import make_client
from edustream_registry.settings import RegistrySettings
from edustream_registry.store_doctor import StoreDoctor
from edustream_registry.store_probe import Reply, StoreProbe

PREFIXES = ["", "team/a"]
ACCOUNT = "123456789012"
IDENTITIES = {
    f"{role}_{what}_key": f"{role}{what}key"
    for role in ("admin", "producer", "consumer")
    for what in ("access", "secret")
}
BUCKET_POLICIES = ["bucket-policy", "aws-create-only"]
USER_POLICIES = ["administrator", "producer", "consumer"]


def registry(prefix: str = "", bucket: str = "models") -> RegistrySettings:
    return RegistrySettings(bucket, prefix)


def template_of(name: str, prefix: str) -> dict[str, Any]:
    """A CloudFormation template that holds the policy, for the checker."""
    document = render(name, registry(prefix), ACCOUNT)
    if name in BUCKET_POLICIES:
        properties: dict[str, Any] = {"Bucket": "models", "PolicyDocument": document}
        kind = "AWS::S3::BucketPolicy"
    else:
        properties = {"PolicyName": "edustream-registry", "UserName": "somebody", "PolicyDocument": document}
        kind = "AWS::IAM::UserPolicy"
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Policy": {"Type": kind, "Properties": properties}}}


def problems_of(template: dict[str, Any]) -> list[str]:
    return [str(match) for match in lint(json.dumps(template), config=ManualArgs(regions=["us-east-1"]))]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("name", [*BUCKET_POLICIES, *USER_POLICIES])
def test_the_grammar_is_that_of_aws(name: str, prefix: str) -> None:
    assert problems_of(template_of(name, prefix)) == []


def test_the_checker_of_the_grammar_finds_mistakes() -> None:
    template = template_of("producer", "")
    template["Resources"]["Policy"]["Properties"]["PolicyDocument"]["Statement"][0]["Effekt"] = "Allow"

    assert problems_of(template)


def demanded(prefix: str) -> list[str]:
    """The patterns of the keys that may be created only."""
    (statement,) = render("aws-create-only", registry(prefix))["Statement"]
    assert statement["Condition"] == {
        "Null": {"s3:if-none-match": "true"},
        "Bool": {"s3:ObjectCreationOperation": "true"},
    }
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:PutObject")
    return [row.removeprefix("arn:aws:s3:::models/") for row in statement["Resource"]]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    ("key", "once"),
    [
        ("registry.json", True),
        (manifest_key("churn", "1.0.0"), True),
        (entry_key("churn", "production", 1), True),
        (entry_key("churn", "files", 1), True),
        (tombstone_key("churn", "1.0.0"), True),
        (notice_key("churn", "a" * 32), True),
        (f"consumers/api/{'a' * 32}.json", True),
        (head_key("churn", "production"), False),
        (file_key("churn", "a" * 64, "model.onnx"), False),
        (file_key("releases", "a" * 64, "releases"), False),
    ],
)
def test_every_key_but_head_and_files_is_created_once(prefix: str, key: str, once: bool) -> None:
    full = f"{prefix}/{key}" if prefix else key

    assert any(fnmatchcase(full, pattern) for pattern in demanded(prefix)) is once


def test_values_are_written_as_json_writes_them() -> None:
    document = render("seaweedfs-identities", registry(), **IDENTITIES | {"admin_secret_key": 'a"b\\c'})

    assert document["identities"][0]["credentials"][0]["secretKey"] == 'a"b\\c'


def test_what_is_missing_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"no policy 'root'.*\nNext: choose one of administrator, aws-create-only"):
        render("root", registry())
    with pytest.raises(InvalidInput, match="needs a value for 'admin_access_key'"):
        render("seaweedfs-identities", registry())


def test_the_policies_of_minio_are_these() -> None:
    folder = Path(policies.CHECKOUT).parent / "minio"
    for role in ("producer", "consumer"):
        assert json.loads((folder / f"{role}-policy.json").read_bytes()) == render(role, registry())


def test_the_command_prints_a_policy() -> None:
    words = ["policy", "bucket-policy", "--url", "s3://models/team", "--account", ACCOUNT]
    printed = CliRunner().invoke(app, words, catch_exceptions=False)

    assert json.loads(printed.stdout) == render("bucket-policy", registry("team"), ACCOUNT)
    given = CliRunner().invoke(
        app, ["policy", "seaweedfs-identities", *(f"--set={name}={value}" for name, value in IDENTITIES.items())]
    )
    assert json.loads(given.stdout) == render("seaweedfs-identities", registry(), **IDENTITIES)
    with pytest.raises(InvalidInput, match="--set x has no value"):
        CliRunner().invoke(app, ["policy", "producer", "--set", "x"], catch_exceptions=False)


@pytest.fixture
def enforcing_moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """moto that asks IAM about every request of the two users; clients by role."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "root")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "root")
    with mock_aws():
        root = boto3.client("s3", region_name="us-east-1")
        iam = boto3.client("iam", region_name="us-east-1")
        root.create_bucket(Bucket="models")
        root.put_object(Bucket="models", Key="models/churn/files/held", Body=b"held")
        clients = {"root": root}
        for role in ("producer", "consumer"):
            name = policies.user_name(registry(), role)
            iam.create_user(UserName=name)
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(render(role, registry())))
            key = iam.create_access_key(UserName=name)["AccessKey"]
            clients[role] = boto3.client(
                "s3",
                region_name="us-east-1",
                aws_access_key_id=key["AccessKeyId"],
                aws_secret_access_key=key["SecretAccessKey"],
            )
        monkeypatch.setattr("moto.core.responses.ActionAuthenticatorMixin.request_count", 0)
        monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0)
        yield clients


def allowed(call: Any, **arguments: Any) -> bool:
    try:
        call(Bucket="models", **arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] == "AccessDenied":
            return False
        raise
    return True


def test_moto_enforces_what_each_user_may(enforcing_moto: dict[str, Any]) -> None:
    writes = {"producer": "models/churn/releases/1.0.0.json", "consumer": "consumers/api/1.json"}
    for role, other in (("producer", "consumer"), ("consumer", "producer")):
        client = enforcing_moto[role]
        assert allowed(client.get_object, Key="models/churn/files/held")
        assert allowed(client.list_objects_v2, Prefix="models/")
        assert allowed(client.put_object, Key=writes[role], Body=b"x")
        for key in (writes[other], "registry.json"):
            assert not allowed(client.put_object, Key=key, Body=b"x")
        assert not allowed(client.delete_object, Key=writes[role])
        assert not allowed(client.put_bucket_policy, Policy="{}")


def test_the_lifecycle_rule_for_unfinished_uploads_is_one(
    enforcing_moto: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", float("inf"))
    (shown,) = re.findall(r"```json\n(.*?)```", (Path(policies.CHECKOUT) / "README.md").read_text(), re.DOTALL)
    root = enforcing_moto["root"]

    root.put_bucket_lifecycle_configuration(Bucket="models", LifecycleConfiguration=json.loads(shown))

    (rule,) = root.get_bucket_lifecycle_configuration(Bucket="models")["Rules"]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}


def test_init_on_aws_lets_the_store_demand_the_condition(
    enforcing_moto: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an endpoint of one's own the store is AWS, for which moto stands in; it evaluates no conditions."""
    monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", float("inf"))
    admin = RegistrySettings.from_environ(
        {"REGISTRY_URL": "s3://on-aws", "AWS_ACCESS_KEY_ID": "root", "AWS_SECRET_ACCESS_KEY": "root"}
    )
    provisioner = Provisioner(admin)
    producer, _ = provisioner._user("producer", tmp_path)
    consumer, _ = provisioner._user("consumer", tmp_path)
    provisioner._create_bucket()

    provisioner._write_bucket_policy(producer, consumer)

    held = json.loads(make_client("s3", admin).get_bucket_policy(Bucket="on-aws")["Policy"])["Statement"]
    arns = {"producer_arn": producer.arn, "consumer_arn": consumer.arn}
    assert held == [row for name in BUCKET_POLICIES for row in render(name, admin, **arns)["Statement"]]


def test_seaweedfs_takes_its_users_from_the_identities_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def identities(admin: RegistrySettings) -> bytes:
        keys = IDENTITIES | {
            "admin_access_key": str(admin.access_key_id),
            "admin_secret_key": str(admin.secret_access_key),
        }
        return json.dumps(render("seaweedfs-identities", admin, **keys)).encode()

    monkeypatch.setattr(local_server, "_identities", identities)
    with running_server(Engine.SEAWEEDFS, tmp_path, 0) as server:
        admin = settings_in(server.admin_env)
        client = make_client("s3", admin)
        client.create_bucket(Bucket=admin.bucket)
        users = {
            role: dataclasses.replace(
                admin,
                access_key_id=IDENTITIES[f"{role}_access_key"],
                secret_access_key=IDENTITIES[f"{role}_secret_key"],
            )
            for role in ("producer", "consumer")
        }
        assert "it may delete" in rights(admin, users)["producer"]
        client.put_bucket_policy(Bucket=admin.bucket, Policy=json.dumps(render("bucket-policy", admin)))

        assert set(rights(admin, users).values()) == {
            "reads and lists everything, writes its own folder alone, deletes nothing"
        }


def test_seaweedfs_does_not_evaluate_the_condition(folders: Folders) -> None:
    """If this fails, SeaweedFS has learnt it, and init may write the policy there too."""
    admin = dataclasses.replace(settings_in(folders.admin / ".env"), bucket="conditions")
    client = make_client("s3", admin)
    client.create_bucket(Bucket=admin.bucket)
    client.put_bucket_policy(Bucket=admin.bucket, Policy=json.dumps(render("aws-create-only", admin)))

    client.put_object(Bucket=admin.bucket, Key="models/churn/releases/1.0.0.json", Body=b"unconditional")


def test_on_seaweedfs_nobody_but_the_administrator_announces_a_collection(folders: Folders) -> None:
    """A notice keeps publishers waiting, so it is the administrator's to write, and to take back."""
    admin, producer, consumer = (StoreProbe(settings_in(folder / ".env")) for folder in folders.all)
    notice = notice_key("churn", "a" * 32)

    for user in (producer, consumer):
        assert user.put(notice, b"{}") is Reply.DENIED
    assert admin.put(notice, b"{}") is Reply.DONE
    for user in (producer, consumer):
        assert user.read(notice) == b"{}"
        assert user.delete(notice) is Reply.DENIED
    assert admin.delete(notice) is Reply.DONE
    assert admin.read(notice) is None


def rights(admin: RegistrySettings, users: dict[str, RegistrySettings]) -> dict[str, str]:
    """What the doctor finds of each user's rights."""
    found = {one.check: one for one in StoreDoctor(admin, users)._rights(StoreProbe(admin))}
    return {role: found[f"rights of the {role}"].detail for role in users}
