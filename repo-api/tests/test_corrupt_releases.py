"""Releases that are damaged by the time they are promoted: refused by who runs and by who starts, until a good one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from edustream_contracts.canonical import canonical_json
from edustream_registry import layout
from processes import Registry, exit_of, started

SERVED = "1.0.0"
GOOD = "1.0.1"
DAMAGED = "1.1.0"


@dataclass(frozen=True)
class Damage:
    """What happens to one object of the release, and the kind of the refusal."""

    key: Callable[[Registry], str]
    change: Callable[[bytes], bytes]
    kind: str


def model(registry: Registry) -> str:
    return registry.file_key(DAMAGED, "model.onnx")


def manifest(registry: Registry) -> str:
    return layout.manifest_key("churn", DAMAGED)


def one_bit(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def cut_short(data: bytes) -> bytes:
    return data[:-1]


def signature_reversed(data: bytes) -> bytes:
    envelope = json.loads(data)
    (signature,) = envelope["signatures"]
    signature["signature"] = signature["signature"][::-1]
    return canonical_json(envelope)


DAMAGES = {
    "changed bytes": Damage(model, one_bit, "digest"),
    "a file cut short": Damage(model, cut_short, "digest"),
    "a broken signature": Damage(manifest, signature_reversed, "signature"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_release_is_refused_by_who_runs_and_who_starts_and_a_good_one_heals(
    registry: Registry, row: dict[str, Any], damage: Damage
) -> None:
    registry.release(SERVED)
    registry.publish(GOOD, scale=-0.06)
    with started(registry) as running:
        with running.paused():
            registry.release(DAMAGED, scale=0.05)
            registry.change(damage.key(registry), damage.change)
        assert running.until("release_refused")["kind"] == damage.kind
        running.until_polled("refused")
        assert running.version(row) == SERVED
        health = running.health()
        assert (health["state"], health["model_version"], health["error"]) == ("READY", SERVED, None)
        assert health["last_refusal"]["kind"] == damage.kind
        metrics = running.get("/metrics")
        assert f'edustream_rejections_total{{model="churn",reason="{damage.kind}"}} 1.0' in metrics
        assert 'edustream_state{model="churn",state="READY"} 1.0' in metrics
        assert f'version="{SERVED}"' in metrics

        registry.environ["EDUSTREAM_CACHE_DIR"] += "-empty"
        refused = exit_of(registry)
        assert refused.returncode == 4
        assert damage.key(registry) in refused.stderr
        with started(registry, "--wait") as waiting:
            assert waiting.reason(row) == "REJECTED"
            assert waiting.health()["error"]["kind"] == damage.kind
            registry.promote(GOOD)
            for process in (running, waiting):
                assert process.until("release_swapped")["version"] == GOOD
                assert process.version(row) == GOOD
