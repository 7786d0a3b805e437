"""A challenger in the shadow: sampled, bounded, compared, and of no consequence to the champion."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import cycle
from math import log, log1p
from pathlib import Path
from random import Random
from typing import Any

import pytest
from challenged import CHALLENGER_SCALE, CHAMPION_SCALE, challenge, forgetful
from consumers import ConsumerBench
from edustream_contracts.contract import contract_from
from edustream_registry.inference.session import Inference
from edustream_registry.testing.onnx_models import constant_model, tenure_probability

from edustream_api.challenger.comparison import Comparison, Failure
from edustream_api.challenger.shadow import BATCH_ROWS, QUEUE_ROWS, ROUND_ROWS, Shadow, _outcomes
from edustream_api.keeper import Keeper
from edustream_api.loading import ServedModel
from edustream_api.worker_files import WorkerFiles

ALONE = WorkerFiles(None, "shadow")
SEED = 20


class Pair:
    """A champion and a challenger that are looked for, and a shadow of everything that is asked."""

    def __init__(self, bench: ConsumerBench, *, sample: float = 1.0, files: WorkerFiles = ALONE, **pins: Any) -> None:
        self.champion: Keeper = bench.keeper()
        self.challenger: Keeper = bench.keeper("churn@candidate", **pins)
        self.champion.start()
        self.challenger.start()
        self.shadow = Shadow(self.champion, self.challenger, sample, files, Random(SEED).random)
        self._row = bench.contract.example()

    @property
    def serving(self) -> ServedModel:
        serving = self.champion.snapshot.serving
        assert serving is not None
        return serving

    def answer(self, *tenures: int, by: ServedModel | None = None) -> None:
        rows = [{**self._row, "tenure": tenure} for tenure in tenures]
        champion = by or self.serving
        self.shadow.note(champion, rows, champion.inference.answers(rows))

    def compared(self) -> Comparison:
        self.shadow.score()
        found = self.told()
        assert found is not None
        return found

    def told(self) -> Comparison | None:
        return self.shadow.comparison(self.champion.snapshot.serving, self.challenger.snapshot.serving)


@pytest.fixture
def pair(bench: ConsumerBench) -> Pair:
    challenge(bench)
    return Pair(bench)


def test_answers_are_compared(pair: Pair) -> None:
    tenures = (0, 1, 2, 40, 120)
    pair.answer(*tenures)
    found = pair.compared()
    assert (found.champion, found.challenger, found.compared, found.failed, found.dropped) == (
        "1.0.0",
        "1.1.0",
        5,
        0,
        0,
    )
    agreement = found.agreement()
    assert agreement is not None
    # Both say No to a tenure of 0, where the probability is a half; then they contradict each other.
    assert agreement["share"] == 1 / 5
    apart = [tenure_probability(one, CHALLENGER_SCALE) - tenure_probability(one, CHAMPION_SCALE) for one in tenures]
    differences = found.differences()["probability"]
    assert differences["mean"] == pytest.approx(sum(apart) / 5, abs=1e-6)
    assert differences["max_absolute"] == pytest.approx(max(apart), abs=1e-6)


def test_both_are_timed_on_the_same_rows(pair: Pair) -> None:
    pair.answer(*range(BATCH_ROWS + 1))
    latency = pair.compared().latency()
    assert [one["rows"] for one in latency.values()] == [2, 2]
    assert all(one["mean"] > 0 for one in latency.values())


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_each_row_is_sampled_with_the_same_probability(bench: ConsumerBench, batch: int) -> None:
    challenge(bench)
    pair = Pair(bench, sample=0.1)
    rows, sampled = 20_000, 0
    answers = [{"prediction": "No", "probability": 0.1}] * batch
    numbers = cycle(range(rows))
    for _ in range(rows // batch):
        chosen = [{"tenure": next(numbers)} for _ in range(batch)]
        pair.shadow.note(pair.serving, chosen, answers)
        sampled += len(pair.shadow._queue)
        pair.shadow._queue.clear()
    assert abs(sampled - rows // batch * batch * 0.1) < 4 * (rows * 0.1 * 0.9) ** 0.5


@pytest.mark.parametrize("sample", [0.3, 1e-3, 1e-17])
@pytest.mark.parametrize("longer", [0.9, 0.5, 0.1, 1e-6])
def test_gaps_are_those_of_independent_draws(
    bench: ConsumerBench, monkeypatch: pytest.MonkeyPatch, sample: float, longer: float
) -> None:
    """A gap has g rows or more with the probability (1 - sample) ** g."""
    challenge(bench)
    shadow = Pair(bench, sample=sample).shadow
    monkeypatch.setattr(shadow, "_uniform", lambda: 1.0 - longer)
    gap = shadow._skipped()
    assert gap * log1p(-sample) >= log(longer) * (1 + 1e-9)
    assert (gap + 1) * log1p(-sample) <= log(longer) * (1 - 1e-9)


def test_a_sample_of_one_leaves_no_row_out(bench: ConsumerBench) -> None:
    challenge(bench)
    pair = Pair(bench, sample=1.0)
    pair.answer(*range(100))
    assert len(pair.shadow._queue) == 100


@pytest.mark.parametrize("sample", [1e-17, 5e-324])
def test_a_tiny_sample_takes_hardly_any_row(bench: ConsumerBench, sample: float) -> None:
    challenge(bench)
    pair = Pair(bench, sample=sample)
    pair.answer(*range(100))
    assert not pair.shadow._queue


def test_rows_are_dropped_and_counted_where_it_is_behind(pair: Pair) -> None:
    pair.answer(*[1] * (QUEUE_ROWS + 5))
    found = pair.compared()
    assert (found.compared, found.dropped) == (ROUND_ROWS, 5)
    for _ in range(QUEUE_ROWS // ROUND_ROWS):
        found = pair.compared()
    assert (found.compared, found.dropped) == (QUEUE_ROWS, 5)


def test_rows_that_were_dropped_of_one_pair_are_not_told_of_the_next(bench: ConsumerBench, pair: Pair) -> None:
    pair.answer(1)
    assert pair.compared().dropped == 0
    pair.answer(*[1] * (QUEUE_ROWS + 5))
    bench.release("1.2.0", promote=False)
    bench.registry.promote("churn", "1.2.0", "candidate")
    pair.challenger.poll()
    assert pair.compared().dropped == 0
    while pair.shadow._queue:
        pair.shadow.score()
    pair.answer(*[1] * (QUEUE_ROWS + 3))
    assert pair.compared().dropped == 3


def test_a_row_that_the_challenger_fails_on_is_reported_and_the_others_count(bench: ConsumerBench) -> None:
    challenge(bench, **forgetful(bench))
    pair = Pair(bench)
    pair.answer(1, 2, 110, 3, 111)
    pair.answer(112)
    found = pair.compared()
    assert (found.compared, found.failed) == (3, 3)
    # Neither the tenure nor what the runtime says of it.
    assert found.last_failure == "churn@1.1.0 has no usable answer (InvalidArgument)"


def test_an_answer_that_is_none_is_reported_by_its_kind(bench: ConsumerBench, pair: Pair) -> None:
    challenger = pair.challenger.snapshot.serving
    assert challenger is not None
    content = challenger.release.manifest.content
    broken = Inference(constant_model(bench.contract, float("nan")), content, bench.contract)
    assert _outcomes(replace(challenger, inference=broken), [bench.contract.example()]) == [
        Failure("churn@1.1.0 has no usable answer (AnswerUnusable)")
    ]


def test_rows_that_the_challengers_contract_does_not_accept_are_reported(bench: ConsumerBench) -> None:
    document = json.loads(json.dumps(bench.contract.document))
    document["input"]["properties"]["tenure"]["maximum"] = 100
    narrow = contract_from(document)
    bench.release("1.0.0")
    bench.release("2.0.0", contract=narrow, golden=bench.golden(-0.05)[:2], promote=False)
    bench.registry.promote("churn", "2.0.0", "candidate")
    pair = Pair(bench, pin=narrow)
    pair.answer(1, 119, 2)
    found = pair.compared()
    assert (found.compared, found.failed) == (2, 1)
    assert found.last_failure == "the contract of churn@2.0.0 does not accept /tenure"
    pair.answer(119)
    assert pair.compared().failed == 2


@pytest.mark.parametrize("channel", ["production", "candidate"])
def test_counts_start_anew_when_either_release_changes(bench: ConsumerBench, pair: Pair, channel: str) -> None:
    pair.answer(1, 2)
    assert pair.compared().compared == 2
    pair.answer(3)
    bench.release("1.2.0", promote=False)
    bench.registry.promote("churn", "1.2.0", channel)
    pair.champion.poll()
    pair.challenger.poll()
    found = pair.told()
    assert found is not None
    assert (found.compared, "1.2.0" in (found.champion, found.challenger)) == (0, True)
    pair.answer(4, 5, 6)
    # What the champion before answered is about no pair that serves.
    assert pair.compared().compared == (3 if channel == "production" else 4)


def test_a_row_that_was_answered_before_a_swap_and_noted_after_it_throws_no_counts_away(
    bench: ConsumerBench, pair: Pair
) -> None:
    before = pair.serving
    bench.release("1.2.0")
    pair.champion.poll()
    pair.answer(1, 2)
    pair.answer(3, by=before)
    pair.answer(4)
    found = pair.compared()
    assert (found.champion, found.compared) == ("1.2.0", 3)


def test_a_challenger_that_is_yanked_changes_nothing_of_the_champion(bench: ConsumerBench, pair: Pair) -> None:
    pair.answer(1)
    pair.compared()
    bench.registry.yank("churn", "1.1.0")
    pair.challenger.poll()
    pair.answer(2)
    found = pair.compared()
    assert (found.challenger, found.compared) == ("1.1.0", 1)
    assert pair.champion.snapshot.state.serves
    assert not pair.challenger.snapshot.state.serves


def test_without_a_challenger_there_is_nothing_to_tell(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    pair = Pair(bench)
    pair.answer(1)
    pair.shadow.score()
    assert pair.told() is None
    pair.shadow.show()


def test_what_workers_counted_is_added_up(bench: ConsumerBench, tmp_path: Path) -> None:
    challenge(bench)
    pair = Pair(bench, files=WorkerFiles(tmp_path, "shadow.churn"))
    pair.answer(1, 2)
    pair.compared()
    pair.shadow.show()
    (shown,) = tmp_path.glob("*.json")
    shown.rename(tmp_path / "shadow.churn.1.json")
    pair.answer(3)
    assert pair.compared().compared == 5
    counts = json.loads((tmp_path / "shadow.churn.1.json").read_bytes())
    (tmp_path / "shadow.churn.2.json").write_text(json.dumps({**counts, "pair": ["another", "pair"]}))
    assert pair.compared().compared == 5
    assert len(pair.shadow.pollers()) == 2
