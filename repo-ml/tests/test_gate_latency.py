from __future__ import annotations

from itertools import accumulate, chain, count

from edustream_ml.gates.latency import CALLS, WARM_UP_CALLS, one_row_ms


def test_the_median_is_taken_of_the_calls_after_the_first_ones() -> None:
    calls: list[int] = []
    clock = count(step=1_500_000)
    assert one_row_ms(lambda: calls.append(1), lambda: next(clock)) == 1.5
    assert len(calls) == CALLS + WARM_UP_CALLS


def test_a_few_pauses_of_the_machine_do_not_count() -> None:
    durations = [2_000_000] * (CALLS - 5) + [500_000_000] * 5
    ends = accumulate(durations)
    readings = chain.from_iterable((end - duration, end) for duration, end in zip(durations, ends, strict=True))
    assert one_row_ms(lambda: None, lambda: next(readings)) == 2.0
