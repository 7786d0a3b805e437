"""A bucket that speaks S3 through boto3's own client, one HTTP request at a time, as a test's schedule decides.

The double sits where botocore would open a connection (`before-send`): signing, retries, parsing and the adapter are
the real ones. Every process waits before each of its requests until the test says what becomes of it.
"""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from edustream_registry.s3_client import WRITING, make_client
from edustream_registry.s3_store import S3Store
from edustream_registry.settings import RegistrySettings

BUCKET = "models"
SETTINGS = RegistrySettings.from_environ(
    {
        "REGISTRY_URL": f"s3://{BUCKET}",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_REGION": "us-east-1",
    }
)
WRITTEN_AT = "2026-01-01T00:00:00.000Z"
TIME = "Thu, 01 Jan 2026 00:00:00 GMT"


class Reply(Enum):
    """What becomes of one HTTP request."""

    SERVED = "served"
    NO_CONNECTION = "no connection"
    """Nothing is sent, and the client knows."""
    LOST_REQUEST = "lost request"
    """Nothing lands; the client waits in vain."""
    LOST_REPLY = "lost reply"
    """It is carried out; the connection breaks before the answer. the client's own repetition then meets a 412."""
    DELAYED = "delayed"
    """The client waits in vain; the request is still under way, and lands at any later moment."""
    CONFLICT = "409"
    """A conditional write is answered 409, and did not land; anything else is served."""
    ERROR = "500"
    """It is not carried out, and answered 500."""
    ERROR_AFTER = "500 after"
    """It is carried out, and answered 500 all the same."""
    UNAVAILABLE = "503"
    """It is not carried out, and answered 503."""
    TRUNCATED = "truncated"
    """What is read comes without its last byte, and the connection ends in good order; a write meets LOST_REPLY."""
    CRASH_BEFORE = "crash before"
    """The process dies before it sends the request."""
    CRASH_AFTER = "crash after"
    """The process dies after the request was carried out."""


class Errand(Enum):
    """What a request is for."""

    READ = "read"
    FILE = "write a file"
    COMMIT = "write what is written once"
    HINT = "write a channel's hint"


@dataclass(frozen=True, slots=True)
class Write:
    """A PutObject on its way: key, bytes, and whether it carries `If-None-Match: *`."""

    key: str
    data: bytes
    create: bool


