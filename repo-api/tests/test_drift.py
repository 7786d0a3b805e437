"""What was asked and answered against the release's profile: shifts are found, and nothing else is."""

from __future__ import annotations

import errno
import gc
import os
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from clients import client_of
from consumers import ConsumerBench
from drifting import drawn, profile, release
from edustream_contracts.contract import ModelContract, contract_from
from starlette.testclient import TestClient

from edustream_api.consumer import Consumer
from edustream_api.drift.monitor import DriftMonitor, FieldDrift, Thresholds, Verdict
from edustream_api.drift.pace import Pace
from edustream_api.drift.recorder import Recorder
from edustream_api.drift.reference import NoReference, Reference, Values, read_reference
from edustream_api.events import Swapped
from edustream_api.loading import ServedModel
from edustream_api.worker_files import WorkerFiles

ROWS = 1000


def asked(client: TestClient, rows: list[dict[str, Any]], path: str = "/predict/batch") -> None:
    for start in range(0, len(rows), 500):
        response = client.post(path, json={"rows": rows[start : start + 500]})
        assert response.status_code == 200, response.text


def verdicts(client: TestClient) -> dict[str, str]:
    return {name: field["verdict"] for name, field in client.get("/drift").json()["fields"].items()}


def served(consumer: Consumer) -> tuple[DriftMonitor, ServedModel]:
    (hosted,) = consumer.hosting.models
    assert hosted.drift is not None
    return hosted.drift, hosted.serving()


@pytest.fixture
def consumer(bench: ConsumerBench) -> Consumer:
    release(bench, "1.0.0")
    return bench.consumer()


def test_rows_like_the_reference_are_stable(consumer: Consumer, row: dict[str, Any]) -> None:
    with client_of(consumer) as client:
        asked(client, drawn(row, ROWS))
        drift = client.get("/drift").json()
    assert (drift["verdict"], drift["alarm"], drift["rows"], drift["window_rows"]) == ("stable", False, ROWS, 10_000)
    assert {name: field["verdict"] for name, field in drift["fields"].items()} == dict.fromkeys(
        ("tenure", "contract", "probability"), "stable"
    )
    assert drift["fields"]["tenure"]["of"] == "row"
    assert drift["fields"]["probability"]["of"] == "answer"
    assert all(0 < field["psi"] < field["psi_by_chance"] < 0.1 for field in drift["fields"].values())
    assert sum(entry["observed"] for entry in drift["fields"]["tenure"]["bins"]) == ROWS


def test_windows_without_a_shift_do_not_raise_the_alarm(contract: ModelContract) -> None:
    reference = read_reference(orjson.dumps(profile()), contract)
    for seed in range(100):
        rows = drawn(contract.example(), 500, seed)
        answers = [{"prediction": "No", "probability": 1 / (1 + 2.718281828459045 ** (r["tenure"] / 20))} for r in rows]
        values = Values(reference)
        values.add(rows, answers)
        for field, counts in zip(reference.fields, reference.split(values.binned()), strict=True):
            assert FieldDrift.of(field, counts, Thresholds(0.1, 0.25, 500)).verdict is Verdict.STABLE


def test_a_known_shift_is_found_in_the_field_that_shifted(consumer: Consumer, row: dict[str, Any]) -> None:
    with client_of(consumer) as client:
        asked(client, [{**one, "contract": "Two year"} for one in drawn(row, ROWS)])
        drift = client.get("/drift").json()
        assert (drift["verdict"], drift["alarm"]) == ("major_shift", True)
        assert verdicts(client) == {"tenure": "stable", "contract": "major_shift", "probability": "stable"}


