"""Releases whose contracts admit a tenure of more or fewer months, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from conftest import refusal

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.contract import ModelContract, contract_from
from edustream_contracts.errors import GateRefused
from edustream_registry import layout
from edustream_registry.manifest import ReleaseFile
from edustream_registry.publishing import Publication
from edustream_registry.testing.simulator import RegistrySimulator

Publish = Callable[..., Publication]
BREAKS = "{} breaks the contract of {}, which only a new major version may"
CHANGES = "{} changes the contract of {}, which a patch may not"
TENURE = "/input/properties/tenure/maximum"


def number(publication: Publication) -> str:
    return publication.manifest.version


def refused(call: Callable[[], Any]) -> str:
    """What a refused version is told."""
    category, kind, message = refusal(call)
    assert (category, kind) == (GateRefused, "version"), message
    return message


def contract_of(registry: RegistrySimulator, release: Publication) -> ModelContract:
    return contract_from(json.loads(registry.memory.objects[contract_key(release)]))


def contract_key(release: Publication) -> str:
    file = release.manifest.content.file("contract.json")
    return layout.file_key("churn", file.sha256, file.name)


def lose_contract(registry: RegistrySimulator, release: Publication) -> None:
    del registry.memory.objects[contract_key(release)]


def exchange_contract(
    registry: RegistrySimulator, release: Publication, data: bytes, digest: str | None = None
) -> None:
    """Let a release have been published with a contract.json of these bytes."""
    payload = release.manifest.payload()
    stated = ReleaseFile(name="contract.json", size=len(data), sha256=sha256_hex(data))
    files = [file for file in payload["content"]["files"] if file["name"] != stated.name]
    payload["content"] |= {"files": [*files, stated.model_dump()]} | ({"contract_digest": digest} if digest else {})
    registry.memory.objects[layout.file_key("churn", stated.sha256, stated.name)] = data
    registry.memory.objects[layout.manifest_key("churn", release.manifest.version)] = registry.signer.sign(payload)
    for channel in registry.reader.channels("churn"):
        registry.promote("churn", release.manifest.version, channel)


def rename(registry: RegistrySimulator, release: Publication, version: str) -> None:
    """Let a release have been published under another number."""
    payload = release.manifest.payload() | {"version": version}
    del registry.memory.objects[layout.manifest_key("churn", release.manifest.version)]
    registry.memory.objects[layout.manifest_key("churn", version)] = registry.signer.sign(payload)
