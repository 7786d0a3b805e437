"""The doctor on stores that keep their promises, and on stores that break one each."""

from __future__ import annotations

import dataclasses
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import settings_in
from faulty_proxy import Answer, Fault, Forward, Request, proxy

from edustream_contracts.errors import GateRefused, Unreachable
from edustream_registry import store_checks
from edustream_registry.connection import open_reader
from edustream_registry.examination import Examination, Finding, Verdict
from edustream_registry.local_server import RunningServer, free_ports
from edustream_registry.provisioning import Folders, Provisioner
from edustream_registry.reading import utc_now
from edustream_registry.s3_client import make_client
from edustream_registry.settings import RegistrySettings
from edustream_registry.store_checks import Bench, Check, Effort
from edustream_registry.store_doctor import StoreDoctor
from edustream_registry.store_probe import StoreProbe

EFFORT = Effort(racers=8, rounds=3, samples=3)
OK = Answer(200)


def exists(request: Request, forward: Forward) -> bool:
    """Whether the key of a write holds something; moto wants a signature, and does not look at it."""
    head = {name: request.headers[name] for name in ("Host", "Authorization")}
    return forward(Request("HEAD", request.path, head, lambda: b"")).status == 200


def honest(request: Request, forward: Forward) -> Answer:
    return forward(request)


def strips_the_precondition(request: Request, forward: Forward) -> Answer:
    return forward(request.without("If-None-Match"))


def checks_then_acts(request: Request, forward: Forward) -> Answer:
    if not request.creates:
        return forward(request)
    if exists(request, forward):
        return Answer(412)
    return forward(request.without("If-None-Match"))


def says_yes_to_everything(request: Request, forward: Forward) -> Answer:
    return OK


def refuses_and_overwrites(request: Request, forward: Forward) -> Answer:
    if request.creates and exists(request, forward):
        forward(request.without("If-None-Match"))
        return Answer(412)
    return forward(request)