class Bucket:
    """Objects by key; `journal` holds every write that landed, in order, `under_way` those that may still land."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.journal: list[Write] = []
        self.under_way: list[Write] = []

    def land(self, write: Write) -> int:
        """Carry out a write; its HTTP status."""
        if write.create and write.key in self.objects:
            return 412
        self.objects[write.key] = write.data
        self.journal.append(write)
        return 200

    def before(self, landed: int) -> Bucket:
        """A bucket of its own, as this one was before write number `landed` (from 0), for who replays the past."""
        earlier = Bucket()
        written = {write.key for write in self.journal}
        earlier.objects = {key: data for key, data in self.objects.items() if key not in written}
        earlier.objects |= {write.key: write.data for write in self.journal[:landed]}
        return earlier

    def serve(self, request: AWSPreparedRequest) -> AWSResponse:
        """The answer to one request, which is carried out."""
        split = urlsplit(request.url)
        key = unquote(split.path).removeprefix(f"/{BUCKET}").removeprefix("/")
        if request.method == "PUT":
            status = self.land(write_of(request))
            return refusal(request, status, "PreconditionFailed") if status != 200 else answer(request, 200, b"")
        if not key:
            return answer(request, 200, self._listing(parse_qs(split.query)))
        if key not in self.objects:
            return refusal(request, 404, "NoSuchKey")
        return answer(request, 200, self.objects[key])

    def _listing(self, query: dict[str, list[str]]) -> bytes:
        prefix, after = (query.get(name, [""])[0] for name in ("prefix", "start-after"))
        rows, folders = [], []
        for key in sorted(self.objects):
            if not key.startswith(prefix) or key <= after:
                continue
            below, slash, _ = key.removeprefix(prefix).partition("/")
            if slash and "delimiter" in query:
                folders.append(prefix + below + slash)
            else:
                rows.append((key, len(self.objects[key])))
        inside = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{size}</Size><LastModified>{WRITTEN_AT}</LastModified></Contents>"
            for key, size in rows
        ) + "".join(
            f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in dict.fromkeys(folders)
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{inside}</ListBucketResult>".encode()


class Body(io.BytesIO):
    """The bytes of an answer, as urllib3 would hand them over."""

    def stream(self, amt: int = 65536, **_: Any) -> Iterator[bytes]:
        """The bytes in pieces."""
        yield from iter(lambda: self.read(amt), b"")


class Process:
    """A process with a client of its own: it runs one piece of work, and stops before each request.

    Made once for many tests, since a boto3 client is dear; `attach` gives it a fresh bucket.
    """

    def __init__(self) -> None:
        # The schedule alone says how long a request takes, so the age at which one is given up plays no part.
        client = make_client("s3", SETTINGS, replace(WRITING, budget_s=math.inf))
        client.meta.events.register("before-send.s3", self._before_send)
        self.store = S3Store(SETTINGS, client)
        self._stopped, self._go = threading.Semaphore(0), threading.Semaphore(0)

    def attach(self, bucket: Bucket) -> None:
        """Begin anew on `bucket`."""
        self._bucket = bucket
        self.busy = self.crashed = self.faulted = False

    def start(self, work: Callable[[], Any], shown: Bucket | None = None) -> None:
        """Run `work` up to its first request; it meets the bucket `shown` instead of the attached one, if given."""
        self.busy, self.crashed, self.faulted = True, False, False
        self._met = shown or self._bucket
        self.value: Any = None
        self.error: BaseException | None = None
        threading.Thread(target=self._run, args=(work,), daemon=True).start()
        self._stopped.acquire()

    def step(self, reply: Reply) -> None:
        """Let the waiting request meet its fate, and run on up to the next one or to the end."""
        self._reply = reply
        self._go.release()
        self._stopped.acquire()

    def _run(self, work: Callable[[], Any]) -> None:
        try:
            self.value = work()
        except BaseException as error:  # whatever the work ends with is the schedule's to judge
            self.error = error
        self.busy = False
        self._stopped.release()

    def _before_send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        # What a dead process still tries reaches nobody; the work ends, and its outcome is not looked at.
        if not self.crashed:
            self.errand = errand_of(request)
            self._stopped.release()
            self._go.acquire()
            self.crashed = self._reply in (Reply.CRASH_BEFORE, Reply.CRASH_AFTER)
            if not self.crashed or self._reply is Reply.CRASH_AFTER:
                return self._fate(request, self._reply)
        raise EndpointConnectionError(endpoint_url=request.url)

    def _fate(self, request: AWSPreparedRequest, reply: Reply) -> AWSResponse:
        conditional = request.method == "PUT" and "If-None-Match" in request.headers
        if reply is Reply.SERVED or (reply is Reply.CONFLICT and not conditional):
            return self._met.serve(request)
        self.faulted = True
        if reply is Reply.TRUNCATED and request.method != "PUT":
            return truncated(self._met.serve(request))
        if reply in (Reply.LOST_REPLY, Reply.TRUNCATED, Reply.ERROR_AFTER, Reply.CRASH_AFTER):
            self._met.serve(request)
        elif reply is Reply.DELAYED and request.method == "PUT":
            self._met.under_way.append(write_of(request))
        match reply:
            case Reply.CONFLICT:
                return refusal(request, 409, "ConditionalRequestConflict")
            case Reply.ERROR | Reply.ERROR_AFTER:
                return refusal(request, 500, "InternalError")
            case Reply.UNAVAILABLE:
                return refusal(request, 503, "SlowDown")
            case Reply.NO_CONNECTION:
                raise EndpointConnectionError(endpoint_url=request.url)
            case Reply.LOST_REPLY | Reply.TRUNCATED:
                raise ConnectionClosedError(endpoint_url=request.url)
            case _:
                raise ReadTimeoutError(endpoint_url=request.url)


def errand_of(request: AWSPreparedRequest) -> Errand:
    """What a request is for."""
    path = urlsplit(request.url).path
    if request.method != "PUT":
        return Errand.READ
    if path.endswith("/HEAD"):
        return Errand.HINT
    return Errand.FILE if "/files/" in path else Errand.COMMIT


def write_of(request: AWSPreparedRequest) -> Write:
    """The write that a PutObject request asks for."""
    body = request.body if isinstance(request.body, bytes) else request.body.read()
    key = unquote(urlsplit(request.url).path).removeprefix(f"/{BUCKET}/")
    return Write(key, bytes(body), "If-None-Match" in request.headers)


def answer(request: AWSPreparedRequest, status: int, body: bytes) -> AWSResponse:
    """An HTTP answer."""
    sent = b"" if request.method == "HEAD" else body
    headers = {"Content-Length": str(len(body)), "ETag": '"opaque"', "Last-Modified": TIME, "Date": TIME}
    return AWSResponse(request.url, status, headers, Body(sent))


def truncated(whole: AWSResponse) -> AWSResponse:
    """An answer without its last byte, of whose coming its head still speaks."""
    return AWSResponse(whole.url, whole.status_code, whole.headers, Body(whole.raw.read()[:-1]))


def refusal(request: AWSPreparedRequest, status: int, code: str) -> AWSResponse:
    """An HTTP answer with an S3 error code."""
    return answer(request, status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())
