"""The store itself keeps the third wall: what each key may do on SeaweedFS, tried with that key."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from conftest import settings_in

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import InvalidInput, Rejected, Unreachable
from edustream_registry import key_rotation
from edustream_registry.authorship import open_author
from edustream_registry.connection import open_reader
from edustream_registry.env_file import read_env_file, write_env_file
from edustream_registry.local_server import RunningServer
from edustream_registry.names import Reference
from edustream_registry.needs import Needs, read_living
from edustream_registry.promotion import Promoter
from edustream_registry.provisioning import Folders, Provisioner
from edustream_registry.publishing import Publisher
from edustream_registry.reading import ReleaseReader
from edustream_registry.s3_client import ConcurrentWrite, make_client
from edustream_registry.s3_store import S3Store
from edustream_registry.settings import RegistrySettings
from edustream_registry.stating import open_consumer_author
from edustream_registry.store_probe import StoreProbe
from edustream_registry.testing.simulator import write_release
from edustream_registry.trust import read_trust

BUCKET = "models"


def client_of(folder: Path) -> Any:
    return make_client("s3", settings_in(folder / ".env"))


def code(call: Any, **arguments: Any) -> str:
    """The error code that the store answers with; empty when it obeys."""
    try:
        call(Bucket=BUCKET, **arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def refused(call: Any, **arguments: Any) -> bool:
    return code(call, **arguments) == "AccessDenied"


@pytest.fixture
def admin_client(folders: Folders) -> Any:
    return client_of(folders.admin)


@pytest.fixture
def held(admin_client: Any) -> str:
    """The key of an object that exists."""
    admin_client.put_object(Bucket=BUCKET, Key="models/churn/files/held", Body=b"held")
    return "models/churn/files/held"


def test_a_release_travels_from_producer_to_consumer(folders: Folders, contract: ModelContract, tmp_path: Path) -> None:
    author = open_author(settings_in(folders.producer / ".env"), "the producer")
    published = Publisher(author).publish(write_release(tmp_path / "release", contract), tmp_path / "release")
    Promoter(author).promote("churn", "production", published.manifest.version, "a test")

    reader = open_reader(settings_in(folders.consumer / ".env"))
    found = reader.resolve(Reference.parse("churn@production"))

    assert found.manifest_digest == published.release.digest
    assert reader.read_file("churn", found.manifest.content.file("model.onnx")) == b"model"


@pytest.mark.parametrize(
    "key", ["models/churn/releases/9.9.9.json", "models/x", "registry.json", "x", "consumersx", "consumer/x"]
)
def test_the_consumer_writes_nothing_outside_its_folder(folders: Folders, key: str) -> None:
    assert refused(client_of(folders.consumer).put_object, Key=key, Body=b"x")


def test_the_consumer_states_its_needs_and_the_others_read_them(folders: Folders) -> None:
    author = open_consumer_author(settings_in(folders.consumer / ".env"), "api")
    needs = Needs("fraud", ("amount",), ("score",), 1, "1.0.0", "production")

    signed = author.state(needs, author.clock() + timedelta(hours=1))

    for folder in folders.all:
        reader = open_reader(settings_in(folder / ".env"))
        living = read_living(reader.store, reader.trust, author.clock())
        assert [one.statement.needs for one in living.stated if one.digest == signed.digest] == [needs]
    assert refused(client_of(folders.producer).put_object, Key=signed.statement.key, Body=b"x")
    assert author.end("fraud") == (signed.statement.write_id,)


def test_the_producer_writes_releases_and_nothing_else(folders: Folders) -> None:
    producer = client_of(folders.producer)

    assert not refused(producer.put_object, Key="models/churn/files/x", Body=b"x")
    for key in ("registry.json", "consumers/api/2.json", "x"):
        assert refused(producer.put_object, Key=key, Body=b"x")


@pytest.mark.parametrize("who", ["producer", "consumer"])
def test_neither_deletes_anything(folders: Folders, who: str, held: str, admin_client: Any) -> None:
    client = client_of(getattr(folders, who))

    assert refused(client.delete_object, Key=held)
    assert refused(client.delete_object, Key="consumers/api/1.json")
    # Deleting many at once is answered for each one, or refused as a whole.
    assert code(client.delete_objects, Delete={"Objects": [{"Key": held}]}) in {"", "AccessDenied"}
    assert admin_client.get_object(Bucket=BUCKET, Key=held)["Body"].read() == b"held"


@pytest.mark.parametrize("who", ["producer", "consumer"])
def test_neither_changes_the_rights(folders: Folders, who: str) -> None:
    client = client_of(getattr(folders, who))

    assert refused(client.put_bucket_policy, Policy=json.dumps({"Version": "2012-10-17", "Statement": []}))
    assert refused(client.delete_bucket_policy)
    assert refused(client.delete_bucket)


def test_the_administrator_deletes(held: str, admin_client: Any) -> None:
    admin_client.delete_object(Bucket=BUCKET, Key=held)

    with pytest.raises(ClientError, match=r"404|NoSuchKey|Not Found"):
        admin_client.head_object(Bucket=BUCKET, Key=held)


def test_secrets_are_for_their_owner_alone(folders: Folders) -> None:
    keys = [folder / "signing-key.pem" for folder in (folders.producer, folders.consumer)]
    for path in (*(folder / ".env" for folder in folders.all), *keys):
        assert path.stat().st_mode & 0o777 == 0o600
    assert keys[0].read_bytes() != keys[1].read_bytes()
    assert not (folders.admin / "signing-key.pem").exists()


def test_the_consumer_has_a_key_that_speaks_for_its_needs_alone(folders: Folders) -> None:
    author = open_consumer_author(settings_in(folders.consumer / ".env"), "api")

    assert read_env_file(folders.consumer / ".env")["EDUSTREAM_CONSUMER"] == "api"
    for folder in folders.all:
        trust = read_trust(folder / "trust.json")
        assert [key.key_id for key in trust.consumers["api"]] == [author.signer.public.key_id]
        assert author.signer.public not in trust.keys
    with pytest.raises(InvalidInput, match="is not in the trust file"):
        open_author(settings_in(folders.consumer / ".env"), "the consumer")


def test_an_older_deployment_gets_the_consumers_key(seaweedfs_server: RunningServer, tmp_path: Path) -> None:
    """As init left it before consumers had keys: what is there stays, and goes on working."""
    admin = dataclasses.replace(settings_in(seaweedfs_server.admin_env), bucket="older")
    folders = Folders.below(tmp_path)
    first = Provisioner(admin).init(folders)
    (folders.consumer / "signing-key.pem").unlink()
    env_file = folders.consumer / ".env"
    old = {"EDUSTREAM_SIGNING_KEY_FILE", "EDUSTREAM_CONSUMER"}
    write_env_file(env_file, {name: value for name, value in read_env_file(env_file).items() if name not in old})
    for folder in folders.all:
        trust = dataclasses.replace(read_trust(folder / "trust.json"), consumers={}, max_entry_age_s=77.0)
        (folder / "trust.json").write_bytes(trust.to_json())

    done = Provisioner(admin).init(folders)

    assert (done.users_created, done.key_id, done.consumer_key_created) == ((), first.key_id, True)
    author = open_consumer_author(settings_in(env_file), read_env_file(env_file)["EDUSTREAM_CONSUMER"])
    assert author.signer.public.key_id == done.consumer_key_id != first.consumer_key_id
    for folder in folders.all:
        trust = read_trust(folder / "trust.json")
        assert trust.max_entry_age_s == 77.0
        assert trust.consumers == {"api": (author.signer.public,)}

    # A key that was distrusted since is not trusted anew.
    key_rotation.distrust_key(folders.producer / "trust.json", done.consumer_key_id)
    Provisioner(admin).init(folders)
    assert read_trust(folders.producer / "trust.json").consumers == {"api": ()}


def test_everybody_trusts_the_producers_key(folders: Folders) -> None:
    author = open_author(settings_in(folders.producer / ".env"), "the producer")

    for folder in folders.all:
        assert [key.key_id for key in read_trust(folder / "trust.json").keys] == [author.signer.public.key_id]


def test_running_again_changes_nothing_that_works(folders: Folders, seaweedfs_server: RunningServer) -> None:
    paths = [path for folder in folders.all for path in folder.iterdir()]
    before = {path: path.read_bytes() for path in paths}

    done = Provisioner(settings_in(seaweedfs_server.admin_env)).init(folders)

    assert (done.bucket_created, done.users_created, done.key_created, done.rights_enforced) == (False, (), False, True)
    assert {path: path.read_bytes() for path in paths} == before


def test_lost_env_files_are_made_again(seaweedfs_server: RunningServer, tmp_path: Path) -> None:
    admin = dataclasses.replace(settings_in(seaweedfs_server.admin_env), bucket="second", prefix="a/prefix")
    folders = Folders.below(tmp_path)
    first = Provisioner(admin).init(folders)
    (folders.consumer / ".env").unlink()

    again = Provisioner(admin).init(folders)

    assert first.users_created == ("second-a-prefix-producer", "second-a-prefix-consumer")
    assert again.users_created == ("second-a-prefix-consumer",)
    assert again.key_id == first.key_id
    assert open_reader(settings_in(folders.consumer / ".env")).models() == []


def test_a_consumers_key_cannot_prepare_a_registry(folders: Folders, tmp_path: Path) -> None:
    with pytest.raises(Unreachable) as caught:
        Provisioner(settings_in(folders.consumer / ".env")).init(Folders.below(tmp_path))

    assert caught.value.kind in {"access_denied", "credentials_refused"}


def test_moto_is_said_not_to_enforce_rights(moto_server: RunningServer, tmp_path: Path) -> None:
    admin = settings_in(moto_server.admin_env)

    done = Provisioner(admin).init(Folders.below(tmp_path))

    assert not done.rights_enforced
    assert "Contents" not in make_client("s3", admin).list_objects_v2(Bucket=admin.bucket, Prefix="models/")


def test_somebody_else_may_create_the_bucket_first(moto_server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    provisioner = Provisioner(dataclasses.replace(settings_in(moto_server.admin_env), bucket="raced"))

    def taken(**_: Any) -> None:
        raise ConcurrentWrite("create the bucket")

    monkeypatch.setattr(provisioner._s3, "create_bucket", taken)

    assert provisioner._create_bucket() is False


def test_a_key_that_is_not_known_yet_is_tried_again(
    folders: Folders, seaweedfs_server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edustream_registry.provisioning.MAX_WAIT_S", 0.0)
    provisioner = Provisioner(settings_in(seaweedfs_server.admin_env))
    stranger = dataclasses.replace(provisioner._user("consumer", folders.consumer)[0], access_key_id="AKIANEW")

    with pytest.raises(Unreachable) as caught:
        provisioner._refuses(stranger)

    assert caught.value.kind == "credentials_refused"


def test_another_region_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = RegistrySettings.from_environ(
        {
            "REGISTRY_URL": "s3://elsewhere",
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "y",
        }
    )
    provisioner = Provisioner(settings)
    asked: list[dict[str, Any]] = []

    def missing(_: StoreProbe) -> None:
        raise Unreachable("bucket_missing", "There is none.", remedy="create it.")

    monkeypatch.setattr(StoreProbe, "server_time", missing)
    monkeypatch.setattr(provisioner._s3, "create_bucket", lambda **arguments: asked.append(arguments))

    assert provisioner._create_bucket() is True
    assert asked == [{"Bucket": "elsewhere", "CreateBucketConfiguration": {"LocationConstraint": "eu-central-1"}}]


def test_users_made_elsewhere_keep_their_keys(
    folders: Folders, seaweedfs_server: RunningServer, tmp_path: Path
) -> None:
    held = {role: settings_in(getattr(folders, role) / ".env") for role in ("producer", "consumer")}
    keys = {
        f"{role.upper()}_{name.upper()}": str(getattr(settings, name))
        for role, settings in held.items()
        for name in ("access_key_id", "secret_access_key")
    }

    done = Provisioner(settings_in(seaweedfs_server.admin_env), keys=keys).init(Folders.below(tmp_path))

    assert (done.users_created, done.rights_enforced) == ((), True)
    assert settings_in(tmp_path / "repo-api" / ".env").access_key_id == held["consumer"].access_key_id


def test_a_keys_file_that_lacks_a_key(seaweedfs_server: RunningServer, tmp_path: Path) -> None:
    keys = {"PRODUCER_ACCESS_KEY_ID": "x", "PRODUCER_SECRET_ACCESS_KEY": "y", "CONSUMER_ACCESS_KEY_ID": "z"}

    with pytest.raises(InvalidInput, match="lacks CONSUMER_ACCESS_KEY_ID or CONSUMER_SECRET_ACCESS_KEY"):
        Provisioner(settings_in(seaweedfs_server.admin_env), keys=keys).init(Folders.below(tmp_path))


def test_two_registries_in_one_bucket_both_stay_protected(seaweedfs_server: RunningServer, tmp_path: Path) -> None:
    admin = settings_in(seaweedfs_server.admin_env)
    for prefix in ("one", "two"):
        settings = dataclasses.replace(admin, bucket="shared", prefix=prefix)
        Provisioner(settings).init(Folders.below(tmp_path / prefix))

    policy = json.loads(make_client("s3", admin).get_bucket_policy(Bucket="shared")["Policy"])
    assert {row["Sid"] for row in policy["Statement"]} == {
        f"NobodyButTheAdministrator{what}{prefix}" for what in ("Deletes", "Collects") for prefix in ("one", "two")
    }


def test_lines_of_ones_own_in_an_env_file_survive(folders: Folders, seaweedfs_server: RunningServer) -> None:
    env_file = folders.consumer / ".env"
    env_file.write_text(env_file.read_text() + "EDUSTREAM_PORT='9000'\n")

    Provisioner(settings_in(seaweedfs_server.admin_env)).init(folders)

    assert read_env_file(env_file)["EDUSTREAM_PORT"] == "9000"


def test_a_registry_of_another_protocol_is_left_alone(seaweedfs_server: RunningServer, tmp_path: Path) -> None:
    admin = dataclasses.replace(settings_in(seaweedfs_server.admin_env), bucket="future")
    client = make_client("s3", admin)
    client.create_bucket(Bucket="future")
    document = b'{"created_at":"2030-01-01T00:00:00+00:00","protocol":2}'
    client.put_object(Bucket="future", Key="registry.json", Body=document)

    with pytest.raises(Rejected, match="does not announce version 1"):
        Provisioner(admin).init(Folders.below(tmp_path))
    assert client.get_object(Bucket="future", Key="registry.json")["Body"].read() == document
    assert not (tmp_path / "repo-ml").exists()


def test_a_users_key_names_the_bucket_that_it_does_not_see(folders: Folders) -> None:
    settings = dataclasses.replace(settings_in(folders.consumer / ".env"), bucket="elsewhere")
    reader = ReleaseReader(S3Store(settings), read_trust(folders.consumer / "trust.json"))

    with pytest.raises(Unreachable, match="There is no bucket 'elsewhere'") as caught:
        reader.resolve(Reference.parse("churn@production"))
    assert caught.value.kind == "bucket_missing"


def test_a_key_that_the_store_does_not_know_is_told_as_such(seaweedfs_server: RunningServer, tmp_path: Path) -> None:
    """For any bucket, there or not: a HEAD, whose answer has no body, cannot tell it from a key without rights."""
    admin = settings_in(seaweedfs_server.admin_env)
    wrong = dataclasses.replace(admin, secret_access_key="mistyped")

    for settings in (
        wrong,
        dataclasses.replace(wrong, bucket="nowhere"),
        dataclasses.replace(wrong, access_key_id="x"),
    ):
        with pytest.raises(Unreachable) as caught:
            Provisioner(settings).init(Folders.below(tmp_path))
        assert caught.value.kind == "credentials_refused"
    assert list(tmp_path.iterdir()) == []
