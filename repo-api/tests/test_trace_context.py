"""W3C Trace Context level 1, sentence by sentence: https://www.w3.org/TR/trace-context-1/"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edustream_api import trace_context
from edustream_api.trace_context import MAX_TRACESTATE

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{PARENT}-01"


def test_reads_the_example_of_the_recommendation() -> None:
    found = trace_context.read(VALID, "congo=t61rcWkgMzE, rojo=00f067aa0ba902b7")
    assert found is not None
    assert (found.trace_id, found.parent_id, found.flags) == (TRACE, PARENT, "01")
    assert found.tracestate == "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"


def test_every_request_has_a_span_of_its_own() -> None:
    spans = {found.span_id for _ in range(1000) if (found := trace_context.read(VALID))}
    assert len(spans) == 1000
    assert {PARENT, "0" * 16}.isdisjoint(spans)
    assert {len(span) for span in spans} == {16}


def test_the_answer_names_this_servers_span() -> None:
    found = trace_context.read(VALID)
    assert found is not None
    assert found.traceresponse == f"00-{TRACE}-{found.span_id}-01"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        VALID[:-1],
        f"{VALID}0",
        f"{VALID}-",
        f"{VALID}-future",
        f" {VALID}",
        f"{VALID}\n",
        VALID.upper(),
        VALID.replace("00-", "ff-", 1),
        VALID.replace("00-", "0x-", 1),
        VALID.replace("-", "_"),
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-0g",
        f"00-{TRACE[:-1]}\u0661-{PARENT}-01",
        f"01-{TRACE}-{PARENT}-01future",
        f"{VALID}, {VALID}",
    ],
)
def test_ignores_what_is_not_valid(header: str) -> None:
    assert trace_context.read(header) is None


@pytest.mark.parametrize("header", [f"01-{TRACE}-{PARENT}-01", f"cc-{TRACE}-{PARENT}-01-what-the-future-holds"])
def test_reads_of_later_versions_what_it_knows(header: str) -> None:
    found = trace_context.read(header)
    assert found is not None
    assert found.trace_id == TRACE
    assert found.traceresponse.startswith("00-")


@pytest.mark.parametrize(("flags", "told"), [("00", "00"), ("01", "01"), ("ff", "01"), ("fe", "00")])
def test_passes_on_the_one_flag_that_there_is(flags: str, told: str) -> None:
    found = trace_context.read(f"00-{TRACE}-{PARENT}-{flags}")
    assert found is not None
    assert found.flags == told


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        ("a=1", "a=1"),
        ("a=1,,b=2, ", "a=1,b=2"),
        ("\ta=1 ,\tb=2", "a=1,b=2"),
        ("fw529a3039@dt=x", "fw529a3039@dt=x"),
        ("0tenant@v=1", "0tenant@v=1"),
        ("a=in side", "a=in side"),
        (f"a={'x' * 256}", f"a={'x' * 256}"),
        (f"a={'x' * 257}", ""),
        ("0a=1", ""),
        ("A=1", ""),
        ("a=", ""),
        ("a", ""),
        ("a =1", ""),
        ("a=1=2", ""),
        ("a=\u00e9", ""),
        ("a=1,a=2", ""),
        ("a=1,bad key=2", ""),
        ("a@b@c=1", ""),
        (f"{'k' * 257}=1", ""),
        (f"t@{'v' * 15}=1", ""),
        (",".join(f"k{number}=1" for number in range(32)), ",".join(f"k{number}=1" for number in range(32))),
        (",".join(f"k{number}=1" for number in range(33)), ""),
        (",".join(f"key{number}={'x' * 100}" for number in range(6)), ""),
    ],
)
def test_a_tracestate_is_kept_whole_or_dropped_and_harms_no_trace(header: str, kept: str) -> None:
    found = trace_context.read(VALID, header)
    assert found is not None
    assert found.tracestate == kept


@given(st.text(), st.text())
def test_reads_any_text(traceparent: str, tracestate: str) -> None:
    trace_context.read(traceparent)
    found = trace_context.read(VALID, tracestate)
    assert found is not None
    assert len(found.tracestate) <= MAX_TRACESTATE
