"""The only module that imports boto3: makes its clients, and turns its exceptions into ours."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, Final

import boto3
import botocore.session
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.loaders import Loader
from botocore.parsers import ResponseParserError

from edustream_contracts.errors import EduStreamError, InvalidInput, OutcomeUnknown, Rejected, Unreachable
from edustream_registry.bounded_replies import bound_replies
from edustream_registry.settings import RegistrySettings
from edustream_registry.store import ObjectExists, ObjectMissing

START_REGISTRY: Final = "start a registry with make registry, or correct AWS_ENDPOINT_URL_S3 and REGISTRY_URL."
CORRECT_SETTINGS: Final = (
    "correct the AWS_* variable (AWS_REGION, AWS_PROFILE, ...) or the file that this is about: AWS_CONFIG_FILE and "
    "AWS_SHARED_CREDENTIALS_FILE name them, ~/.aws/config and ~/.aws/credentials otherwise."
)

_REFUSED: Final = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId", "ExpiredToken", "InvalidToken"}
)
_MISSING: Final = frozenset({"NoSuchKey", "NoSuchBucketPolicy", "NoSuchUpload", "NotFound", "404"})
_DENIED: Final = frozenset({"AccessDenied", "403", "Forbidden"})
_TRANSIENT: Final = frozenset({"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException"})
_OBJECT_WRITES: Final = frozenset({"PutObject", "UploadPart", "CompleteMultipartUpload"})
_MEMORY: Final = "edustream_memory"
_ADDRESSES: Final = "endpoints"
_SERVICES: Final = frozenset({"s3", "iam", "sts"})


PART_BYTES: Final = 8 * 1024 * 1024
PARTS_IN_FLIGHT: Final = 5
IN_PARTS: Final = TransferConfig(multipart_chunksize=PART_BYTES, max_concurrency=PARTS_IN_FLIGHT)
"""How large files are sent: at most `PARTS_IN_FLIGHT` parts of `PART_BYTES` are in memory at any time."""
IN_PARTS.max_in_memory_upload_chunks = PARTS_IN_FLIGHT


MOST_IDLE: Final = 64
"""How many idle connections a client keeps: that of several workers is asked by all of them at once."""


class ConcurrentWrite(RuntimeError):
    """The store answered 409: another conditional write of this key was under way. The write may be tried again."""


class MayHaveLanded(RuntimeError):
    """A write failed in the end, but at least one of its attempts may have been carried out."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one request is waited for, and how often it is sent.

    No attempt begins later than `budget_s` after the first, so that a request to one address ends within
    `budget_s + connect_timeout_s + read_timeout_s` plus one pause, whatever the other side does.
    """

    connect_timeout_s: float
    """For a connection to come about."""
    read_timeout_s: float
    """For the next byte of an answer."""
    attempts: int
    """Attempts that bring no usable reply; a refused connection is not tried again."""
    budget_s: float
    """Age at which a request is not sent again."""
    conflicts: int = 8
    """Attempts that are answered 409, another write of the key being under way."""
    pause_s: float = 0.05
    """Longest pause after the first attempt; doubled after each further one, and drawn at random from 0 on."""
    max_pause_s: float = 1.0
    """Longest pause of all."""


READING: Final = Patience(connect_timeout_s=2, read_timeout_s=3, attempts=3, budget_s=3.5)
WRITING: Final = Patience(connect_timeout_s=2, read_timeout_s=10, attempts=3, budget_s=12)
ONCE: Final = Patience(connect_timeout_s=2, read_timeout_s=10, attempts=1, budget_s=0, conflicts=1)


class _Descriptions(Loader):  # type: ignore[misc]
    """What reads botocore's descriptions of services.

    One of them lists the addresses of all services of AWS in all regions: those of the services that no client is made
    of here would take 6 MiB of a consumer's memory.
    """

    def load_data_with_path(self, name: str) -> tuple[Any, str]:
        """The description `name`, and where it is."""
        data, path = super().load_data_with_path(name)
        if name == _ADDRESSES:
            for partition in data["partitions"]:
                services = partition["services"]
                partition["services"] = {service: services[service] for service in _SERVICES & services.keys()}
        return data, path


@cache
def _descriptions() -> Loader:
    """What all sessions of a process share."""
    return _Descriptions()


@contextmanager
def _configured(settings: RegistrySettings) -> Iterator[None]:
    """Turn what boto3 says of its settings into `InvalidInput`: it reads more variables and files than we do."""
    try:
        yield
    # Of an endpoint that is no address botocore says ValueError, of a program for credentials that is missing OSError,
    # of a config file with a value where a nested section is expected AttributeError.
    except (BotoCoreError, ValueError, OSError, AttributeError) as error:
        raise InvalidInput(
            "configuration",
            f"With these AWS settings {settings.location} cannot be used: {str(error).rstrip('.')}.",
            remedy=CORRECT_SETTINGS,
        ) from error


def make_session(settings: RegistrySettings) -> Any:
    """A boto3 session with the settings' credentials. Raises `InvalidInput` (kind `configuration`)."""
    with _configured(settings):
        core = botocore.session.Session()
        core.register_component("data_loader", _descriptions())
        return boto3.session.Session(
            botocore_session=core,
            aws_access_key_id=settings.access_key_id,
            aws_secret_access_key=settings.secret_access_key,
            aws_session_token=settings.session_token,
            region_name=settings.region,
        )


