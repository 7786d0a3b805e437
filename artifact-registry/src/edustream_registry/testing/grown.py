"""A registry as it looks after years: many releases of one model, each promoted once."""

from __future__ import annotations

import json
from collections.abc import Iterator

from edustream_contracts.canonical import sha256_hex
from edustream_registry import layout
from edustream_registry.channel import LogEntry
from edustream_registry.manifest import Manifest, ReleaseContent
from edustream_registry.writing import Author


def grown(
    author: Author, content: ReleaseContent, count: int, first: int = 1, channel: str = "production"
) -> Iterator[tuple[str, bytes]]:
    """Every object but the files of a model with `count` releases and promotions, as (key, bytes) in order of writing.

    All are signed and linked as the protocol says. The versions are 2.0.0, 2.0.1, ..., all with the same content. With
    `first` above 1 the ones before that are left out.
    """
    previous = None if first == 1 else sha256_hex(b"")
    for number in range(first, count + 1):
        version = f"2.0.{number - 1}"
        manifest = author.signer.sign(
            Manifest(
                version=version,
                content=content,
                published_at=author.now(),
                published_by=author.who,
                write_id=author.write_id(),
            ).payload()
        )
        yield layout.manifest_key(content.model, version), manifest
        entry = author.signer.sign(
            LogEntry(
                model=content.model,
                channel=channel,
                sequence=number,
                version=version,
                manifest_digest=sha256_hex(manifest),
                previous=previous,
                promoted_at=author.now(),
                promoted_by=author.who,
                reason="retrained",
                write_id=author.write_id(),
            ).payload()
        )
        yield layout.entry_key(content.model, channel, number), entry
        previous = sha256_hex(entry)
    yield layout.head_key(content.model, channel), json.dumps({"sequence": count}).encode()
