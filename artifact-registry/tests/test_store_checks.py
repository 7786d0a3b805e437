"""What the doctor asks of a store, of stores that keep their promises, and of stores that break one each."""

from __future__ import annotations

import dataclasses
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from faulty_proxy import Answer, Fault, Forward, Request
from store_faults import (
    answers_beyond_the_end,
    answers_every_head,
    behind,
    checks_then_acts,
    clock_of,
    confuses_losers,
    damages_large_files,
    finds_everything,
    forgets_heads,
    has_no_parts,
    honest,
    ignores_ranges,
    keeps_another_body,
    lets_nobody_create,
    listing_ends_after_a_page,
    lists_backwards,
    lists_what_is_not_there,
    misstates_lengths,
    refuses_and_overwrites,
    refuses_ranges_that_go_beyond_the_end,
    says_yes_to_everything,
    serves_unfinished_writes,
    stale_lists,
    stale_reads,
    strips_the_precondition,
    tells_no_time,
    without_parameters,
)

from edustream_registry import store_checks
from edustream_registry.examination import Finding, Verdict
from edustream_registry.reading import utc_now
from edustream_registry.s3_client import WRITING
from edustream_registry.settings import RegistrySettings
from edustream_registry.store_checks import Bench, Check, Effort
from edustream_registry.store_probe import StoreProbe

EFFORT = Effort(racers=8, rounds=3, samples=3)


def finding(check: Check, settings: RegistrySettings, **more: Any) -> Finding:
    probe = StoreProbe(settings)
    folder = f"models/_doctor/{uuid.uuid4().hex}/"
    return store_checks.run(check, Bench(probe, probe.fresh(), folder, EFFORT, more.get("clock", utc_now)))


FAULTS: list[tuple[Check, Callable[[], Fault], str]] = [
    (store_checks.create_race, lambda: strips_the_precondition, "8 were told that they won"),
    (store_checks.create_race, lambda: checks_then_acts, "were told that they won"),
    (store_checks.create_race, lambda: says_yes_to_everything, "8 were told that they won"),
    (store_checks.create_race, lambda: lets_nobody_create, r"0 were told that they won \(8 x 412\)"),
    (store_checks.create_race, lambda: confuses_losers, "losers got no usable reply"),
    (store_checks.create_race, lambda: serves_unfinished_writes, "readable while no write was complete"),
    (store_checks.create_race, lambda: keeps_another_body, "does not hold what the winner wrote"),
    (store_checks.second_create, lambda: strips_the_precondition, "answered with 200 instead of 412"),
    (store_checks.second_create, lambda: refuses_and_overwrites, "changed the object all the same"),
    (store_checks.second_create, lambda: confuses_losers, "gave no usable reply"),
    (store_checks.second_create, lambda: lets_nobody_create, "nothing speaks against was answered with 412"),
    (store_checks.missing, lambda: says_yes_to_everything, "GET of a key that was never written finds something"),
    (store_checks.missing, lambda: forgets_heads, "an answer lacks 'ContentLength'"),
    (store_checks.missing, lambda: answers_every_head, "HEAD of a key that was never written finds something"),
    (store_checks.missing, lambda: lists_what_is_not_there, "where nothing was written shows keys"),
    (store_checks.visible_at_once, stale_lists, "did not see exactly what was written in a listing"),
    (store_checks.visible_at_once, stale_reads, "did not read object 1 after it was written"),
    (store_checks.visible_at_once, lambda: finds_everything, "is there before it was written"),
    (store_checks.overwrite, stale_reads, "read something else after overwrite 2"),
    (store_checks.overwrite, lambda: misstates_lengths, "was told another length after overwrite 1"),
    (store_checks.listing, lambda: without_parameters("prefix"), "is not the keys of the folder"),
    (store_checks.listing, lambda: without_parameters("start-after"), "does not begin after it"),
    (store_checks.listing, lambda: without_parameters("delimiter"), "does not show the folders"),
    (store_checks.listing, lambda: lists_backwards, "is not the keys of the folder in order"),
    (store_checks.listing, lambda: listing_ends_after_a_page, "in pages of 2 is not the keys"),
    (store_checks.large_file, lambda: ignores_ranges, "no download can be resumed"),
    (store_checks.large_file, lambda: refuses_ranges_that_go_beyond_the_end, "shorter than its manifest states"),
    (store_checks.large_file, lambda: answers_beyond_the_end, "not refused with 416"),
    (store_checks.large_file, lambda: damages_large_files, "with another digest"),
    (store_checks.large_file, lambda: misstates_lengths, "HEAD says 1 bytes"),
    (store_checks.large_file, lambda: has_no_parts, "to write .* in parts"),
    (store_checks.clock_skew, lambda: clock_of(timedelta(hours=1)), "3[56].. s ahead of this machine"),
    (store_checks.clock_skew, lambda: clock_of(timedelta(hours=-1)), "3[56].. s behind this machine"),
]


