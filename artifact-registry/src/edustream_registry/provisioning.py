"""Prepares a bucket to be a registry: users with the least rights, signing keys, one env file per repo."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from edustream_contracts.canonical import canonical_json
from edustream_contracts.errors import InvalidInput, Unreachable
from edustream_registry import layout
from edustream_registry.announcement import require_registry
from edustream_registry.creation import timestamp
from edustream_registry.env_file import read_env_file, write_env_file, write_private
from edustream_registry.names import model_name
from edustream_registry.policies import ANY_ACCOUNT, render, user_name
from edustream_registry.reading import Clock, utc_now
from edustream_registry.s3_client import ConcurrentWrite, make_client, translated
from edustream_registry.s3_store import S3Store
from edustream_registry.settings import CONSUMER, SIGNING_KEY_FILE, RegistrySettings
from edustream_registry.signing import Signer
from edustream_registry.statement import PROTOCOL
from edustream_registry.store import ObjectExists, ObjectMissing, WriteCondition
from edustream_registry.store_doctor import StoreDoctor
from edustream_registry.store_probe import StoreProbe
from edustream_registry.trust import TrustPolicy, check_apart, read_trust

SIGNING_KEY: Final = "signing-key.pem"
TRUST: Final = "trust.json"
ENV: Final = ".env"
DEFAULT_CONSUMER: Final = "api"
POLICY_NAME: Final = "edustream-registry"
ATTEMPTS: Final = 8
MAX_WAIT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Folders:
    """Where `init` writes: one folder for the administrator, one for the producer, one for the consumer."""

    admin: Path
    producer: Path
    consumer: Path

    @property
    def all(self) -> tuple[Path, ...]:
        """The three folders."""
        return self.admin, self.producer, self.consumer

    @staticmethod
    def below(root: Path) -> Folders:
        """The three repos of a checkout, or folders of the same names anywhere else."""
        return Folders(root / "artifact-registry", root / "repo-ml", root / "repo-api")


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What `init` found and made; `rights_enforced` was tried out, not assumed.

    `key_id` signs releases, `consumer_key_id` the needs of the consumer called `consumer`.
    """

    bucket_created: bool
    users_created: tuple[str, ...]
    key_id: str
    key_created: bool
    consumer: str
    consumer_key_id: str
    consumer_key_created: bool
    rights_enforced: bool
    files: tuple[Path, ...] = field(default=())


