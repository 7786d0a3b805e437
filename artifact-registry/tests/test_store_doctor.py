"""The doctor on whole stores: the rights of the users, what is left behind, and what it says of a store in trouble."""

from __future__ import annotations

import dataclasses
import re
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import settings_in
from faulty_proxy import Answer, Fault, Forward, Request
from store_faults import behind, checks_then_acts, says_yes_to_everything, stale_lists, strips_the_precondition

from edustream_contracts.errors import GateRefused, Unreachable
from edustream_registry.connection import open_reader
from edustream_registry.examination import Examination, Finding, Verdict
from edustream_registry.local_server import RunningServer, free_ports
from edustream_registry.provisioning import Folders, Provisioner
from edustream_registry.settings import RegistrySettings
from edustream_registry.store_doctor import StoreDoctor
from edustream_registry.store_probe import StoreProbe

BLIND = (("administrator", ""), ("producer", "consumers/"), ("consumer", "models/"))
"""Each role and each folder once; all pairs are for `make prove`."""


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


@pytest.mark.parametrize(
    ("role", "folder"),
    [
        pytest.param(role, folder, marks=() if (role, folder) in BLIND else pytest.mark.prove)
        for role in ("administrator", "producer", "consumer")
        for folder in ("models/", "consumers/", "")
    ],
)
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
