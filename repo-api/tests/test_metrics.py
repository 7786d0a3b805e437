from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from challenged import challenge
from consumers import ConsumerBench
from edustream_contracts.errors import Rejected
from exposition import samples
from starlette.testclient import TestClient

from edustream_api.events import Polled, PollResult, Refusal, Refused
from edustream_api.hosting import HostedModel, Hosting
from edustream_api.keeper import Keeper
from edustream_api.metrics import Metrics

WORKER = """
import os, sys
from edustream_api.metrics import Metrics
metrics = Metrics(os.environ)
metrics.observe("/predict", 200, 0.001)
"""


def hosting_of(keeper: Keeper) -> Hosting:
    return Hosting((HostedModel(keeper),))


def test_counts_requests_by_route_and_status(bench: ConsumerBench) -> None:
    metrics = Metrics({})
    for status in (200, 200, 422):
        metrics.observe("/predict", status, 0.002)
    text = metrics.render(hosting_of(bench.keeper())).decode()
    assert 'edustream_requests_total{route="/predict",status="200"} 2.0' in text
    assert 'edustream_requests_total{route="/predict",status="422"} 1.0' in text
    assert 'edustream_request_duration_seconds_count{route="/predict"} 3.0' in text


def test_counts_what_the_keeper_does(bench: ConsumerBench) -> None:
    metrics = Metrics({})
    listen = metrics.listener("churn")
    listen(Polled(PollResult.UNCHANGED))
    error = Rejected("digest", "A byte changed.", remedy="do not use it.")
    listen(Refused(Refusal(bench.registry.clock(), error)))
    text = metrics.render(hosting_of(bench.keeper())).decode()
    assert 'edustream_polls_total{model="churn",result="unchanged"} 1.0' in text
    assert 'edustream_rejections_total{model="churn",reason="digest"} 1.0' in text


def test_what_has_not_happened_yet_counts_nothing(bench: ConsumerBench) -> None:
    challenge(bench)
    consumer = bench.consumer(split=("candidate=5",))
    consumer.start()
    with TestClient(consumer.app) as client:
        seen = samples(client)
    for name in ("refusals", "rejections", "polls", "split_requests", "split_fallbacks"):
        counts = [value for key, value in seen.items() if key.startswith(f"edustream_{name}_total")]
        assert len(counts) > 1
        assert set(counts) == {0.0}
    assert seen["edustream_batch_rows_count[('model', 'churn')]"] == 0.0


def test_says_nothing_of_a_contact_that_there_was_not(bench: ConsumerBench) -> None:
    text = Metrics({}).render(hosting_of(bench.keeper())).decode()
    assert "edustream_staleness_seconds{" not in text
    assert 'edustream_state{model="churn",state="UNREACHABLE"} 1.0' in text
    assert "edustream_release_info{" not in text


def test_workers_share_one_set_of_counts(bench: ConsumerBench, tmp_path: Path) -> None:
    directory = tmp_path / "metrics"
    directory.mkdir()
    environ = {"PROMETHEUS_MULTIPROC_DIR": str(directory)}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", WORKER], env=environ, check=True)
    text = Metrics(environ).render(hosting_of(bench.keeper())).decode()
    assert 'edustream_requests_total{route="/predict",status="200"} 2.0' in text