def make_client(service: str, settings: RegistrySettings, patience: Patience = WRITING, session: Any = None) -> Any:
    """A boto3 client of `service` (`s3` or `iam`) that sends a request again as `patience` allows.

    The client is untyped: boto3 builds its methods when it runs. Raises `InvalidInput` (kind `configuration`).
    """
    config = Config(
        connect_timeout=patience.connect_timeout_s,
        read_timeout=patience.read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=MOST_IDLE,
        s3={"addressing_style": "path"} if settings.endpoint_url else None,
    )
    session = session or make_session(settings)
    with _configured(settings):
        client = session.client(service, endpoint_url=settings.endpoint_url, config=config)
    Repetition(patience).attach(client)
    bound_replies(client, lambda why: HTTPClientError(error=why))
    return client


class _Fate(Enum):
    """What became of one attempt."""

    ANSWERED = "answered, or surely not carried out: the answer stands"
    POSTPONED = "surely not carried out, and worth another attempt"
    BUSY = "another write of the key was under way"
    LOST = "perhaps carried out: no usable reply"


@dataclass(slots=True)
class _Memory:
    """What became of the attempts of one request so far."""

    started_s: float
    repeated: int = 0
    conflicts: int = 0
    may_have_landed: bool = False


class Repetition:
    """Sends requests again, and remembers of each whether one of its attempts may have been carried out.

    boto3's own repetition knows the last attempt only: where the first one got no reply and the second one was
    refused, it reports the refusal, although the first may have landed.
    """

    def __init__(self, patience: Patience, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock

    def attach(self, client: Any) -> None:
        """Decide for this client from now on. Its own repetition must be off."""
        service = client.meta.service_model.service_id.hyphenize()
        for event, handler in {
            "before-call": self._begin,
            "needs-retry": self._pause_s,
            "after-call": self._answered,
            "after-call-error": self._failed,
        }.items():
            client.meta.events.register(f"{event}.{service}", handler)

    def _begin(self, params: dict[str, Any], **_: Any) -> None:
        params["context"][_MEMORY] = _Memory(self._clock())

    def _pause_s(
        self, response: Any, caught_exception: Exception | None, operation: Any, request_dict: Any, **_: Any
    ) -> float | None:
        """The pause in seconds before the next attempt; None where there is to be none."""
        memory: _Memory = request_dict["context"][_MEMORY]
        fate = _fate(operation, response, caught_exception)
        writes = operation.http["method"] not in ("GET", "HEAD")
        memory.may_have_landed = memory.may_have_landed or (writes and fate is _Fate.LOST)
        if fate is _Fate.ANSWERED or self._clock() - memory.started_s >= self._patience.budget_s:
            return None
        if fate is _Fate.BUSY:
            memory.conflicts += 1
            return self._jitter(memory.conflicts) if memory.conflicts < self._patience.conflicts else None
        memory.repeated += 1
        return self._jitter(memory.repeated) if memory.repeated < self._patience.attempts else None

    def _jitter(self, attempt: int) -> float:
        longest = min(self._patience.max_pause_s, self._patience.pause_s * 2 ** (attempt - 1))
        return random.uniform(0, longest)  # noqa: S311 - spreads writers, guards no secret

    def _answered(self, http_response: Any, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        # 412 is for whoever asked for the condition: what is there can be read.
        if http_response.status_code >= 300 and http_response.status_code != 412 and _uncertain(context):
            raise MayHaveLanded(f"HTTP {http_response.status_code} {parsed.get('Error', {}).get('Code', '')}")

    def _failed(self, exception: Exception, context: dict[str, Any], **_: Any) -> None:
        if _uncertain(context):
            raise MayHaveLanded(str(exception)) from exception


def _uncertain(context: dict[str, Any]) -> bool:
    memory: _Memory = context[_MEMORY]
    return memory.may_have_landed


def _fate(operation: Any, response: Any, error: Exception | None) -> _Fate:
    if response is None:
        return _fate_without_reply(error)
    status = response[0].status_code
    code = response[1].get("Error", {}).get("Code", "")
    if status == 409 and operation.name in _OBJECT_WRITES:
        return _Fate.BUSY
    if status == 429 or (status < 500 and code in _TRANSIENT):
        return _Fate.POSTPONED
    return _Fate.LOST if status >= 500 and status != 501 else _Fate.ANSWERED


def _fate_without_reply(error: Exception | None) -> _Fate:
    if isinstance(error, ConnectTimeoutError):
        return _Fate.POSTPONED
    if isinstance(error, (EndpointConnectionError, ProxyConnectionError)):
        return _Fate.ANSWERED
    if isinstance(error, SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return _Fate.ANSWERED
    return _Fate.LOST


@contextmanager
def translated(
    settings: RegistrySettings, doing: str, *, writes: bool = False, conditional: bool = False
) -> Iterator[None]:
    """Turn what boto3 raises inside the block into `ObjectMissing`, `ObjectExists` or an error of ours.

    Args:
        settings: the registry that is being used, for messages.
        doing: what is being done, for messages, e.g. `read models/churn/...`.
        writes: whether the block writes, so that a missing reply leaves the outcome unknown.
        conditional: whether a 409 means that somebody else is writing the same, and becomes `ConcurrentWrite`.
    """
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise Unreachable(
            "credentials_missing",
            f"There are no credentials for {settings.location}.",
            remedy="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use the .env file that init wrote.",
        ) from error
    except (EndpointConnectionError, ConnectTimeoutError) as error:
        raise Unreachable(
            "connection", f"Nothing answers at {settings.location} (tried to {doing}).", remedy=START_REGISTRY
        ) from error
    except (MayHaveLanded, ReadTimeoutError, ConnectionClosedError, HTTPClientError, ResponseParserError) as error:
        raise _no_reply(settings, doing, str(error), writes) from error
    except ClientError as error:
        raise _answered(settings, doing, error, writes, conditional) from error
    except BotoCoreError as error:
        raise Unreachable(
            "connection", f"{settings.location} cannot be used to {doing}: {error}.", remedy=START_REGISTRY
        ) from error


def _answered(
    settings: RegistrySettings, doing: str, error: ClientError, writes: bool, conditional: bool
) -> EduStreamError | ObjectMissing | ObjectExists | ConcurrentWrite:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code == "NoSuchBucket":
        return Unreachable(
            "bucket_missing",
            f"The bucket {settings.bucket!r} does not exist at {settings.endpoint_url or 'the AWS endpoint'}.",
            remedy="check REGISTRY_URL, or create the bucket with edustream-registry init.",
        )
    if code in _MISSING or (status == 404 and not code):
        return ObjectMissing(doing)
    if code == "InvalidRange" or status == 416:
        return Rejected(
            "digest",
            f"{settings.location} refused to {doing}: the object is shorter than its manifest states.",
            remedy="publish the release again, which puts the right file back.",
        )
    if code == "PreconditionFailed" or status == 412:
        return ObjectExists(doing)
    if status == 409 and conditional:
        return ConcurrentWrite(doing)
    if code in _REFUSED:
        return Unreachable(
            "credentials_refused",
            f"{settings.location} does not accept the access key {settings.access_key_id} ({code}).",
            remedy="use the .env file that init wrote, or ask the registry's administrator for a key.",
        )
    if code == "RequestTimeTooSkewed":
        return Unreachable(
            "server_error",
            f"The clocks of this machine and of {settings.location} differ by more than the store allows.",
            remedy="set the clock that is wrong; requests are signed with the time.",
        )
    if code in _DENIED:
        return Unreachable(
            "access_denied",
            f"The access key {settings.access_key_id} may not {doing} in {settings.location}.",
            remedy="use the key of the right user; init gives producer and consumer what each needs, and no more.",
        )
    if status >= 500 and status != 501:
        return _no_reply(settings, doing, f"HTTP {status} {code}", writes)
    return Unreachable(
        "server_error", f"{settings.location} refused to {doing}: {error}.", remedy="read the server's log."
    )


def _no_reply(settings: RegistrySettings, doing: str, why: str, writes: bool) -> EduStreamError:
    if writes:
        return OutcomeUnknown(
            "write",
            f"{settings.location} gave no usable reply to the attempt to {doing} ({why}); it may have succeeded.",
            remedy="run the same command again: it finds out what happened, and does nothing twice.",
        )
    return Unreachable(
        "connection",
        f"{settings.location} gave no usable reply to the attempt to {doing} ({why}).",
        remedy=START_REGISTRY,
    )