class Provisioner:
    """Prepares the registry that the administrator's settings name. Running it again changes nothing that works."""

    def __init__(self, admin: RegistrySettings, clock: Clock = utc_now, keys: Mapping[str, str] | None = None) -> None:
        """Prepare to provision.

        Args:
            admin: the administrator's address and credentials.
            clock: tells when the registry was made.
            keys: users made elsewhere, for a store without AWS's IAM interface: PRODUCER_ACCESS_KEY_ID,
                PRODUCER_SECRET_ACCESS_KEY, CONSUMER_ACCESS_KEY_ID, CONSUMER_SECRET_ACCESS_KEY.
        """
        self._admin = admin
        self._clock = clock
        self._keys = keys
        self._s3: Any = make_client("s3", admin)
        self._iam: Any = make_client("iam", admin)
        self._store = S3Store(admin, self._s3)

    def init(self, folders: Folders) -> Provisioned:
        """Create bucket, registry object, users, rights, signing keys, trust files and env files.

        Raises:
            Unreachable: the server cannot be used, or these are not an administrator's credentials.
            GateRefused: kind `store`, the store failed in races or hides writes, so nothing on it would be safe.
            Rejected: kind `protocol_version`, a registry of another protocol is there.
        """
        bucket_created = self._create_bucket()
        StoreDoctor(self._admin).examine_core().require_safe()
        self._announce()
        producer, producer_is_new = self._user("producer", folders.producer)
        consumer, consumer_is_new = self._user("consumer", folders.consumer)
        rights_enforced = self._refuses(consumer)
        if rights_enforced and self._keys is None:
            self._write_bucket_policy(producer, consumer)
        key_files, key_file = _key_files(folders.producer)
        needs_key_files, needs_key_file = _key_files(folders.consumer)
        consumer_name = model_name(read_env_file(folders.consumer / ENV).get(CONSUMER) or DEFAULT_CONSUMER)
        signer, key_created = _signing_key(key_file)
        needs_signer, needs_key_created = _signing_key(needs_key_file)
        trust_files = [_trust_file(folder / TRUST, signer, consumer_name, needs_signer) for folder in folders.all]
        signs_needs = {SIGNING_KEY_FILE: needs_key_files, CONSUMER: consumer_name}
        environments = {
            folders.admin: (self._admin_environ(), "The administrator of the registry"),
            folders.producer: (self._environ(producer) | {SIGNING_KEY_FILE: key_files}, "The producer"),
            folders.consumer: (self._environ(consumer) | signs_needs, "The consumer"),
        }
        for folder, (variables, whose) in environments.items():
            path, comment = folder / ENV, f"{whose}; written by edustream-registry init. Keep it secret."
            write_env_file(path, read_env_file(path) | variables, comment)
        created = [name for name, new in ((producer.name, producer_is_new), (consumer.name, consumer_is_new)) if new]
        return Provisioned(
            bucket_created=bucket_created,
            users_created=tuple(created),
            key_id=signer.public.key_id,
            key_created=key_created,
            consumer=consumer_name,
            consumer_key_id=needs_signer.public.key_id,
            consumer_key_created=needs_key_created,
            rights_enforced=rights_enforced,
            files=(*(folder / ENV for folder in environments), key_file, needs_key_file, *trust_files),
        )

    def _create_bucket(self) -> bool:
        arguments: dict[str, Any] = {"Bucket": self._admin.bucket}
        if not self._admin.endpoint_url and self._admin.region != "us-east-1":
            arguments["CreateBucketConfiguration"] = {"LocationConstraint": self._admin.region}
        try:
            StoreProbe(self._admin).server_time()
            return False
        except Unreachable as error:
            if error.kind != "bucket_missing":
                raise
        try:
            with translated(self._admin, "create the bucket", writes=True, conditional=True):
                self._s3.create_bucket(**arguments)
        except ConcurrentWrite:
            return False
        return True

    def _announce(self) -> None:
        document = canonical_json({"protocol": PROTOCOL, "created_at": timestamp(self._clock())})
        with suppress(ObjectExists):
            self._store.put(layout.REGISTRY, document, WriteCondition.CREATE)
        require_registry(self._store)

    def _user(self, role: str, folder: Path) -> tuple[User, bool]:
        name = user_name(self._admin, role)
        if self._keys is not None:
            return _made_elsewhere(role, name, self._keys), False
        policy = json.dumps(render(role, self._admin))
        with translated(self._admin, f"create the user {name}", writes=True):
            arn = self._arn(name)
            self._iam.put_user_policy(UserName=name, PolicyName=POLICY_NAME, PolicyDocument=policy)
            rows = self._iam.list_access_keys(UserName=name)["AccessKeyMetadata"]
            held = read_env_file(folder / ENV)
            key_id, secret = held.get("AWS_ACCESS_KEY_ID", ""), held.get("AWS_SECRET_ACCESS_KEY", "")
            known = key_id in {row["AccessKeyId"] for row in rows}
            if not known:
                key = self._iam.create_access_key(UserName=name)["AccessKey"]
                key_id, secret = key["AccessKeyId"], key["SecretAccessKey"]
        return User(name, arn, key_id, secret), not known

    def _arn(self, name: str) -> str:
        try:
            arn = self._iam.create_user(UserName=name)["User"].get("Arn")
        except self._iam.exceptions.EntityAlreadyExistsException:
            arn = self._iam.get_user(UserName=name)["User"].get("Arn")
        return str(arn or f"arn:aws:iam::{ANY_ACCOUNT}:user/{name}")

    def _write_bucket_policy(self, producer: User, consumer: User) -> None:
        """Deny every delete to the two users; on AWS, let the store itself demand `If-None-Match`.

        A server that counts deleting as writing needs to be told the first. A server that knows no users gets no such
        policy, since it would bind the administrator too.
        """
        names = ["bucket-policy"] if self._admin.endpoint_url else ["bucket-policy", "aws-create-only"]
        arns = {"producer_arn": producer.arn, "consumer_arn": consumer.arn}
        ours = [row for name in names for row in render(name, self._admin, **arns)["Statement"]]
        sids = {row["Sid"] for row in ours}
        others = [held for held in self._policy_statements() if held.get("Sid") not in sids]
        policy = json.dumps({"Version": "2012-10-17", "Statement": [*others, *ours]})
        with translated(self._admin, "write the bucket policy", writes=True):
            self._s3.put_bucket_policy(Bucket=self._admin.bucket, Policy=policy)

    def _policy_statements(self) -> list[dict[str, Any]]:
        """What the bucket's policy says already: other registries in the bucket, other people's rules."""
        try:
            with translated(self._admin, "read the bucket policy"):
                held = self._s3.get_bucket_policy(Bucket=self._admin.bucket)["Policy"]
        except ObjectMissing:
            return []
        return list(json.loads(held)["Statement"])

    def _refuses(self, consumer: User) -> bool:
        """Whether the store refuses what a consumer may not do: tried with the consumer's own key."""
        store = S3Store(RegistrySettings.from_environ(self._environ(consumer)))
        probe = f"{layout.MODELS}rights-probe"
        # A key that was made just now may not be known everywhere yet; taking that for a refusal of rights, or for
        # their absence, would leave the users unbound.
        retrying = Retrying(
            retry=retry_if_exception(_is_unknown_key),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.1, max=MAX_WAIT_S),
            reraise=True,
        )
        try:
            retrying(store.put, probe, b"{}", WriteCondition.OVERWRITE)
        except Unreachable as error:
            if error.kind != "access_denied":
                raise
            return True
        with translated(self._admin, f"delete {probe}", writes=True):
            self._s3.delete_object(Bucket=self._admin.bucket, Key=self._key(probe))
        return False

    def _key(self, key: str) -> str:
        return f"{self._admin.prefix}/{key}" if self._admin.prefix else key

    def _environ(self, user: User) -> dict[str, str]:
        return self._address() | {
            "AWS_ACCESS_KEY_ID": user.access_key_id,
            "AWS_SECRET_ACCESS_KEY": user.secret_access_key,
            "EDUSTREAM_TRUST_FILE": TRUST,
        }

    def _admin_environ(self) -> dict[str, str]:
        return self._address() | {
            "AWS_ACCESS_KEY_ID": self._admin.access_key_id or "",
            "AWS_SECRET_ACCESS_KEY": self._admin.secret_access_key or "",
            "EDUSTREAM_TRUST_FILE": TRUST,
        }

    def _address(self) -> dict[str, str]:
        endpoint = {"AWS_ENDPOINT_URL_S3": self._admin.endpoint_url} if self._admin.endpoint_url else {}
        return {"REGISTRY_URL": self._admin.url, **endpoint, "AWS_REGION": self._admin.region}


