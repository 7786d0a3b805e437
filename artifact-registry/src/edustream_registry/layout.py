"""Where every object lies in the bucket: the keys of PROTOCOL.md, section 3, and nothing else."""

from __future__ import annotations

import re
from typing import Final

from edustream_registry.names import DIGEST_PATTERN, FILE_PATTERN, MAX_FILE_NAME

REGISTRY: Final = "registry.json"
MODELS: Final = "models/"
CONSUMERS: Final = "consumers/"
_SEQUENCE: Final = re.compile(r"[0-9]{12}")


def model_prefix(model: str) -> str:
    """Prefix of everything that belongs to one model."""
    return f"{MODELS}{model}/"


def files_prefix(model: str) -> str:
    """Prefix of the content-addressed files of one model."""
    return f"{model_prefix(model)}files/"


def file_key(model: str, sha256: str, name: str) -> str:
    """Key of a content-addressed file."""
    return f"{files_prefix(model)}{sha256}/{name}"


def releases_prefix(model: str) -> str:
    """Prefix of the release manifests of one model."""
    return f"{model_prefix(model)}releases/"


def manifest_key(model: str, version: str) -> str:
    """Key of a release manifest: the commit point of a release."""
    return f"{releases_prefix(model)}{version}.json"


def channels_prefix(model: str) -> str:
    """Prefix of the channels of one model."""
    return f"{model_prefix(model)}channels/"


def log_prefix(model: str, channel: str) -> str:
    """Prefix of a channel's promotion log."""
    return f"{channels_prefix(model)}{channel}/log/"


def entry_key(model: str, channel: str, sequence: int) -> str:
    """Key of one entry of a channel's log; twelve digits, so that key order is sequence order."""
    return f"{log_prefix(model, channel)}{sequence:012d}.json"


def head_key(model: str, channel: str) -> str:
    """Key of the disposable hint at a channel's last entry."""
    return f"{channels_prefix(model)}{channel}/HEAD"


def yanked_prefix(model: str) -> str:
    """Prefix of the tombstones of one model."""
    return f"{model_prefix(model)}yanked/"


def tombstone_key(model: str, version: str) -> str:
    """Key of a tombstone."""
    return f"{yanked_prefix(model)}{version}.json"


def notices_prefix(model: str) -> str:
    """Prefix of the notices of those who delete orphans of one model."""
    return f"{model_prefix(model)}collections/"


def notice_key(model: str, notice_id: str) -> str:
    """Key of a notice: somebody deletes orphans of the model right now."""
    return f"{notices_prefix(model)}{notice_id}.json"


def needs_prefix(consumer: str) -> str:
    """Prefix of what one consumer states about its needs."""
    return f"{CONSUMERS}{consumer}/"


def needs_key(consumer: str, statement_id: str) -> str:
    """Key of a consumer statement."""
    return f"{needs_prefix(consumer)}{statement_id}.json"


def is_file_key(key: str, model: str) -> bool:
    """Whether `key` has the form of a content-addressed file of `model`."""
    digest, _, name = key.removeprefix(files_prefix(model)).partition("/")
    named = len(name) <= MAX_FILE_NAME and re.fullmatch(FILE_PATTERN, name) is not None
    return key.startswith(files_prefix(model)) and named and re.fullmatch(DIGEST_PATTERN, digest) is not None


def stem(key: str, prefix: str) -> str | None:
    """The version or sequence in a key such as `<prefix>2.1.0.json`; None for a key of another form."""
    name = key.removeprefix(prefix)
    return None if "/" in name or not name.endswith(".json") else name.removesuffix(".json")


def sequence(key: str, prefix: str) -> int | None:
    """The sequence in the key of a log entry; None for a key of another form."""
    digits = stem(key, prefix)
    return int(digits) if digits and _SEQUENCE.fullmatch(digits) else None