def confuses_losers(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    return Answer(500) if found.status == 412 else found


def lets_nobody_create(request: Request, forward: Forward) -> Answer:
    return Answer(412) if request.creates else forward(request)


def serves_unfinished_writes(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    return Answer(200, body=b"racer") if request.method == "GET" and found.status == 404 else found


def keeps_another_body(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    if request.method == "GET" and found.body.startswith(b"racer"):
        return Answer(200, body=b"x")
    return found


def forgets_heads(request: Request, forward: Forward) -> Answer:
    return OK if request.method == "HEAD" else forward(request)


def answers_every_head(request: Request, forward: Forward) -> Answer:
    return Answer(200, {"Content-Length": "1"}) if request.method == "HEAD" else forward(request)


def finds_everything(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    return Answer(200, body=b"x") if request.method == "GET" and not request.lists and found.status == 404 else found


class ServesOldAnswers:
    """Answers what `stale` picks as it did three requests ago."""

    def __init__(self, stale: Callable[[Request], bool]) -> None:
        self._stale = stale
        self._kept: dict[str, tuple[Answer, int]] = {}

    def __call__(self, request: Request, forward: Forward) -> Answer:
        if not self._stale(request):
            return forward(request)
        answer, uses = self._kept.get(request.path, (OK, 0))
        if not uses:
            answer, uses = forward(request), 3
        # That there is no bucket is no old listing, and would end the examination before it begins.
        if not (request.lists and answer.status == 404):
            self._kept[request.path] = answer, uses - 1
        return answer


def stale_lists() -> Fault:
    return ServesOldAnswers(lambda request: request.lists)


def stale_reads() -> Fault:
    return ServesOldAnswers(lambda request: request.method == "GET" and not request.lists)


def lists_what_is_not_there(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    if not request.lists or b"<Contents>" in found.body:
        return found
    ghost = b"<Contents><Key>ghost</Key><Size>1</Size></Contents></ListBucketResult>"
    return dataclasses.replace(found, body=found.body.replace(b"</ListBucketResult>", ghost))


def without_parameters(*names: str) -> Fault:
    """Ignores parameters of a listing."""

    def fault(request: Request, forward: Forward) -> Answer:
        if request.lists:
            address = urlsplit(request.path)
            kept = "&".join(part for part in address.query.split("&") if part.partition("=")[0] not in names)
            request = dataclasses.replace(request, path=f"{address.path}?{kept}")
        return forward(request)

    return fault


def lists_backwards(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    head, *rows = found.body.split(b"<Contents>")
    if not request.lists or len(rows) < 2:
        return found
    *rows, last = rows
    row, mark, tail = last.partition(b"</Contents>")
    rows = [*rows, row + mark]
    return dataclasses.replace(found, body=b"<Contents>".join([head, *reversed(rows)]) + tail)


def listing_ends_after_a_page(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    return dataclasses.replace(found, body=found.body.replace(b"<IsTruncated>true", b"<IsTruncated>false"))


def ignores_ranges(request: Request, forward: Forward) -> Answer:
    return forward(request.without("Range"))


def refuses_ranges_that_go_beyond_the_end(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    if found.status != 206:
        return found
    (served,) = (value for name, value in found.headers.items() if name.lower() == "content-range")
    end = int(request.headers["Range"].rpartition("-")[2] or 0)
    return found if end < int(served.rpartition("/")[2]) else Answer(416)


def answers_beyond_the_end(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    return Answer(206) if found.status == 416 else found


def damages_large_files(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    return dataclasses.replace(found, body=found.body[:-1] + b"!") if len(found.body) > 1_000_000 else found


def misstates_lengths(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    if request.method != "HEAD":
        return found
    return dataclasses.replace(found, headers=dict(found.headers) | {"Content-Length": "1"})


def has_no_parts(request: Request, forward: Forward) -> Answer:
    return (
        Answer(501) if "uploads" in parse_qs(urlsplit(request.path).query, keep_blank_values=True) else forward(request)
    )


def clock_of(offset: timedelta) -> Fault:
    def fault(request: Request, forward: Forward) -> Answer:
        found = forward(request)
        shifted = {
            name: format_datetime(parsedate_to_datetime(value) + offset, usegmt=True)
            for name, value in found.headers.items()
            if name in {"Date", "Last-Modified"}
        }
        return dataclasses.replace(found, headers=dict(found.headers) | shifted)

    return fault


def tells_no_time(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    kept = {name: value for name, value in found.headers.items() if name != "Date"}
    return dataclasses.replace(found, headers=kept)


@pytest.fixture(scope="module")
def upstream(moto_server: RunningServer) -> RegistrySettings:
    """A bucket on moto that all tests of the module share; each works below scratch keys of its own."""
    settings = dataclasses.replace(settings_in(moto_server.admin_env), bucket="examined", prefix="a/prefix")
    make_client("s3", settings).create_bucket(Bucket=settings.bucket)
    return settings


@contextmanager
def behind(fault: Fault, settings: RegistrySettings) -> Iterator[RegistrySettings]:
    with proxy(str(settings.endpoint_url), fault) as address:
        yield dataclasses.replace(settings, endpoint_url=address)


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
    monkeypatch.setattr(store_checks, "WRITING", dataclasses.replace(store_checks.WRITING, read_timeout_s=0.0))

    assert finding(store_checks.create_race, upstream).verdict is Verdict.WARNING


def verdicts(found: Examination) -> dict[str, Verdict]:
    return {one.check: one.verdict for one in found.findings}


def detail(found: Examination, check: str) -> str:
    return next(one.detail for one in found.findings if one.check == check)


def listed(settings: RegistrySettings) -> list[str]:
    return StoreProbe(settings).keys("")


def user(folder: Any) -> RegistrySettings:
    return settings_in(folder / ".env")


def test_seaweedfs_is_safe_and_holds_the_rights(folders: Folders) -> None:
    admin = user(folders.admin)
    before = listed(admin)

    users = {"administrator": admin, "producer": user(folders.producer), "consumer": user(folders.consumer)}
    found = StoreDoctor(admin, users, rounds=1).examine()

    assert found.safe, found.condemning
    assert found.untried == ()
    assert {verdicts(found)[f"rights of the {role}"] for role in users} == {Verdict.OK}
    assert "this key may delete" in detail(found, "clean up")
    assert listed(admin) == before


def test_the_producers_key_examines_what_it_may(folders: Folders) -> None:
    found = StoreDoctor(user(folders.producer)).examine_core()

    left = re.search(r"(\d+) objects stay below (models/_doctor/[0-9a-f]{16}/)", detail(found, "clean up"))
    assert found.safe
    assert left
    assert len([key for key in listed(user(folders.admin)) if key.startswith(left[2])]) == int(left[1])


def test_what_a_producer_left_hides_from_readers(folders: Folders) -> None:
    StoreDoctor(user(folders.producer)).examine_core()

    assert "_doctor" not in open_reader(user(folders.consumer)).models()


def test_the_consumers_key_cannot_examine(folders: Folders) -> None:
    with pytest.raises(Unreachable, match="may not write below models/") as caught:
        StoreDoctor(user(folders.consumer)).examine()
    assert caught.value.kind == "access_denied"
    assert "administrator or of the producer" in caught.value.remedy


def test_moto_is_condemned_for_its_rights(upstream: RegistrySettings) -> None:
    paths: list[str] = []

    def watched(request: Request, forward: Forward) -> Answer:
        if request.method in {"PUT", "POST", "DELETE"}:
            paths.append(urlsplit(request.path).path)
        return forward(request)

    with behind(watched, upstream) as settings:
        found = StoreDoctor(settings, {"producer": settings, "consumer": settings}, rounds=1).examine()

    condemned = {one.check for one in found.condemning}
    assert condemned == {"rights of the producer", "rights of the consumer"}
    assert detail(found, "rights of the consumer") == (
        "it may write below models/; it may write below the registry's prefix; it may delete below consumers/; "
        "it may delete below models/; it may delete below the registry's prefix"
    )
    assert paths
    assert all(re.match(r"/examined/a/prefix/(models/|consumers/)?_doctor/[0-9a-f]{16}/", path) for path in paths)
    with pytest.raises(GateRefused, match="is not safe for a registry") as caught:
        found.require_safe()
    assert "rights of the producer: it may write below consumers/" in str(caught.value)
    assert caught.value.kind == "store"


def rights(role: str, owner: RegistrySettings, key: RegistrySettings | None) -> Finding:
    """What is found of one user's rights, with `key` in the place of the user's own."""
    doctor = StoreDoctor(owner, {} if key is None else {role: key})
    found = {one.check: one for one in doctor._rights(StoreProbe(owner))}
    return found[f"rights of the {role}"]


def test_rights_without_a_key_are_skipped_and_said_to_be(upstream: RegistrySettings) -> None:
    found = rights("producer", upstream, None)

    assert found.verdict is Verdict.SKIPPED
    assert "no key of the producer was given (--producer-env)" in found.detail


def test_a_key_that_the_store_does_not_know_is_not_tried(folders: Folders) -> None:
    stranger = dataclasses.replace(user(folders.consumer), access_key_id="AKIANOBODY")

    found = rights("consumer", user(folders.admin), stranger)

    assert found.verdict is Verdict.SKIPPED
    assert "they could not be tried: " in found.detail
    assert "does not accept the access key AKIANOBODY" in found.detail


@pytest.mark.parametrize("wrong", [{"access_key_id": "AKIANOBODY"}, {"secret_access_key": "mistyped"}], ids=str)
def test_a_mistyped_key_of_a_user_is_no_verdict(folders: Folders, wrong: dict[str, str]) -> None:
    users = {"consumer": dataclasses.replace(user(folders.consumer), **wrong)}  # type: ignore[arg-type]
    before = listed(user(folders.admin))

    with pytest.raises(Unreachable, match="does not accept the access key") as caught:
        StoreDoctor(user(folders.admin), users, rounds=1).examine()

    assert caught.value.kind == "credentials_refused"
    assert caught.value.remedy == "correct the env file of the consumer (--consumer-env)."
    assert listed(user(folders.admin)) == before


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_a_store_that_answers_a_user_with_an_error_is_not_condemned(upstream: RegistrySettings, method: str) -> None:
    def ill(request: Request, forward: Forward) -> Answer:
        meant = request.method == method and "AKIAUSER" in request.headers["Authorization"]
        return Answer(503) if meant else forward(request)

    with behind(ill, upstream) as settings:
        found = rights("consumer", settings, dataclasses.replace(settings, access_key_id="AKIAUSER"))

    assert found.verdict is Verdict.SKIPPED
    assert "they could not be tried: " in found.detail


def test_keys_that_are_mixed_up_are_noticed(folders: Folders) -> None:
    found = rights("consumer", user(folders.admin), user(folders.producer))

    assert "it may not write below consumers/; it may write below models/" in found.detail


@pytest.mark.parametrize("role", ["administrator", "producer", "consumer"])
@pytest.mark.parametrize("folder", ["models/", "consumers/", ""], ids=["models", "consumers", "top"])
def test_a_user_who_cannot_read_a_folder_is_told(upstream: RegistrySettings, role: str, folder: str) -> None:
    """Whoever the folder belongs to: a consumer that sees no model is of no use, and a store that hides one lies."""
    hidden = f"{folder}_doctor/"
    denied = Answer(403, body=b"<Error><Code>AccessDenied</Code></Error>")

    def blind(how: Callable[[Request], Answer | None]) -> str:
        def fault(request: Request, forward: Forward) -> Answer:
            address = urlsplit(request.path)
            path = parse_qs(address.query)["prefix"][0] if request.lists else address.path.partition("/a/prefix/")[2]
            blinded = "AKIAUSER" in request.headers["Authorization"] and path.removeprefix("a/prefix/")
            answer = how(request) if blinded and blinded.startswith(hidden) and request.method == "GET" else None
            return answer or forward(request)

        with behind(fault, upstream) as settings:
            return rights(role, settings, dataclasses.replace(settings, access_key_id="AKIAUSER")).detail

    place = folder or "the registry's prefix"
    assert f"it cannot read or list below {place}" in blind(lambda _: denied)
    assert f"it cannot read {hidden}" in blind(lambda request: None if request.lists else Answer(200))
    listing = Answer(200, body=b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
    assert f"it cannot list {hidden}" in blind(lambda request: listing if request.lists else None)
    assert "cannot" not in blind(lambda _: None)


def test_an_administrator_who_cannot_write_or_delete_is_told(upstream: RegistrySettings) -> None:
    def powerless(request: Request, forward: Forward) -> Answer:
        if request.method in {"PUT", "DELETE"} and "AKIAUSER" in request.headers["Authorization"]:
            return Answer(403, body=b"<Error><Code>AccessDenied</Code></Error>")
        return forward(request)

    with behind(powerless, upstream) as settings:
        found = rights("administrator", settings, dataclasses.replace(settings, access_key_id="AKIAUSER"))
        assert rights("administrator", settings, settings).verdict is Verdict.OK

    places = ("models/", "consumers/", "the registry's prefix")
    assert found.detail == "; ".join(
        f"it may not {what} below {place}" for what in ("write", "delete") for place in places
    )


def test_the_producers_key_does_not_try_the_others(folders: Folders) -> None:
    found = rights("consumer", user(folders.producer), user(folders.consumer))

    assert found.verdict is Verdict.SKIPPED
    assert "may not write below consumers/ and the registry's prefix; examine with the administrator's" in found.detail


def test_a_store_that_is_not_there_is_unreachable(upstream: RegistrySettings) -> None:
    (port,) = free_ports(1)

    with pytest.raises(Unreachable, match="Nothing answers"):
        StoreDoctor(dataclasses.replace(upstream, endpoint_url=f"http://127.0.0.1:{port}")).examine()


def test_a_store_that_ends_in_between_is_unreachable(upstream: RegistrySettings) -> None:
    class Ends:
        requests = 0

        def __call__(self, request: Request, forward: Forward) -> Answer:
            self.requests += 1
            return forward(request) if self.requests < 20 else Answer(503)

    with behind(Ends(), upstream) as settings, pytest.raises(Unreachable):
        StoreDoctor(settings).examine_core()


@pytest.mark.parametrize(
    "fault",
    [lambda: strips_the_precondition, lambda: checks_then_acts, stale_lists, lambda: says_yes_to_everything],
    ids=["strips", "races", "stale", "says yes"],
)
def test_init_refuses_an_unsafe_store(moto_server: RunningServer, tmp_path: Any, fault: Callable[[], Fault]) -> None:
    admin = dataclasses.replace(settings_in(moto_server.admin_env), bucket=f"careless-{uuid.uuid4().hex[:8]}")

    with behind(fault(), admin) as settings, pytest.raises(GateRefused, match="is not safe for a registry"):
        Provisioner(settings).init(Folders.below(tmp_path))

    assert list(tmp_path.iterdir()) == []
    assert "registry.json" not in listed_or_none(admin)


def listed_or_none(settings: RegistrySettings) -> list[str]:
    """The keys of a bucket that may not have come to be."""
    try:
        return listed(settings)
    except Unreachable:
        return []
