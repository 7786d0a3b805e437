from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

from clients import client_of, keeper_of
from consumers import ConsumerBench
from exposition import samples
from inference_requests import request

from edustream_api.events import Swapped


def test_tells_build_start_and_requests_under_way(bench: ConsumerBench) -> None:
    with client_of(bench.consumer()) as client:
        text = client.get("/metrics").text
    versions = f'onnxruntime="{version("onnxruntime")}",python="{platform.python_version()}",version="0.1.0"'
    assert f"edustream_build_info{{{versions}}} 1.0" in text
    assert "process_start_time_seconds " in text
    # The scrape itself.
    assert "edustream_requests_in_progress 1.0" in text


def test_a_swap_is_timed_and_dated(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    consumer = bench.consumer()
    with client_of(consumer) as client:
        bench.registry.clock.advance(60)
        bench.release("1.1.0")
        keeper_of(consumer).poll()
        told = samples(client)
    assert told["edustream_swap_duration_seconds_count[('model', 'churn')]"] == 2
    moment = bench.registry.clock().timestamp()
    assert told["edustream_last_swap_timestamp_seconds[('model', 'churn')]"] == moment


def test_what_a_swap_took_is_told_of_the_local_copy_too(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    bench.keeper().start()
    bench.events.clear()
    bench.registry.store.cut_off = True
    bench.keeper().start()
    (swapped,) = [event for event in bench.events if isinstance(event, Swapped)]
    assert swapped.seconds > 0


def test_a_batch_is_counted_by_its_rows_if_it_was_answered(bench: ConsumerBench, row: dict[str, Any]) -> None:
    bench.release("1.0.0")
    with client_of(bench.consumer()) as client:
        batches: list[list[dict[str, Any]]] = [[row] * 3, [row] * 40, [{}], [row, {}]]
        for rows in batches:
            client.post("/predict/batch", json={"rows": rows})
        client.post("/predict", json=row)
        for path in ("/v2/models/churn/infer", "/v2/models/churn/versions/1.0.0/infer"):
            assert client.post(path, json=request([row] * 7)).status_code == 200
        assert client.post("/v2/models/churn/infer", json=request([{**row, "tenure": -1}])).status_code == 422
        told = samples(client)
    assert told["edustream_batch_rows_count[('model', 'churn')]"] == 4
    assert told["edustream_batch_rows_sum[('model', 'churn')]"] == 57
    assert told["edustream_requests_total[('route', '/predict/batch'), ('status', '200')]"] == 2
    assert told["edustream_requests_total[('route', '/predict/batch'), ('status', '422')]"] == 2