@dataclass(frozen=True, slots=True)
class User:
    """A user of the store."""

    name: str
    arn: str
    access_key_id: str
    secret_access_key: str = field(repr=False)


def _is_unknown_key(error: BaseException) -> bool:
    return isinstance(error, Unreachable) and error.kind == "credentials_refused"


def _made_elsewhere(role: str, name: str, keys: Mapping[str, str]) -> User:
    key_id, secret = (keys.get(f"{role.upper()}_{what}", "") for what in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    if not (key_id and secret):
        raise InvalidInput(
            "configuration",
            f"The keys file lacks {role.upper()}_ACCESS_KEY_ID or {role.upper()}_SECRET_ACCESS_KEY.",
            remedy="name both for PRODUCER and CONSUMER, or leave the file out to have the users created.",
        )
    return User(name, "", key_id, secret)


def _signing_key(path: Path) -> tuple[Signer, bool]:
    if path.is_file():
        return Signer.from_pem(path.read_bytes()), False
    signer = Signer.generate()
    write_private(path, signer.pem)
    return signer, True


def _key_files(folder: Path) -> tuple[str, Path]:
    """What a folder's env file says of signing keys, and the first of these; keys that were rotated since stay."""
    named = read_env_file(folder / ENV).get(SIGNING_KEY_FILE) or SIGNING_KEY
    return named, folder / named.split(os.pathsep)[0]


def _trust_file(path: Path, signer: Signer, consumer: str, needs_signer: Signer) -> Path:
    """Write a trust file, or let one that is there know whose key speaks for a consumer that it does not name."""
    policy = read_trust(path) if path.is_file() else TrustPolicy((signer.public,))
    if consumer not in policy.consumers:
        policy = dataclasses.replace(policy, consumers={**policy.consumers, consumer: (needs_signer.public,)})
        check_apart(policy, str(path))
        write_private(path, policy.to_json())
    return path
