"""The object store of the protocol on any S3-compatible server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from email.utils import parsedate_to_datetime
from typing import Any, Final

from edustream_contracts.errors import Unreachable
from edustream_registry.memory_store import too_long
from edustream_registry.s3_client import (
    IN_PARTS,
    READING,
    WRITING,
    ConcurrentWrite,
    make_client,
    make_session,
    translated,
)
from edustream_registry.settings import RegistrySettings
from edustream_registry.store import ObjectInfo, ObjectMissing, Source, WriteCondition

CHUNK_BYTES: Final = 1024 * 1024
JSON: Final = "application/json"
# A thousand keys each: a hundred times the releases and promotions that the protocol was measured with.
MAX_PAGES: Final = 1000


class S3Store:
    """One prefix of one bucket, as `edustream_registry.store.Store`."""

    def __init__(self, settings: RegistrySettings, client: Any | None = None) -> None:
        """Prepare to use the store; `client` takes the place of the store's own two, for reading and for writing."""
        self._settings = settings
        self._bucket = settings.bucket
        self._prefix = f"{settings.prefix}/" if settings.prefix else ""
        session = make_session(settings)
        self._client = client or make_client("s3", settings, READING, session)
        self._writer = client or make_client("s3", settings, WRITING, session)

    @property
    def location(self) -> str:
        """The address with its endpoint, for people."""
        return self._settings.location

    @property
    def url(self) -> str:
        """`s3://bucket[/prefix]`."""
        return self._settings.url

    def get(self, key: str, max_bytes: int) -> bytes:
        """The object's bytes; see `Store.get`."""
        with (
            self._reading(f"read {key}"),
            closing(self._client.get_object(**self._object(key))["Body"]) as body,
        ):
            data: bytes = body.read(max_bytes + 1)
            # Only a read that finds nothing more makes boto3 hold what came against the stated length.
            if len(data) <= max_bytes:
                body.read(1)
        if len(data) > max_bytes:
            raise too_long(key, max_bytes)
        return data

    def stream(self, key: str) -> Iterator[bytes]:
        """The object's bytes in chunks of at most 1 MiB; see `Store.stream`."""
        with self._reading(f"read {key}"):
            body = self._client.get_object(**self._object(key))["Body"]
        return self._chunks(key, body)

    def _chunks(self, key: str, body: Any) -> Iterator[bytes]:
        with translated(self._settings, f"read {key}"), closing(body):
            yield from body.iter_chunks(CHUNK_BYTES)

    def read_range(self, key: str, start: int, length: int) -> bytearray:
        """Part of an object; see `Store.read_range`."""
        with self._reading(f"read {key}"):
            answer = self._client.get_object(**self._object(key), Range=f"bytes={start}-{start + length - 1}")
            # One buffer, filled in place: 1 GiB passes here, and every copy of it costs time and memory.
            part, count = bytearray(length), 0
            with closing(answer["Body"]) as body, memoryview(part) as free:
                while taken := body.readinto(free[count:]):
                    count += taken
            del part[count:]
        if not answer.get("ContentRange", "").startswith(f"bytes {start}-"):
            raise Unreachable(
                "server_error",
                f"{self.location} does not serve parts of objects: it ignored the header Range for {key}.",
                remedy="use a store that answers ranged GETs.",
            )
        return part

    def size(self, key: str) -> int:
        """The object's length in bytes; see `Store.size`."""
        with self._reading(f"look at {key}"):
            return int(self._client.head_object(**self._object(key))["ContentLength"])

    def age_s(self, key: str) -> float:
        """Seconds since the object was last written, by the reply's own Date; see `Store.age_s`."""
        with self._reading(f"look at {key}"):
            reply = self._client.head_object(**self._object(key))
        date = reply["ResponseMetadata"]["HTTPHeaders"].get("date", "")
        try:
            age_s = (parsedate_to_datetime(date) - reply["LastModified"]).total_seconds()
        except (TypeError, ValueError) as error:
            raise Unreachable(
                "server_error",
                f"{self.location} states {date!r} as its time, so nobody can tell how old {key} is.",
                remedy="use a store, or a proxy before it, that sends the header Date, as HTTP demands.",
            ) from error
        return max(0.0, float(age_s))

    def put(self, key: str, data: bytes, condition: WriteCondition) -> None:
        """Write a small object; see `Store.put`. A 409 is tried again, a 412 is not."""
        extra = {"IfNoneMatch": "*"} if condition is WriteCondition.CREATE else {}
        self._write(key, lambda: self._writer.put_object(**self._object(key), Body=data, ContentType=JSON, **extra))

    def upload(self, key: str, source: Source) -> None:
        """Write a file of any size, in parts where it is large; see `Store.upload`."""

        def send() -> None:
            with source.open("rb") as file:
                self._writer.upload_fileobj(file, self._bucket, self._prefix + key, Config=IN_PARTS)

        self._write(key, send)

    def _write(self, key: str, send: Callable[[], Any]) -> None:
        try:
            with translated(self._settings, f"write {key}", writes=True, conditional=True):
                send()
        except ConcurrentWrite as error:
            raise Unreachable(
                "server_error",
                f"{self.location} went on answering that another write of {key} was under way.",
                remedy="run the same command again.",
            ) from error
        except ObjectMissing as error:
            raise Unreachable(
                "server_error",
                f"The upload of {key} to {self.location} was aborted while it was under way.",
                remedy="run the same command again; if it goes on, look who aborts uploads, e.g. a lifecycle rule.",
            ) from error

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        """The objects below `prefix` in key order; see `Store.list`."""
        arguments = {"Bucket": self._bucket, "Prefix": self._prefix + prefix}
        if start_after:
            arguments["StartAfter"] = self._prefix + start_after
        for page in self._pages(prefix, arguments):
            for row in page.get("Contents", ()):
                if not row.keys() >= {"Key", "Size", "LastModified"}:
                    raise self._no_listing(prefix, f"a row of it has {', '.join(sorted(row)) or 'nothing'} only")
                yield ObjectInfo(row["Key"].removeprefix(self._prefix), row["Size"], row["LastModified"])

    def folders(self, prefix: str) -> Iterator[str]:
        """The names one level below `prefix`; see `Store.folders`."""
        full = self._prefix + prefix
        for page in self._pages(prefix, {"Bucket": self._bucket, "Prefix": full, "Delimiter": "/"}):
            for row in page.get("CommonPrefixes", ()):
                yield row["Prefix"].removeprefix(full).rstrip("/")

    def _pages(self, prefix: str, arguments: dict[str, str]) -> Iterator[dict[str, Any]]:
        try:
            with self._reading(f"list {prefix}"):
                for number, page in enumerate(self._client.get_paginator("list_objects_v2").paginate(**arguments)):
                    if number == MAX_PAGES:
                        raise self._no_listing(prefix, f"it has more than {MAX_PAGES} pages")
                    yield page
        except ObjectMissing as error:
            raise Unreachable(
                "not_a_registry",
                f"What answers at {self.location} is no S3 store: it does not know how to list.",
                remedy="correct AWS_ENDPOINT_URL_S3 and REGISTRY_URL.",
            ) from error

    def _no_listing(self, prefix: str, why: str) -> Unreachable:
        return Unreachable(
            "server_error",
            f"The listing of {prefix} in {self.location} cannot be used: {why}.",
            remedy="find out what answers there; a registry's listings are finite and name key, size and time.",
        )

    @contextmanager
    def _reading(self, doing: str) -> Iterator[None]:
        """Like `translated`; a refusal in a bucket that the key cannot even see is told as a missing one."""
        try:
            with translated(self._settings, doing):
                yield
        except Unreachable as error:
            if error.kind == "access_denied" and not self._sees_bucket():
                raise Unreachable(
                    "bucket_missing",
                    f"There is no bucket {self._bucket!r} that the key {self._settings.access_key_id} may see in "
                    f"{self.location}.",
                    remedy="check REGISTRY_URL, or create the bucket with edustream-registry init.",
                ) from error
            raise

    def _sees_bucket(self) -> bool:
        try:
            with translated(self._settings, "look at the bucket"):
                self._client.head_bucket(Bucket=self._bucket)
        except (Unreachable, ObjectMissing):
            return False
        return True

    def _object(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + key}
