"""Where the registry is and whom to trust, from the environment; nothing is read at import."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from edustream_contracts.errors import InvalidInput, Problem
from edustream_registry.env_file import read_env_file

DEFAULT_REGION: Final = "us-east-1"
SIGNING_KEY_FILE: Final = "EDUSTREAM_SIGNING_KEY_FILE"
CONSUMER: Final = "EDUSTREAM_CONSUMER"
_URL: Final = re.compile(r"^s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(/(?P<prefix>[^/].*?))?/?$")


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """Address, credentials and keys of one user of a registry.

    Without `access_key_id` the credentials come from boto3's own chain. `trust_file` and `signing_key_files` are
    needed for reading and writing respectively.
    """

    bucket: str
    prefix: str
    endpoint_url: str | None = None
    region: str = DEFAULT_REGION
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    trust_file: Path | None = None
    signing_key_files: tuple[Path, ...] = ()

    @property
    def url(self) -> str:
        """`s3://bucket[/prefix]`."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def location(self) -> str:
        """The address with its endpoint, for people."""
        return f"{self.url} at {self.endpoint_url}" if self.endpoint_url else self.url

    @staticmethod
    def from_environ(environ: Mapping[str, str]) -> RegistrySettings:
        """Read the settings from environment variables.

        REGISTRY_URL, AWS_ENDPOINT_URL_S3, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
        EDUSTREAM_TRUST_FILE, EDUSTREAM_SIGNING_KEY_FILE (one path, or several with the system's path separator).

        Raises `InvalidInput` (kind `configuration`) that names every variable that is missing or wrong.
        """
        problems = []
        url = environ.get("REGISTRY_URL", "")
        match = _URL.fullmatch(url)
        if not match:
            problems.append(Problem("REGISTRY_URL", f"is {url!r}; expected s3://bucket or s3://bucket/prefix"))
        endpoint = environ.get("AWS_ENDPOINT_URL_S3") or None
        if endpoint and not _is_http_url(endpoint):
            problems.append(Problem("AWS_ENDPOINT_URL_S3", f"is {endpoint!r}; expected http://... or https://..."))
        if bool(environ.get("AWS_ACCESS_KEY_ID")) != bool(environ.get("AWS_SECRET_ACCESS_KEY")):
            problems.append(Problem("AWS_ACCESS_KEY_ID", "and AWS_SECRET_ACCESS_KEY must be set together"))
        if problems or not match:
            raise InvalidInput(
                "configuration",
                "The registry's address is not configured.",
                remedy="run make registry, which writes one .env file per repo, or set the variables.",
                problems=problems,
            )
        return RegistrySettings(
            bucket=match["bucket"],
            prefix=match["prefix"] or "",
            endpoint_url=endpoint,
            region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION,
            access_key_id=environ.get("AWS_ACCESS_KEY_ID") or None,
            secret_access_key=environ.get("AWS_SECRET_ACCESS_KEY") or None,
            session_token=environ.get("AWS_SESSION_TOKEN") or None,
            trust_file=_path(environ, "EDUSTREAM_TRUST_FILE"),
            signing_key_files=tuple(map(Path, _paths(environ.get(SIGNING_KEY_FILE, "")))),
        )


def with_env_file(environ: Mapping[str, str], env_file: Path) -> dict[str, str]:
    """`environ` with what `env_file` adds to it; the process's own variables win. A missing file adds nothing.

    Relative paths in the file's EDUSTREAM_*_FILE variables are meant from the file's own folder.
    """
    added = read_env_file(env_file)
    for name, value in added.items():
        if name.startswith("EDUSTREAM_") and name.endswith("_FILE"):
            folder = env_file.resolve().parent
            paths = _paths(value) if name == SIGNING_KEY_FILE else [value]
            added[name] = os.pathsep.join(str(folder / path) for path in paths)
    return {**added, **environ}


def _paths(value: str) -> list[str]:
    return [path for path in value.split(os.pathsep) if path]


def _is_http_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    return Path(environ[name]) if environ.get(name) else None
