"""The gate as clients meet it: keys, limits, foreign origins."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from clients import client_of, problem_of
from consumers import ConsumerBench
from edustream_contracts.errors import InvalidInput
from edustream_registry.lending import lent
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.testclient import TestClient

from edustream_api import log, worker
from edustream_api.access.gate import Access
from edustream_api.access.key_file import KeyFile, change
from edustream_api.access.keys import KeyRing, new_key
from edustream_api.access.quota import Quota
from edustream_api.consumer import Consumer, assemble
from edustream_api.request_context import API_KEY
from edustream_api.settings import ConsumerSettings

SHOP, LAB, OLD = "edk_shop", "edk_lab", "edk_old"
PROTECTED = [
    "/health",
    "/metrics",
    "/model",
    "/contract",
    "/models",
    "/models/churn",
    "/docs",
    "/openapi.json",
    "/nowhere",
]
PROBES = ["/health/live", "/health/ready", "/models/churn/health/ready"]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
def keys_file(bench: ConsumerBench, tmp_path: Path) -> Path:
    now = bench.registry.clock()
    keys = (
        new_key(SHOP, "shop", now, quota=Quota(3, 3600)),
        new_key(LAB, "lab", now, models=["housing"]),
        new_key(OLD, "old", now, expires_at=now + timedelta(hours=1)),
    )
    path = tmp_path / "keys.json"
    path.write_bytes(KeyRing(keys).to_json())
    return path


Serve = Callable[..., TestClient]


@pytest.fixture
def serve(bench: ConsumerBench) -> Iterator[Serve]:
    bench.release("1.0.0")
    with ExitStack() as stack:
        yield lambda **changes: stack.enter_context(client_of(bench.consumer(**changes)))


@pytest.fixture
def worker_environ(
    bench: ConsumerBench, keys_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """What a parent leaves its workers, and lends them; the registry is that of `bench`."""
    # pytest keeps the log of its own.
    monkeypatch.setattr(log, "configure", lambda: None)
    # pytest's own folders have paths that are too long for a socket.
    with TemporaryDirectory(prefix="lent-") as folder:
        environ = {
            "REGISTRY_URL": "s3://models",
            "EDUSTREAM_CACHE_DIR": str(tmp_path / "cache"),
            "EDUSTREAM_API_KEYS_FILE": str(keys_file),
            worker.LENDER: f"{folder}/lender",
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        with lent(Path(folder) / "lender", bench.registry.store, bench.registry.trust):
            yield


def access_of(client: TestClient) -> Access:
    access = client.app._access  # type: ignore[attr-defined]
    assert isinstance(access, Access)
    return access


def test_without_keys_limits_and_origins_there_is_no_gate(bench: ConsumerBench) -> None:
    assert bench.consumer().app._access is None


class TestKeys:
    @pytest.mark.parametrize("headers", [bearer(OLD), {"authorization": f"bearer  {OLD} "}, {"x-api-key": OLD}])
    def test_admit(self, serve: Serve, keys_file: Path, row: dict[str, Any], headers: dict[str, str]) -> None:
        client = serve(api_keys_file=str(keys_file))
        assert client.post("/predict", json=row, headers=headers).status_code == 200
        assert client.post("/predict/batch", json={"rows": [row]}, headers=headers).status_code == 200

    @pytest.mark.parametrize("path", PROTECTED)
    def test_are_needed_for_what_is_no_probe(self, serve: Serve, keys_file: Path, path: str) -> None:
        client = serve(api_keys_file=str(keys_file))
        response = client.get(path)
        document = problem_of(response, 401)
        assert document["type"] == "urn:edustream:problem:unauthorized"
        assert response.headers["www-authenticate"] == 'Bearer realm="edustream"'
        assert client.get(path, headers=bearer(OLD)).status_code in (200, 404)

    def test_are_needed_for_predictions(self, serve: Serve, keys_file: Path, row: dict[str, Any]) -> None:
        client = serve(api_keys_file=str(keys_file))
        for path, body in (("/predict", row), ("/predict/batch", {"rows": [row]}), ("/models/churn/predict", row)):
            problem_of(client.post(path, json=body), 401)

    @pytest.mark.parametrize("path", PROBES)
    def test_are_not_needed_by_probes(self, serve: Serve, keys_file: Path, path: str) -> None:
        client = serve(api_keys_file=str(keys_file))
        assert client.get(path).status_code == 200

    def test_are_not_needed_where_paths_are_open(self, serve: Serve, keys_file: Path) -> None:
        client = serve(api_keys_file=str(keys_file), open_paths=("/metrics", "/models"))
        assert client.get("/metrics").status_code == 200
        assert client.get("/models/churn").status_code == 200
        for path in ("/metricsx", "/model"):
            problem_of(client.get(path), 401)

    @pytest.mark.parametrize(
        ("headers", "error"),
        [
            (bearer("edk_other"), "invalid_token"),
            ({"x-api-key": ""}, "invalid_token"),
            (bearer(""), "invalid_token"),
            ({"x-api-key": "\xff"}, "invalid_token"),
            ({**bearer(OLD), "x-api-key": OLD}, "invalid_request"),
        ],
    )
    def test_refuse_any_other(self, serve: Serve, keys_file: Path, headers: dict[str, str], error: str) -> None:
        client = serve(api_keys_file=str(keys_file))
        encoded = {name: value.encode("latin-1") for name, value in headers.items()}
        response = client.get("/model", headers=encoded)  # type: ignore[arg-type]
        problem_of(response, 401)
        assert response.headers["www-authenticate"] == f'Bearer realm="edustream", error="{error}"'

    def test_credentials_of_a_proxy_are_no_key(self, serve: Serve, keys_file: Path) -> None:
        client = serve(api_keys_file=str(keys_file))
        basic = {"authorization": "Basic dXNlcjpwYXNz"}
        assert client.get("/model", headers={**basic, "x-api-key": OLD}).status_code == 200
        assert client.get("/model", headers=basic).headers["www-authenticate"] == 'Bearer realm="edustream"'

    def test_are_good_for_their_models_alone(self, serve: Serve, keys_file: Path, row: dict[str, Any]) -> None:
        client = serve(api_keys_file=str(keys_file))
        for path in ("/predict", "/models/churn/predict"):
            document = problem_of(client.post(path, json=row, headers=bearer(LAB)), 403)
            assert document["detail"] == "The key lab is good for housing, not for churn."
        problem_of(client.get("/model", headers=bearer(LAB)), 403)
        assert client.get("/models", headers=bearer(LAB)).status_code == 200
        problem_of(client.get("/models/housing", headers=bearer(LAB)), 404)

    def test_expire(self, serve: Serve, bench: ConsumerBench, keys_file: Path) -> None:
        client = serve(api_keys_file=str(keys_file))
        assert client.get("/model", headers=bearer(OLD)).status_code == 200
        bench.registry.clock.advance(3600)
        problem_of(client.get("/model", headers=bearer(OLD)), 401)

    def test_are_revoked_and_added_without_a_restart(self, serve: Serve, keys_file: Path) -> None:
        client = serve(api_keys_file=str(keys_file))
        keys = access_of(client).keys
        assert keys is not None
        change(keys_file, lambda ring: replace(ring, keys=ring.keys[:1]))
        keys.look()
        problem_of(client.get("/model", headers=bearer(OLD)), 401)
        assert client.get("/model", headers=bearer(SHOP)).status_code == 200
        change(keys_file, lambda ring: KeyRing())
        keys.look()
        problem_of(client.get("/model", headers=bearer(SHOP)), 401)

    def test_that_cannot_be_read_stand_in_health(self, serve: Serve, keys_file: Path) -> None:
        client = serve(api_keys_file=str(keys_file))
        assert client.get("/health", headers=bearer(OLD)).json()["api_keys"]["keys"] == 3
        keys_file.write_text("{")
        keys = access_of(client).keys
        assert keys is not None
        keys.look()
        told = client.get("/health", headers=bearer(OLD)).json()
        assert told["api_keys"]["error"].startswith("The file of API keys cannot be used.")
        assert told["rate_limits"] == {"counted_in": "memory"}

    def test_that_cannot_be_read_at_the_start_keep_it_from_starting(self, bench: ConsumerBench, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match="cannot be read"):
            bench.consumer(api_keys_file=str(tmp_path / "nowhere"))

    @pytest.mark.usefixtures("worker_environ")
    def test_that_a_worker_cannot_read_admit_nobody_until_it_can(
        self, bench: ConsumerBench, keys_file: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.release("1.0.0")
        keys = keys_file.read_bytes()
        keys_file.write_text("{")
        with TestClient(worker.worker_app()) as client:
            assert {client.get(path).status_code for path in PROBES} == {200}
            problem_of(client.get("/model", headers=bearer(SHOP)), 401)
            assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [
                "api_keys_unreadable"
            ]
            keys_file.write_bytes(keys)
            file = access_of(client).keys
            assert file is not None
            file.look()
            assert client.get("/model", headers=bearer(SHOP)).status_code == 200

    def test_leak_nowhere(
        self, serve: Serve, keys_file: Path, row: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        client = serve(api_keys_file=str(keys_file), access_log=True)
        told = []
        for headers in (bearer(OLD), bearer("edk_unknown"), {"x-api-key": LAB}, {**bearer(OLD), "x-api-key": OLD}):
            response = client.post("/predict", json={**row, "tenure": -1}, headers=headers)
            told += [response.text, str(response.headers)]
        told += [json.dumps(vars(record), default=str) for record in caplog.records]
        told += [client.get(path, headers=bearer(OLD)).text for path in ("/health", "/metrics")]
        assert not [text for text in told if "edk_" in text]

    def test_the_name_of_the_key_goes_with_the_request(self, keys_file: Path, bench: ConsumerBench) -> None:
        access = Access(keys=KeyFile(keys_file, bench.registry.clock))
        headers = [(b"x-api-key", OLD.encode())]
        scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/model", "headers": headers}

        async def nothing(*_: Any) -> Any:
            raise AssertionError

        import asyncio

        admission = asyncio.run(access.admit(scope, nothing))
        assert (admission.refused, scope["state"]) == (None, {API_KEY: "old"})


class TestLimits:
    def test_of_a_key(self, serve: Serve, keys_file: Path, row: dict[str, Any]) -> None:
        client = serve(api_keys_file=str(keys_file))
        for left in (2, 1, 0):
            response = client.post("/predict", json=row, headers=bearer(SHOP))
            assert response.status_code == 200
            assert response.headers["ratelimit-policy"] == '"requests";q=3;w=3600'
            assert response.headers["ratelimit"].startswith(f'"requests";r={left};t=')
        response = client.get("/model", headers=bearer(SHOP))
        problem_of(response, 429)
        assert 1 <= int(response.headers["retry-after"]) <= 3600
        assert response.headers["ratelimit"] == f'"requests";r=0;t={response.headers["retry-after"]}'
        unlimited = client.get("/model", headers=bearer(OLD))
        assert unlimited.status_code == 200
        assert "ratelimit" not in unlimited.headers

    def test_of_the_consumer_are_those_of_keys_without_one(self, serve: Serve, keys_file: Path) -> None:
        client = serve(api_keys_file=str(keys_file), rate_limit="2/hour")
        statuses = [client.get("/model", headers=bearer(OLD)).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert client.get("/model", headers=bearer(SHOP)).headers["ratelimit-policy"] == '"requests";q=3;w=3600'

    def test_refused_requests_and_failed_ones_say_what_is_left(self, serve: Serve) -> None:
        client = serve(rate_limit="9/hour")
        assert client.post("/predict", json={}).headers["ratelimit"].startswith('"requests";r=8;t=')
        assert client.get("/nowhere").headers["ratelimit"].startswith('"requests";r=7;t=')

    def test_a_batch_is_one_request(self, serve: Serve, row: dict[str, Any]) -> None:
        client = serve(rate_limit="2/hour")
        response = client.post("/predict/batch", json={"rows": [row] * 50})
        assert response.headers["ratelimit"].startswith('"requests";r=1;t=')

    def test_without_keys_are_those_of_an_address(self, bench: ConsumerBench) -> None:
        bench.release("1.0.0")
        consumer = bench.consumer(rate_limit="1/hour")

        def status(host: str) -> int:
            return TestClient(consumer.app, client=(host, 50000)).get("/models").status_code

        assert [status("192.0.2.1"), status("192.0.2.1"), status("192.0.2.2")] == [200, 429, 200]
        # One customer's addresses are one caller.
        assert [status("2001:db8::1"), status("2001:db8::2"), status("2001:db8:0:1::1")] == [200, 429, 200]
        assert [status("::ffff:192.0.2.7"), status("::ffff:192.0.2.8"), status("192.0.2.8")] == [200, 200, 429]
        assert status("2001:db8::1, 10.0.0.1") == 200

    def test_count_no_probe(self, serve: Serve) -> None:
        client = serve(rate_limit="1/hour", open_paths=("/metrics",))
        for path in (*PROBES, "/metrics"):
            assert [client.get(path).status_code for _ in range(3)] == [200] * 3
        assert client.get("/models").status_code == 200

    @pytest.mark.parametrize(
        "address",
        [
            "http://:secret@here",
            "redis://:secret@here/0",
            "redis://:secret@here:1?db=x",
            "redis://:secret@here:1/0?foo=bar",
            "redis://:secret@here:1/0?protocol=5",
            "redis://:secret@here:1/0?retry=x",
            "redis://:secret@here:1/0?encoding=x",
            "redis://:secret@here:1/0?credential_provider=x",
            "redis://:secret@here:1/0?redis_connect_func=x",
            "redis://:secret@here:1/0?event_dispatcher=x",
            "redis://:secret@here:1/0?maint_notifications_config=x",
            "redis://:secret@here:1/0?ssl_cert_reqs=none",
            "rediss://:secret@here:1/0?ssl_min_version=5",
            "rediss://:secret@here:1/0?ssl_ca_certs=/secret/nowhere",
            "unix:///secret/redis.sock",
            "redis://:secret@here:1/abc",
            "redis://:secret@here:1/-1",
        ],
    )
    def test_a_redis_address_that_is_none_keeps_it_from_starting_and_is_not_repeated(
        self, bench: ConsumerBench, address: str
    ) -> None:
        settings = ConsumerSettings(cache_dir=bench.directory / "cache", rate_limit="1/hour")
        registry = bench.registry
        with pytest.raises(InvalidInput, match="REDIS_URL is no address") as caught:
            assemble(settings, registry.reader, {"REDIS_URL": address}, registry.clock)
        assert "secret" not in str(caught.value)


class TestOrigins:
    HERE = "https://shop.example"
    FOREIGN = "https://evil.example"

    def preflight(self, client: TestClient, origin: str, **changes: str) -> Any:
        asked = {"origin": origin, "access-control-request-method": "POST"}
        return client.options("/predict", headers={**asked, **changes})

    def test_are_off_by_default(self, shared_client: TestClient) -> None:
        response = shared_client.get("/models", headers={"origin": self.FOREIGN, "cookie": "a=b"})
        assert not [name for name in response.headers if name.startswith("access-control")]
        problem_of(self.preflight(shared_client, self.FOREIGN), 405)

    def test_that_are_allowed_may_read(self, serve: Serve, row: dict[str, Any]) -> None:
        client = serve(cors_origins=(self.HERE,))
        answered = client.post("/predict", json=row, headers={"origin": self.HERE})
        refused = client.post("/predict", json={}, headers={"origin": self.HERE})
        for response, status in ((answered, 200), (refused, 422)):
            assert response.status_code == status
            assert response.headers["access-control-allow-origin"] == self.HERE
            assert "Origin" in response.headers["vary"]
            assert "retry-after" in response.headers["access-control-expose-headers"]
            assert "access-control-allow-credentials" not in response.headers

    @pytest.mark.parametrize("allowed", [(HERE,), ("*",)])
    @pytest.mark.parametrize("origin", [FOREIGN, "null", f"{HERE}.evil.example", HERE.upper()])
    def test_foreign_ones_are_never_reflected(self, serve: Serve, allowed: tuple[str, ...], origin: str) -> None:
        client = serve(cors_origins=allowed)
        for response in (
            client.get("/models", headers={"origin": origin, "cookie": "a=b"}),
            self.preflight(client, origin),
        ):
            assert response.headers.get("access-control-allow-origin") in ({None} if allowed != ("*",) else {"*"})
            assert "access-control-allow-credentials" not in response.headers

    def test_preflights_need_no_key_and_are_counted(self, serve: Serve, keys_file: Path) -> None:
        client = serve(cors_origins=(self.HERE,), api_keys_file=str(keys_file))
        response = self.preflight(
            client, self.HERE, **{"access-control-request-headers": "authorization, content-type, x-api-key"}
        )
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == self.HERE
        assert {"authorization", "x-api-key"} <= set(response.headers["access-control-allow-headers"].split(", "))
        assert response.headers["access-control-allow-methods"] == "GET, POST"
        assert response.headers["x-request-id"]
        for changes in (
            {"access-control-request-method": "DELETE"},
            {"access-control-request-headers": "x-other"},
        ):
            assert self.preflight(client, self.HERE, **changes).status_code == 400
        text = client.get("/metrics", headers=bearer(OLD)).text
        assert 'edustream_requests_total{route="/predict",status="200"} 1.0' in text
        assert 'edustream_requests_total{route="/predict",status="400"} 2.0' in text

    def test_may_send_and_read_every_field_that_means_something_here(self, serve: Serve) -> None:
        client = serve(cors_origins=(self.HERE,), split_key="x-caller")
        asked = "authorization, content-type, inference-header-content-length, traceparent, tracestate, x-api-key, "
        headers = {"access-control-request-headers": f"{asked}x-caller, x-request-id", "x-request-id": "mine"}
        response = self.preflight(client, self.HERE, **headers)
        assert (response.status_code, response.headers["x-request-id"]) == (200, "mine")
        problem = self.preflight(client, self.HERE, **{"access-control-request-headers": "x-split-key"})
        assert problem.status_code == 400
        exposed = client.get("/models", headers={"origin": self.HERE}).headers["access-control-expose-headers"]
        assert set(exposed.split(", ")) == {
            "inference-header-content-length",
            "ratelimit",
            "ratelimit-policy",
            "retry-after",
            "traceresponse",
            "www-authenticate",
            "x-edustream-side",
            "x-request-id",
        }

    def test_pages_can_read_that_a_key_is_missing(self, serve: Serve, keys_file: Path) -> None:
        client = serve(cors_origins=(self.HERE,), api_keys_file=str(keys_file))
        response = client.get("/model", headers={"origin": self.HERE})
        problem_of(response, 401)
        assert response.headers["access-control-allow-origin"] == self.HERE


@pytest.mark.usefixtures("worker_environ")
def test_a_worker_that_can_be_no_consumer_says_why_in_its_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("EDUSTREAM_CONTRACT", "nowhere.json")
    with pytest.raises(SystemExit) as caught:
        worker.worker_app()
    assert caught.value.code == 2
    (record,) = caplog.records
    assert (record.levelno, record.message, record.exc_info) == (logging.ERROR, "worker_cannot_start", None)
    assert "nowhere.json" in record.fact  # type: ignore[attr-defined]


def test_refusals_are_counted(serve: Serve, keys_file: Path) -> None:
    client = serve(api_keys_file=str(keys_file))
    for headers, count in (({}, 1), (bearer(LAB), 2), (bearer(SHOP), 5)):
        for _ in range(count):
            client.get("/model", headers=headers)
    client.get("/nowhere")
    text = client.get("/metrics", headers=bearer(OLD)).text
    for kind, count in (("unauthorized", 2), ("forbidden", 2), ("rate-limited", 2)):
        assert f'edustream_refusals_total{{kind="{kind}"}} {count}.0' in text
    assert 'edustream_requests_total{route="/model",status="401"} 1.0' in text
    assert 'edustream_requests_total{route="other",status="401"} 1.0' in text


@pytest.mark.parametrize(("keys", "limits"), [(True, True), (False, True), (False, False)])
def test_the_openapi_document_says_what_is_needed(serve: Serve, keys_file: Path, *, keys: bool, limits: bool) -> None:
    changes: dict[str, Any] = {"api_keys_file": str(keys_file)} if keys else {}
    changes |= {"rate_limit": "1000/hour"} if limits else {"cors_origins": ("*",)}
    document = serve(**changes).get("/openapi.json", headers=bearer(OLD)).json()
    OpenAPIV31SpecValidator(document).validate()
    predict = document["paths"]["/predict"]["post"]
    live = document["paths"]["/health/live"]["get"]
    assert ("securitySchemes" in document["components"]) is keys
    assert ("security" in predict) is keys
    assert {"401", "403", "429"} & set(predict["responses"]) == ({"401", "403"} if keys else set()) | (
        {"429"} if limits else set()
    )
    assert "security" not in live
    assert not {"401", "403", "429"} & set(live["responses"])


def test_a_consumer_leaves_redis_when_it_stops(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    consumer: Consumer = bench.consumer(rate_limit="1/hour")
    left = []
    access = consumer.app._access
    assert access is not None
    assert access.limits is not None

    class Limits:
        async def aclose(self) -> None:
            left.append(True)

    access.limits = Limits()  # type: ignore[assignment]
    with TestClient(consumer.app):
        assert left == []
    assert left == [True]
