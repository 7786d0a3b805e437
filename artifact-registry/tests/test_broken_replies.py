"""An answer that breaks off is no answer, however the connection ends: real sockets, real client."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from scripted_server import ScriptedServer, Silence, Step, scripted_server

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.errors import OutcomeUnknown, Unreachable
from edustream_registry import downloading, layout
from edustream_registry.channel import Tombstone
from edustream_registry.downloading import download
from edustream_registry.local_server import HOST
from edustream_registry.manifest import ReleaseFile
from edustream_registry.reading import ReleaseReader
from edustream_registry.s3_client import Patience
from edustream_registry.s3_store import S3Store
from edustream_registry.settings import RegistrySettings
from edustream_registry.testing.simulator import RegistrySimulator
from edustream_registry.writing import create

HASTY = Patience(connect_timeout_s=2, read_timeout_s=0.5, attempts=3, budget_s=60, pause_s=0, max_pause_s=0)
PART = 1000
DATA = bytes(number % 251 for number in range(10 * PART + 1))
FILE = ReleaseFile(name="model.onnx", size=len(DATA), sha256=sha256_hex(DATA))
KEY = layout.file_key("churn", FILE.sha256, FILE.name)

breaks = pytest.mark.parametrize("how", Silence, ids=lambda how: how.name)


@pytest.fixture(scope="module")
def session() -> Any:
    return boto3.session.Session("mykey", "mysecret", region_name="us-east-1")


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch, session: Any) -> None:
    monkeypatch.setattr("edustream_registry.s3_store.make_session", lambda _: session)
    monkeypatch.setattr("edustream_registry.s3_store.READING", HASTY)
    monkeypatch.setattr("edustream_registry.s3_store.WRITING", HASTY)
    monkeypatch.setattr(downloading, "PART_BYTES", PART)
    monkeypatch.setattr(downloading, "MAX_WAIT_S", 0.0)


def store_on(server: ScriptedServer) -> S3Store:
    return S3Store(
        RegistrySettings("bucket", "", f"http://{HOST}:{server.port}", access_key_id="mykey", secret_access_key="s")
    )


READS: dict[str, Callable[[S3Store], Any]] = {
    "get": lambda store: store.get(KEY, FILE.size),
    "get, as much as came": lambda store: store.get(KEY, FILE.size // 2),
    "get, more": lambda store: store.get(KEY, 2 * FILE.size),
    "range": lambda store: store.read_range(KEY, 0, FILE.size),
    "range past the end": lambda store: store.read_range(KEY, PART, FILE.size),
    "stream": lambda store: list(store.stream(KEY)),
    "listing": lambda store: list(store.list("models/")),
}


@breaks
def test_half_an_answer_is_none(how: Silence) -> None:
    # Enough for every attempt: a machine under load may need more of them.
    with scripted_server(*[Step(how, halfway=True)] * len(READS) * HASTY.attempts) as server:
        # The first half of this listing could pass for a whole one.
        server.objects = {f"/bucket/{KEY}": DATA, "/bucket": b"<ListBucketResult/>".ljust(100)}
        store = store_on(server)
        for name, read in READS.items():
            with pytest.raises(Unreachable) as caught:
                read(store)
            assert caught.value.kind == "connection", name


@breaks
@pytest.mark.parametrize("broken", [1, 2])
def test_a_download_survives_a_part_that_breaks_off(
    how: Silence, broken: int, registry: RegistrySimulator, tmp_path: Path
) -> None:
    with scripted_server(*[Step(how, halfway=True)] * broken) as server:
        server.objects[f"/bucket/{KEY}"] = DATA
        reader = ReleaseReader(store_on(server), registry.trust, registry.clock)

        download(reader, "churn", FILE, tmp_path / FILE.name)

    assert (tmp_path / FILE.name).read_bytes() == DATA
    assert len(server.requests) == 11 + broken


@breaks
def test_a_download_whose_parts_go_on_breaking_off_keeps_what_came(
    how: Silence, registry: RegistrySimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "PARTS_IN_FLIGHT", 1)
    with scripted_server(*[Step(how, halfway=True)] * downloading.ATTEMPTS) as server:
        server.objects[f"/bucket/{KEY}"] = DATA
        partial = tmp_path / f".partial-{FILE.name}"
        partial.write_bytes(DATA[: 5 * PART])
        reader = ReleaseReader(store_on(server), registry.trust, registry.clock)
        with pytest.raises(Unreachable):
            download(reader, "churn", FILE, tmp_path / FILE.name)

    assert partial.read_bytes() == DATA[: 5 * PART]


@breaks
def test_a_write_whose_readback_breaks_off_may_have_landed(how: Silence, registry: RegistrySimulator) -> None:
    script = [Step(Silence.RESET, lands=True), Step(412, "PreconditionFailed"), Step(how, halfway=True)]
    with scripted_server(*script) as server:
        author = registry.author_with(registry.signer, ReleaseReader(store_on(server), registry.trust, registry.clock))
        key = layout.tombstone_key("churn", "1.0.0")
        tombstone = Tombstone(
            model="churn", version="1.0.0", yanked_at=author.now(), yanked_by="me", reason="x", write_id="f" * 32
        )
        with pytest.raises(OutcomeUnknown):
            create(author, key, tombstone)

    assert server.requests == ["PUT", "PUT", "GET"]
    assert f"/bucket/{key}" in server.objects