@pytest.mark.parametrize(
    ("check", "fault", "said"), FAULTS, ids=[f"{check.__name__}-{said[:24]}" for check, _, said in FAULTS]
)
def test_a_broken_promise_is_found(
    upstream: RegistrySettings, check: Check, fault: Callable[[], Fault], said: str
) -> None:
    with behind(fault(), upstream) as settings:
        found = finding(check, settings)

    assert found.verdict is Verdict.UNSAFE
    assert re.search(said, found.detail), found.detail


@pytest.mark.parametrize("check", store_checks.ALL, ids=lambda check: check.__name__)
def test_a_kept_promise_is_found_kept(upstream: RegistrySettings, check: Check) -> None:
    with behind(honest, upstream) as settings:
        found = finding(check, settings)

    # A machine under load may make a loser wait, which is a warning.
    assert found.verdict not in {Verdict.UNSAFE, Verdict.SKIPPED}, found.detail
    assert found.check == check.__name__.replace("_", " ")


def test_what_the_protocol_does_not_need_condemns_nobody(upstream: RegistrySettings) -> None:
    """moto takes a wrong checksum; the proxy demands conditions and refuses checksums."""

    def demanding(request: Request, forward: Forward) -> Answer:
        denied = b"<Error><Code>AccessDenied</Code></Error>"
        if request.method == "PUT" and not request.creates and "/releases/" in request.path:
            return Answer(403, body=denied)
        if "checksum" in request.path and request.method == "PUT":
            return Answer(400, body=b"<Error><Code>BadDigest</Code></Error>")
        return forward(request)

    assert "takes a body whose stated SHA-256 is wrong" in finding(store_checks.checksums, upstream).detail
    assert "lets this key overwrite" in finding(store_checks.demands_condition, upstream).detail
    with behind(demanding, upstream) as settings:
        assert finding(store_checks.checksums, settings).detail == "refuses a body whose stated SHA-256 is wrong"
        assert "refuses to overwrite a manifest" in finding(store_checks.demands_condition, settings).detail


def test_a_body_that_was_refused_and_kept_is_told(upstream: RegistrySettings) -> None:
    def keeps(request: Request, forward: Forward) -> Answer:
        found = forward(request)
        if "checksum" in request.path and request.method == "PUT":
            return Answer(400, body=b"<Error><Code>BadDigest</Code></Error>")
        return found

    with behind(keeps, upstream) as settings:
        assert "stores the body all the same" in finding(store_checks.checksums, settings).detail


def test_a_clock_that_is_a_little_off_is_a_warning(upstream: RegistrySettings) -> None:
    with behind(clock_of(timedelta(seconds=20)), upstream) as settings:
        found = finding(store_checks.clock_skew, settings)

    assert found.verdict is Verdict.WARNING
    assert "ahead of this machine; set the clock that is wrong" in found.detail
    assert found.figures["date_skew_s"] > 5


def test_a_store_that_tells_no_time_is_a_warning(upstream: RegistrySettings) -> None:
    with behind(tells_no_time, upstream) as settings:
        assert finding(store_checks.clock_skew, settings).verdict is Verdict.WARNING


def test_latency_is_told_in_milliseconds(upstream: RegistrySettings) -> None:
    figures = finding(store_checks.latency, upstream).figures

    assert set(figures) == {f"{name}_{what}_ms" for name in ("get", "put", "list") for what in ("median", "p95")}
    assert all(value > 0 for value in figures.values())


def test_losers_that_wait_longer_than_clients_do_are_a_warning(
    upstream: RegistrySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_checks, "WRITING", dataclasses.replace(WRITING, read_timeout_s=0.0))

    assert finding(store_checks.create_race, upstream).verdict is Verdict.WARNING