def test_a_shift_of_a_feature_that_the_model_uses_is_one_of_the_prediction(
    consumer: Consumer, row: dict[str, Any]
) -> None:
    with client_of(consumer) as client:
        asked(client, [{**one, "tenure": one["tenure"] // 2} for one in drawn(row, ROWS)])
        assert verdicts(client) == {"tenure": "major_shift", "contract": "stable", "probability": "major_shift"}


@pytest.mark.parametrize("tenure", [60, 120])
def test_a_window_out_of_the_reference_s_range_raises_the_alarm(
    consumer: Consumer, row: dict[str, Any], tenure: int
) -> None:
    with client_of(consumer) as client:
        asked(client, [{**one, "tenure": tenure} for one in drawn(row, ROWS)])
        drift = client.get("/drift").json()
        metrics = client.get("/metrics").text
    assert drift["fields"]["tenure"]["verdict"] == "major_shift"
    assert drift["fields"]["tenure"]["bins"][-2] == {"bin": "60 or more", "reference": 0, "observed": ROWS}
    assert 'edustream_drift_alarm{field="tenure",model="churn"} 1.0' in metrics
    assert 'edustream_drift_alarm{field="contract",model="churn"} 0.0' in metrics
    assert f'edustream_drift_samples{{model="churn"}} {ROWS}.0' in metrics
    psi = drift["fields"]["tenure"]["psi"]
    assert f'edustream_drift_psi{{field="tenure",model="churn"}} {psi}' in metrics


def test_values_that_are_missing_raise_the_alarm(bench: ConsumerBench, row: dict[str, Any]) -> None:
    charges = {"kind": "numeric", "edges": [100.0, 1000.0], "counts": [2000, 2000, 1990], "missing": 10}
    release(bench, "1.0.0", profile(features={"total_charges": charges}))
    with client_of(bench.consumer()) as client:
        asked(client, [{**one, "total_charges": None} for one in drawn(row, ROWS)])
        field = client.get("/drift").json()["fields"]["total_charges"]
    assert (field["verdict"], field["bins"][-1]["observed"]) == ("major_shift", ROWS)


def test_a_category_that_the_reference_never_saw_raises_the_alarm(bench: ConsumerBench, row: dict[str, Any]) -> None:
    contracts = {"kind": "categorical", "categories": ["One year"], "counts": [6000], "missing": 0}
    release(bench, "1.0.0", profile(features={"contract": contracts}))
    with client_of(bench.consumer()) as client:
        asked(client, [{**one, "contract": "Two year"} for one in drawn(row, ROWS)])
        assert verdicts(client)["contract"] == "major_shift"


def test_few_rows_have_no_verdict_however_far_they_are(consumer: Consumer, row: dict[str, Any]) -> None:
    with client_of(consumer) as client:
        assert client.get("/drift").json()["fields"]["tenure"]["psi"] is None
        asked(client, [{**one, "tenure": 120} for one in drawn(row, 499)])
        drift = client.get("/drift").json()
        assert (drift["verdict"], drift["alarm"]) == ("too_few_rows", False)
        assert drift["fields"]["tenure"]["psi"] > 1
        client.post("/predict", json={**row, "tenure": 120})
        assert client.get("/drift").json()["alarm"]


def test_few_reference_rows_have_no_verdict_either(bench: ConsumerBench, row: dict[str, Any]) -> None:
    release(bench, "1.0.0", profile(rows=60))
    with client_of(bench.consumer()) as client:
        asked(client, [{**one, "tenure": 120} for one in drawn(row, ROWS)])
        field = client.get("/drift").json()["fields"]["tenure"]
    assert (field["verdict"], field["psi_by_chance"] > 0.1) == ("too_few_rows", True)


def test_batch_rows_count_as_single_ones(bench: ConsumerBench, consumer: Consumer, row: dict[str, Any]) -> None:
    rows = drawn(row, 60)
    with client_of(consumer) as client:
        for one in rows:
            assert client.post("/predict", json=one).status_code == 200
        singly = client.get("/drift").json()
    with client_of(bench.consumer()) as client:
        asked(client, rows)
        assert client.get("/models/churn/drift").json() == singly


@pytest.mark.parametrize("body", [b"{", b"{}", b'{"tenure": NaN}', b'{"rows": []}', b"[]"])
def test_a_bad_request_changes_nothing(consumer: Consumer, row: dict[str, Any], body: bytes) -> None:
    with client_of(consumer) as client:
        asked(client, drawn(row, 10))
        before = client.get("/drift").json()
        bad = [row, {**row, "tenure": 500}]
        for path in ("/predict", "/predict/batch"):
            assert client.post(path, content=body, headers={"content-type": "application/json"}).status_code >= 400
        assert client.post("/predict/batch", json={"rows": bad}).status_code == 422
        assert client.get("/drift").json() == before


def test_a_swap_begins_a_window_against_the_new_release(
    bench: ConsumerBench, consumer: Consumer, row: dict[str, Any]
) -> None:
    (hosted,) = consumer.hosting.models
    with client_of(consumer) as client:
        asked(client, drawn(row, 600))
        monitor, old = served(consumer)
        bench.registry.promote("churn", "1.0.0")
        hosted.keeper.poll()
        assert client.get("/drift").json()["rows"] == 600, "the same release was only promoted anew"
        release(bench, "1.1.0", profile(rows=1200), scale=0.05)
        hosted.keeper.poll()
        # A request that the old release still answers.
        monitor.observe(old, [row], [{"prediction": "No", "probability": 0.1}])
        drift = client.get("/drift").json()
        assert (drift["model_version"], drift["rows"], drift["reference_rows"]) == ("1.1.0", 0, 1200)
        asked(client, drawn(row, 600))
        assert client.get("/drift").json()["rows"] == 600
        assert verdicts(client)["probability"] == "major_shift", "the new release answers otherwise than its profile"
        assert isinstance(old.reference, Reference)
        assert monitor.compare(old.reference).rows == 0


def test_a_release_without_a_profile_serves_and_drift_says_why(bench: ConsumerBench, row: dict[str, Any]) -> None:
    bench.release("1.0.0")
    with client_of(bench.consumer()) as client:
        asked(client, [row])
        drift = client.get("/drift").json()
        assert (drift["verdict"], drift["reason"]) == (None, "The release has no profile.json.")
        assert "edustream_drift_psi{" not in client.get("/metrics").text


def test_drift_that_is_switched_off_says_so(bench: ConsumerBench, row: dict[str, Any]) -> None:
    release(bench, "1.0.0")
    consumer = bench.consumer(drift=False)
    assert consumer.hosting.models[0].observers == ()
    with client_of(consumer) as client:
        asked(client, [row])
        drift = client.get("/drift").json()
        assert (drift["model_version"], drift["verdict"]) == ("1.0.0", None)
        assert "start the consumer with --drift true" in drift["reason"]


def test_nothing_is_said_while_nothing_is_served(bench: ConsumerBench) -> None:
    with client_of(bench.consumer()) as client:
        assert client.get("/drift").status_code == 503


def test_each_of_several_models_has_its_own(bench: ConsumerBench, row: dict[str, Any]) -> None:
    release(bench, "1.0.0")
    fraud = contract_from({**bench.contract.document, "model": "fraud"})
    release(bench, "1.0.0", contract=fraud)
    with client_of(bench.consumer(model=("churn@production", "fraud@production"), contract="any")) as client:
        asked(client, drawn(row, 20), "/models/fraud/predict/batch")
        assert client.get("/drift").status_code == 404
        assert [client.get(f"/models/{model}/drift").json()["rows"] for model in ("churn", "fraud")] == [0, 20]
        assert 'edustream_drift_samples{model="fraud"} 20.0' in client.get("/metrics").text


@pytest.mark.parametrize("window", [10, 1000, 100_000])
@pytest.mark.parametrize("step", [1, 7, 500, 5000])
def test_rows_are_counted_alike_however_they_come(contract: ModelContract, window: int, step: int) -> None:
    reference = read_reference(orjson.dumps(profile()), contract)
    rows, answers = drawn(contract.example(), 5000), [{"prediction": "No", "probability": 0.3}] * 5000
    recorder = Recorder("digest", reference, window, 1, lambda: 0.0)
    for start in range(0, len(rows), step):
        recorder.take(rows[start : start + step], answers[start : start + step])
    recorded = recorder.recorded()
    kept = sum(block.rows for block in recorded)
    values = Values(reference)
    values.add(rows[5000 - kept :], answers[5000 - kept :])
    assert kept == {10: 9, 1000: 900, 100_000: 5000}[window]
    assert np.sum([block.counts for block in recorded], axis=0).tolist() == values.binned().tolist()


def test_nothing_grows_with_the_number_of_rows(contract: ModelContract) -> None:
    recorder = Recorder("digest", read_reference(orjson.dumps(profile()), contract), 1000, 1, lambda: 0.0)
    rows, answers = drawn(contract.example(), 500), [{"prediction": "No", "probability": 0.3}] * 500

    def record(times: int) -> None:
        for _ in range(times):
            recorder.take(rows, answers)
            recorder.recorded()

    tracemalloc.start()
    sizes = []
    for _ in range(3):
        record(100)
        # CPython keeps freed tuples until then.
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert max(sizes) - sizes[0] < 4096


def test_a_window_forgets_what_is_old(bench: ConsumerBench, row: dict[str, Any]) -> None:
    release(bench, "1.0.0")
    with client_of(bench.consumer(drift_window=1000)) as client:
        asked(client, [{**one, "tenure": 120} for one in drawn(row, ROWS)])
        assert verdicts(client)["tenure"] == "major_shift"
        asked(client, drawn(row, 1000))
        assert client.get("/drift").json()["rows"] <= 1000
        assert verdicts(client)["tenure"] == "stable"


def test_one_window_after_another_is_recorded_whole_and_then_so_many_rows_a_second(contract: ModelContract) -> None:
    now = [0.0]
    monitor = DriftMonitor(Thresholds(0.1, 0.25, 500), 1000, 100, 2, WorkerFiles(None, "drift"), lambda: now[0])
    pace = monitor._pace
    rows = drawn(contract.example(), 700)

    def recorded() -> int:
        kept, answers = pace.sample(rows, rows)
        assert kept == answers
        return len(kept)

    # A burst may reach one of the two workers alone; 100 rows a second are 50 of each.
    assert [recorded(), recorded(), recorded()] == [700, 700, 600]
    now[0] = 2.0
    assert [recorded(), recorded()] == [100, 0]
    now[0] = 1000.0
    assert [recorded(), recorded(), recorded()] == [700, 700, 600]


def test_rows_that_come_together_are_recorded_at_even_distances() -> None:
    # A burst is often sorted: neighbours are alike.
    rows: list[Mapping[str, Any]] = [{"number": number} for number in range(12)]
    draws = iter([0.0, 0.17, 0.99])
    for kept in ([0, 3, 6, 9], [2, 5, 8, 11], [11, 2, 5, 8]):
        assert [row["number"] for row in Pace(0.0, 4, lambda: 0.0, draws.__next__).sample(rows, rows)[0]] == kept


def test_every_row_has_the_same_chance_to_be_recorded() -> None:
    rows: list[Mapping[str, Any]] = [{"number": number} for number in range(8)]
    counts: Counter[int] = Counter()
    draws = iter([step / 80 for step in range(80)])
    for _ in range(80):
        kept, answers = Pace(0.0, 3, lambda: 0.0, draws.__next__).sample(rows, rows)
        assert kept == answers
        counts.update(row["number"] for row in kept)
    assert counts == dict.fromkeys(range(8), 30)


def test_rows_beyond_the_pace_leave_no_trace(bench: ConsumerBench, row: dict[str, Any]) -> None:
    release(bench, "1.0.0")
    with client_of(bench.consumer(drift_window=1000, drift_rows_per_second=1)) as client:
        asked(client, drawn(row, 2000))
        asked(client, [{**one, "tenure": 120} for one in drawn(row, ROWS)])
        assert verdicts(client)["tenure"] == "stable"


def test_what_other_workers_counted_is_added_unless_they_died_or_run_another_release(
    bench: ConsumerBench, row: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strangers, dead, parent = 2**22 + 1, dead_process(), os.getppid()

    def kill(process: int, number: int, kill: Callable[[int, int], None] = os.kill) -> None:
        if process == strangers:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        kill(process, number)

    monkeypatch.setattr(os, "kill", kill)
    release(bench, "1.0.0")
    directory = tmp_path / "shared"
    directory.mkdir()
    consumer = bench.consumer(environ={"PROMETHEUS_MULTIPROC_DIR": str(directory)}, workers=2)
    with client_of(consumer) as client:
        asked(client, drawn(row, 100))
        monitor, _ = served(consumer)
        monitor._show()
        (own,) = directory.glob("drift.churn.*.json")
        shown = orjson.loads(own.read_bytes())
        ((_, rows, counts), *_) = shown["blocks"]
        assert (shown["process"], rows, sum(counts)) == (os.getpid(), 100, 300)
        for process, changes in {
            strangers: {},
            dead: {},
            parent: {"release": "another"},
        }.items():
            path = directory / f"drift.churn.{process}.json"
            path.write_bytes(orjson.dumps({**shown, "process": process, **changes}))
        assert client.get("/drift").json()["rows"] == 100
        assert {path.name for path in directory.glob("drift.*")} == {own.name, f"drift.churn.{parent}.json"}
        (directory / f"drift.churn.{parent}.json").write_bytes(orjson.dumps({**shown, "process": parent}))
        assert client.get("/drift").json()["rows"] == 200
        assert 'edustream_drift_samples{model="churn"} 200.0' in client.get("/metrics").text


class WorkerFilesOf(WorkerFiles):
    """Those of a worker that is no process of its own: `number` stands for its process."""

    def __init__(self, directory: Path, number: int) -> None:
        super().__init__(directory, "drift")
        self._number = number

    def _file(self, process: int | str) -> str:
        return super()._file(self._number if process == os.getpid() else process)


@pytest.mark.parametrize("workers", [1, 4, 16])
def test_a_whole_window_of_shifted_rows_raises_the_alarm_whichever_worker_it_reaches(
    bench: ConsumerBench, consumer: Consumer, row: dict[str, Any], tmp_path: Path, workers: int
) -> None:
    consumer.start()
    _, model = served(consumer)
    now = iter(range(10**6))
    monitors = [
        DriftMonitor(Thresholds(0.1, 0.25, 500), 10_000, 0.0, workers, WorkerFilesOf(tmp_path, number), now.__next__)
        for number in range(workers)
    ]
    for monitor in monitors:
        monitor.listen(Swapped(None, model, bench.registry.clock(), 0.0))

    def reach(monitor: DriftMonitor, rows: list[dict[str, Any]]) -> None:
        for start in range(0, len(rows), 500):
            monitor.observe(model, rows[start : start + 500], model.inference.answers(rows[start : start + 500]))
        monitor._show()

    usual = drawn(row, 10_000)
    for number, monitor in enumerate(monitors):
        reach(monitor, usual[number::workers])
    assert isinstance(model.reference, Reference)
    assert monitors[-1].compare(model.reference).verdict == Verdict.STABLE
    # A caller that keeps its connection stays with one worker.
    reach(monitors[0], [{**one, "tenure": 45 + one["tenure"] % 15} for one in drawn(row, 10_000)])
    for monitor in monitors:
        drift = monitor.compare(model.reference)
        assert (drift.verdict, drift.rows >= 9000) == (Verdict.MAJOR_SHIFT, True)
    # Blocks of a tenth of the window would reach too far back where few rows come.
    recorder = monitors[0]._recorder
    assert recorder is not None
    assert max(block.rows for block in recorder.recorded()) == 1000 // workers


def test_what_a_worker_showed_before_a_release_without_a_profile_counts_no_more(
    bench: ConsumerBench, consumer: Consumer, row: dict[str, Any], tmp_path: Path
) -> None:
    consumer.start()
    _, model = served(consumer)
    one, other = (
        DriftMonitor(Thresholds(0.1, 0.25, 500), 10_000, 0.0, 2, WorkerFilesOf(tmp_path, number), lambda: 0.0)
        for number in range(2)
    )
    swapped = Swapped(None, model, bench.registry.clock(), 0.0)
    other.listen(swapped)
    rows = drawn(row, 500)
    other.observe(model, rows, model.inference.answers(rows))
    other._show()
    other.listen(replace(swapped, after=replace(model, reference=NoReference("There is none."))))
    other._show()
    one.listen(swapped)
    assert isinstance(model.reference, Reference)
    assert one.compare(model.reference).rows == 0


def dead_process() -> int:
    process = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], {})
    os.waitpid(process, 0)
    return process
