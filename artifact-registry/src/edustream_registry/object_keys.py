"""Says what a key of a registry is for; the inverse of `layout`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from edustream_registry import layout
from edustream_registry.names import is_name, is_version


class KeyKind(Enum):
    """The kinds of objects in a registry (PROTOCOL.md, section 3)."""

    REGISTRY = "registry"
    FILE = "file"
    MANIFEST = "manifest"
    ENTRY = "log entry"
    HEAD = "head"
    TOMBSTONE = "tombstone"
    NOTICE = "notice"
    CONSUMER_STATEMENT = "consumer statement"


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """What a key says: the kind, whose it is, and the last part of it: a version, a sequence, an id or a file name."""

    kind: KeyKind
    model: str = ""
    channel: str = ""
    name: str = ""
    consumer: str = ""


_ID: Final = re.compile(r"[0-9a-f]{32}")


def parse_key(key: str) -> ObjectKey | None:
    """What `key` is for; None for a key of a form that the protocol does not know."""
    if key == layout.REGISTRY:
        return ObjectKey(KeyKind.REGISTRY)
    match key.split("/"):
        case ["consumers", consumer, name] if is_name(consumer) and _is_id(name):
            return ObjectKey(KeyKind.CONSUMER_STATEMENT, name=name.removesuffix(".json"), consumer=consumer)
        case ["models", model, *_] if is_name(model):
            return _of_model(key, model)
    return None


def _of_model(key: str, model: str) -> ObjectKey | None:
    match key.removeprefix(layout.model_prefix(model)).split("/"):
        case ["files", _, name] if layout.is_file_key(key, model):
            return ObjectKey(KeyKind.FILE, model, name=name)
        case ["releases", _]:
            return _versioned(KeyKind.MANIFEST, key, model, layout.releases_prefix(model))
        case ["yanked", _]:
            return _versioned(KeyKind.TOMBSTONE, key, model, layout.yanked_prefix(model))
        case ["collections", name] if _is_id(name):
            return ObjectKey(KeyKind.NOTICE, model, name=name)
        case ["channels", channel, "HEAD"] if is_name(channel):
            return ObjectKey(KeyKind.HEAD, model, channel)
        case ["channels", channel, "log", _] if is_name(channel):
            sequence = layout.sequence(key, layout.log_prefix(model, channel))
            return ObjectKey(KeyKind.ENTRY, model, channel, str(sequence)) if sequence else None
    return None


def _versioned(kind: KeyKind, key: str, model: str, prefix: str) -> ObjectKey | None:
    version = layout.stem(key, prefix)
    return ObjectKey(kind, model, name=version) if version and is_version(version) else None


def _is_id(name: str) -> bool:
    return name.endswith(".json") and _ID.fullmatch(name.removesuffix(".json")) is not None
