"""Sends single requests to a store, each of them once, and says what the store answered."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any, Final

from edustream_contracts.errors import EduStreamError, Unreachable
from edustream_registry.s3_client import READING, ConcurrentWrite, Patience, make_client, make_session, translated
from edustream_registry.settings import RegistrySettings
from edustream_registry.store import ObjectExists, ObjectMissing, WriteCondition

CREATE: Final = WriteCondition.CREATE
WAIT_S: Final = 60.0
"""Longer than clients wait: a slow answer is one that a client reads back, and no reason to condemn a store."""
ONE_LONG_ATTEMPT: Final = Patience(connect_timeout_s=10, read_timeout_s=WAIT_S, attempts=1, budget_s=0, conflicts=1)


class Reply(Enum):
    """How a store can answer a write."""

    DONE = "200"
    EXISTS = "412"
    BUSY = "409"
    DENIED = "403"
    NOTHING = "no usable reply"


class StoreProbe:
    """One user's requests below one registry's prefix.

    Nothing but `server_time` is tried again, so that every answer is seen.
    """

    def __init__(self, settings: RegistrySettings, session: Any = None) -> None:
        self.settings = settings
        self._session = session or make_session(settings)
        self._prefix = f"{settings.prefix}/" if settings.prefix else ""
        self._client: Any = make_client("s3", settings, ONE_LONG_ATTEMPT, self._session)

    def fresh(self, user: RegistrySettings | None = None) -> StoreProbe:
        """A probe of the same registry with a client of its own; with `user`'s credentials, if given."""
        if user is None:
            return StoreProbe(self.settings, self._session)
        return StoreProbe(
            replace(
                self.settings,
                access_key_id=user.access_key_id,
                secret_access_key=user.secret_access_key,
                session_token=user.session_token,
            )
        )

    def before_writing(self, change: Callable[..., None]) -> None:
        """Have `change(request)` called with every signed write before it is sent."""
        self._client.meta.events.register("before-send.s3.PutObject", change)

    def reconnect(self) -> None:
        """Close every connection, so that the next request may meet another node of the store."""
        self._client.close()

    def server_time(self) -> datetime | None:
        """The store's clock, from the `Date` of a listing; None where it sends none. Waits as a reader does.

        The answer to a listing, unlike that to a HEAD, has a body, which says why a request was refused.

        Raises `Unreachable`, e.g. kind `bucket_missing` or `credentials_refused`.
        """
        client = make_client("s3", self.settings, READING, self._session)
        try:
            with translated(self.settings, "list the bucket"):
                answer = client.list_objects_v2(Bucket=self.settings.bucket, Prefix=self._prefix, MaxKeys=1)
        except ObjectMissing as error:
            raise Unreachable(
                "bucket_missing",
                f"{self.settings.location} answers 404 to a listing of the bucket {self.settings.bucket!r}.",
                remedy="check REGISTRY_URL and AWS_ENDPOINT_URL_S3, or create the bucket with edustream-registry init.",
            ) from error
        with suppress(ValueError):
            return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"].get("date", ""))
        return None

    def put(self, key: str, data: bytes, condition: WriteCondition = CREATE, **more: str) -> Reply:
        """Write an object. Raises `EduStreamError` for an answer that no `Reply` names."""
        extra = {"IfNoneMatch": "*"} if condition is CREATE else {}
        try:
            with translated(self.settings, f"write {key}", writes=True, conditional=True):
                self._client.put_object(**self._object(key), Body=data, **extra, **more)
        except ObjectExists:
            return Reply.EXISTS
        except ConcurrentWrite:
            return Reply.BUSY
        except Unreachable as error:
            return _denied(error)
        return Reply.DONE

    def get(self, key: str, byte_range: str | None = None) -> bytes:
        """The object's bytes, or those of `byte_range`, e.g. `bytes=5-9`. Raises `ObjectMissing`."""
        extra = {"Range": byte_range} if byte_range else {}
        with translated(self.settings, f"read {key}"):
            data: bytes = self._client.get_object(**self._object(key), **extra)["Body"].read()
        return data

    def read(self, key: str) -> bytes | None:
        """The object's bytes; None where the store says that there is none."""
        with suppress(ObjectMissing):
            return self.get(key)
        return None

    def size(self, key: str) -> int:
        """The object's length in bytes. Raises `ObjectMissing`."""
        with translated(self.settings, f"look at {key}"):
            return int(self._client.head_object(**self._object(key))["ContentLength"])

    def modified(self, key: str) -> datetime:
        """When the object was written, by the store's clock. Raises `ObjectMissing`."""
        with translated(self.settings, f"look at {key}"):
            written: datetime = self._client.head_object(**self._object(key))["LastModified"]
        return written

    def keys(self, prefix: str, start_after: str = "", page: int = 1000) -> list[str]:
        """The keys below `prefix` as listed, in pages of `page` keys."""
        more = {"StartAfter": self._prefix + start_after} if start_after else {}
        rows = [row for found in self._pages(prefix, page, more) for row in found.get("Contents", ())]
        return [row["Key"].removeprefix(self._prefix) for row in rows]

    def folders(self, prefix: str) -> list[str]:
        """The prefixes one level below `prefix` as listed."""
        pages = self._pages(prefix, 1000, {"Delimiter": "/"})
        rows = [row for found in pages for row in found.get("CommonPrefixes", ())]
        return [row["Prefix"].removeprefix(self._prefix) for row in rows]

    def _pages(self, prefix: str, page: int, more: dict[str, str]) -> Iterator[dict[str, Any]]:
        paginator = self._client.get_paginator("list_objects_v2")
        with translated(self.settings, f"list {prefix}"):
            yield from paginator.paginate(
                Bucket=self.settings.bucket, Prefix=self._prefix + prefix, PaginationConfig={"PageSize": page}, **more
            )

    def upload_parts(self, key: str, parts: Sequence[bytes]) -> None:
        """Write an object in parts, of which every one but the last has at least 5 MiB."""
        with translated(self.settings, f"write {key} in parts", writes=True):
            upload = self._object(key) | {
                "UploadId": self._client.create_multipart_upload(**self._object(key))["UploadId"]
            }
            done = [
                {"PartNumber": n, "ETag": self._client.upload_part(**upload, PartNumber=n, Body=part)["ETag"]}
                for n, part in enumerate(parts, start=1)
            ]
            self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": done})

    def delete(self, key: str) -> Reply:
        """Delete an object. Raises `EduStreamError` for an answer that no `Reply` names."""
        try:
            with translated(self.settings, f"delete {key}", writes=True):
                self._client.delete_object(**self._object(key))
        except Unreachable as error:
            return _denied(error)
        return Reply.DONE

    def _object(self, key: str) -> dict[str, str]:
        return {"Bucket": self.settings.bucket, "Key": self._prefix + key}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one race."""

    replies: tuple[Reply, ...]
    """The answers, in the order of the bodies."""
    early: bytes | None
    """What was under the key while no write was complete."""
    slowest_s: float
    """How long the last racer waited for its answer."""


class Race:
    """Sends conditional writes of one key that are all complete but for their last byte, and lets go of these at once.

    A store that looks whether the key is free before it has the whole body, and does not look again, lets several
    racers win.
    """

    def __init__(self, probe: StoreProbe, racers: int) -> None:
        self._spectator = probe
        self._racers = racers
        self._probe = probe.fresh()
        self._probe.before_writing(self._hold)
        self._gate = threading.Barrier(racers + 1)

    def run(self, key: str, bodies: Sequence[bytes]) -> Outcome:
        """Race one write a body; there must be as many bodies as racers."""
        self._gate.reset()
        early = None
        with ThreadPoolExecutor(self._racers) as pool:
            replies = [pool.submit(self._create, key, body) for body in bodies]
            with suppress(threading.BrokenBarrierError):
                self._gate.wait(WAIT_S)
                early = self._look(key)
                self._gate.wait(WAIT_S)
            begin = time.perf_counter()
            told = tuple(reply.result() for reply in replies)
        return Outcome(told, early, time.perf_counter() - begin)

    def _create(self, key: str, body: bytes) -> Reply:
        try:
            return self._probe.put(key, body)
        except EduStreamError:
            # One racer less would keep the others waiting.
            self._gate.abort()
            return Reply.NOTHING

    def _look(self, key: str) -> bytes | None:
        with suppress(EduStreamError):
            return self._spectator.read(key)
        return None

    def _hold(self, request: Any, **_: Any) -> None:
        body = request.body.read() if hasattr(request.body, "read") else request.body
        request.body = self._in_two(body)

    def _in_two(self, body: bytes) -> Iterator[bytes]:
        yield body[:-1]
        self._gate.wait(WAIT_S)  # everybody has come so far
        self._gate.wait(WAIT_S)  # and everybody may go on
        yield body[-1:]


def _denied(error: Unreachable) -> Reply:
    if error.kind != "access_denied":
        raise error
    return Reply.DENIED
