"""The only module that imports boto3: makes its clients, and turns its exceptions into ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import boto3
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
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from edustream_contracts.errors import EduStreamError, OutcomeUnknown, Rejected, Unreachable
from edustream_registry.settings import RegistrySettings
from edustream_registry.store import ObjectExists, ObjectMissing

CONNECT_TIMEOUT_S: Final = 2
READ_TIMEOUT_S: Final = 10
ATTEMPTS: Final = 3
START_REGISTRY: Final = "start a registry with make registry, or correct AWS_ENDPOINT_URL_S3 and REGISTRY_URL."

_REFUSED: Final = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId", "ExpiredToken", "InvalidToken"}
)
_MISSING: Final = frozenset({"NoSuchKey", "NoSuchBucketPolicy", "NotFound", "404"})
_DENIED: Final = frozenset({"AccessDenied", "403", "Forbidden"})


class ConcurrentWrite(RuntimeError):
    """The store answered 409: another conditional write of this key was under way. The write may be tried again."""


def make_client(service: str, settings: RegistrySettings, *, attempts: int = ATTEMPTS) -> Any:
    """A boto3 client of `service` (`s3` or `iam`) with bounded timeouts and at most `attempts` tries of a request.

    The client is untyped: boto3 builds its methods when it runs.
    """
    session = boto3.session.Session(
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key,
        aws_session_token=settings.session_token,
        region_name=settings.region,
    )
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=16,
        s3={"addressing_style": "path"} if settings.endpoint_url else None,
    )
    return session.client(service, endpoint_url=settings.endpoint_url, config=config)


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
    except (ReadTimeoutError, ConnectionClosedError, HTTPClientError, ResponseParserError) as error:
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
    if code in _MISSING:
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
    if status >= 500:
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
