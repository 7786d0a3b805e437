"""The first request that `doctor` and `init` send: what it tells of an unusable store, and how long it waits."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from bucket_double import SETTINGS
from conftest import settings_in
from faulty_proxy import Answer, proxy
from scripted_server import ScriptedServer, Silence, Step, scripted_server

from edustream_contracts.errors import Unreachable
from edustream_registry import store_probe
from edustream_registry.local_server import HOST, RunningServer
from edustream_registry.s3_client import READING, Patience, make_client
from edustream_registry.settings import RegistrySettings
from edustream_registry.store_doctor import StoreDoctor
from edustream_registry.store_probe import StoreProbe


def examined(settings: RegistrySettings) -> Unreachable:
    """Why the doctor cannot examine a store."""
    with pytest.raises(Unreachable) as caught:
        StoreDoctor(settings).examine()
    return caught.value


def test_a_missing_bucket_is_told_with_the_next_step(
    moto_server: RunningServer, seaweedfs_server: RunningServer
) -> None:
    for server in (moto_server, seaweedfs_server):
        error = examined(dataclasses.replace(settings_in(server.admin_env), bucket="nobucket"))

        assert error.kind == "bucket_missing"
        assert "'nobucket'" in error.fact
        assert "edustream-registry init" in error.remedy


def test_whatever_answers_404_has_no_bucket() -> None:
    with proxy("http://127.0.0.1:1", lambda *_: Answer(404, body=b"<html>nothing here</html>")) as address:
        error = examined(dataclasses.replace(SETTINGS, endpoint_url=address))

    assert error.kind == "bucket_missing"
    assert f"s3://models at {address} answers 404" in error.fact


@pytest.mark.parametrize("wrong", [{"access_key_id": "unknown"}, {"secret_access_key": "mistyped"}], ids=str)
def test_a_key_that_the_store_does_not_know_is_told_as_such(
    seaweedfs_server: RunningServer, wrong: dict[str, Any]
) -> None:
    error = examined(dataclasses.replace(settings_in(seaweedfs_server.admin_env), **wrong))

    assert error.kind == "credentials_refused"


def asks(server: ScriptedServer) -> StoreProbe:
    return StoreProbe(dataclasses.replace(SETTINGS, endpoint_url=f"http://{HOST}:{server.port}"))


def test_the_first_request_waits_as_a_reader_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as an examining request does, for which a slow answer is one: who never answers is told soon."""
    used: list[Patience] = []

    def brief(service: str, settings: RegistrySettings, patience: Patience, session: Any) -> Any:
        used.append(patience)
        return make_client(service, settings, dataclasses.replace(patience, read_timeout_s=0.05), session)

    monkeypatch.setattr(store_probe, "make_client", brief)

    with scripted_server(*[Step(Silence.WAIT)] * 9) as server, pytest.raises(Unreachable, match="no usable reply"):
        asks(server).server_time()

    assert used[-1] == READING
    assert server.requests == ["GET"] * READING.attempts
