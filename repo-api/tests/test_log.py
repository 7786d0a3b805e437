from __future__ import annotations

import logging

from consumers import ConsumerBench
from logs import LogStream

from edustream_api import log


def test_one_json_object_an_event(bench: ConsumerBench, stream: LogStream) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper(listeners=[log.listener("churn")])
    keeper.start()
    bench.release("1.1.0", model=b"no model")
    keeper.poll()
    bench.registry.yank("churn", "1.0.0")
    keeper.poll()
    told = stream.lines()
    assert [(line["event"], line["level"]) for line in told] == [
        ("state_changed", "INFO"),
        ("release_swapped", "INFO"),
        ("release_refused", "ERROR"),
        ("state_changed", "ERROR"),
    ]
    assert (told[1]["version"], told[1]["version_before"]) == ("1.0.0", None)
    assert "timestamp" in told[0]


def test_a_line_stays_a_line(stream: LogStream) -> None:
    try:
        raise ZeroDivisionError("two\nlines")
    except ZeroDivisionError:
        logging.getLogger("edustream_api").exception("broken\nmessage", extra={"color_message": "red"})
    (line,) = stream.lines()
    assert "color_message" not in line
    assert "ZeroDivisionError" in line["exc_info"]


def test_golden_vectors_that_disagree_are_told_with_row_field_and_difference(
    bench: ConsumerBench, stream: LogStream
) -> None:
    bench.release("1.0.0", golden=bench.golden(scale=-0.06))
    bench.keeper(listeners=[log.listener("churn")]).start()
    refused = next(line for line in stream.lines() if line["event"] == "release_refused")
    assert refused["kind"] == "golden"
    assert "2 of 3 golden rows; the largest difference is 0.027" in refused["fact"]
    told = "/rows/1/output/probability: is 0.354343712 and was recorded as 0.327392983: 0.027 apart, 1e-05 allowed"
    assert told in refused["problems"]
