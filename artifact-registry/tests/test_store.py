"""What the protocol demands of a store, on every store: in memory, borrowed, on moto, on SeaweedFS."""

from __future__ import annotations

import string
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from edustream_contracts.errors import Rejected
from edustream_registry.borrowing import BorrowedStore, Lender
from edustream_registry.lending import lent
from edustream_registry.local_server import RunningServer
from edustream_registry.memory_store import MemoryStore
from edustream_registry.s3_client import make_client
from edustream_registry.s3_store import S3Store
from edustream_registry.settings import RegistrySettings, with_env_file
from edustream_registry.store import ObjectExists, ObjectMissing, Store, WriteCondition
from edustream_registry.trust import TrustPolicy

CREATE, OVERWRITE = WriteCondition.CREATE, WriteCondition.OVERWRITE
RACERS = 16
ROUNDS = 2
LARGE = 9 * 1024 * 1024
PAGE = 1000


def memory(request: pytest.FixtureRequest) -> Store:
    return MemoryStore()


def borrowed(request: pytest.FixtureRequest) -> Store:
    """A store in memory, borrowed; files get there by its owner."""
    memory, stack = MemoryStore(), ExitStack()
    request.addfinalizer(stack.close)
    # pytest's own folders have paths that are too long for a socket.
    address = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lent-"))) / "lender"
    stack.enter_context(lent(address, memory, TrustPolicy(())))

    class Borrowed(BorrowedStore):
        upload = memory.upload

    return Borrowed(Lender(address, memory.location), memory.url)


def on_server(fixture: str, prefix: str) -> Callable[[pytest.FixtureRequest], Store]:
    def open_store(request: pytest.FixtureRequest) -> Store:
        server: RunningServer = request.getfixturevalue(fixture)
        bucket = f"conformance-{uuid.uuid4().hex[:12]}"
        environ = with_env_file({"REGISTRY_URL": f"s3://{bucket}{prefix}"}, server.admin_env)
        settings = RegistrySettings.from_environ(environ)
        make_client("s3", settings).create_bucket(Bucket=bucket)
        return S3Store(settings)

    return open_store


@pytest.fixture(
    scope="module",
    params=[
        memory,
        borrowed,
        on_server("moto_server", ""),
        on_server("moto_server", "/a/prefix"),
        on_server("seaweedfs_server", ""),
        on_server("seaweedfs_server", "/a/prefix"),
    ],
    ids=["memory", "borrowed", "moto", "moto with prefix", "SeaweedFS", "SeaweedFS with prefix"],
)
def shared(request: pytest.FixtureRequest) -> Store:
    opened: Store = request.param(request)
    return opened


@pytest.fixture
def store(shared: Store) -> Store:
    return shared


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> str:
    """A prefix of the test's own, since the tests of one store share it."""
    return f"{uuid.uuid4().hex}/"


def keys(store: Store, prefix: str, start_after: str = "") -> list[str]:
    return [info.key for info in store.list(prefix, start_after)]


def test_the_age_of_an_object_comes_from_the_store_alone(store: Store, folder: str) -> None:
    with pytest.raises(ObjectMissing):
        store.age_s(f"{folder}young")

    store.put(f"{folder}young", b"abc", CREATE)

    assert store.age_s(f"{folder}young") >= 0


def test_what_is_put_is_got(store: Store, folder: str) -> None:
    store.put(f"{folder}a", b"abc", CREATE)

    assert store.get(f"{folder}a", 3) == b"abc"
    assert store.size(f"{folder}a") == 3
    assert b"".join(store.stream(f"{folder}a")) == b"abc"


def test_an_empty_object(store: Store, folder: str) -> None:
    store.put(f"{folder}empty", b"", CREATE)

    assert store.get(f"{folder}empty", 0) == b""
    assert store.size(f"{folder}empty") == 0
    assert b"".join(store.stream(f"{folder}empty")) == b""


def test_create_refuses_what_is_there_and_leaves_it(store: Store, folder: str) -> None:
    store.put(f"{folder}a", b"first", CREATE)

    with pytest.raises(ObjectExists):
        store.put(f"{folder}a", b"second", CREATE)
    with pytest.raises(ObjectExists):
        store.put(f"{folder}a", b"first", CREATE)
    assert store.get(f"{folder}a", 10) == b"first"


def test_overwrite_overwrites(store: Store, folder: str) -> None:
    store.put(f"{folder}a", b"first", OVERWRITE)
    store.put(f"{folder}a", b"second", OVERWRITE)

    assert store.get(f"{folder}a", 10) == b"second"


def test_what_is_missing_is_said_to_be_missing(store: Store, folder: str) -> None:
    for call in (
        lambda: store.get(f"{folder}no", 1),
        lambda: store.size(f"{folder}no"),
        lambda: store.stream(f"{folder}no"),
        lambda: store.read_range(f"{folder}no", 0, 1),
    ):
        with pytest.raises(ObjectMissing):
            call()


def test_what_is_longer_than_allowed_is_rejected(store: Store, folder: str) -> None:
    store.put(f"{folder}a", b"abcd", CREATE)

    with pytest.raises(Rejected, match="is longer than the 3 bytes") as caught:
        store.get(f"{folder}a", 3)
    assert caught.value.kind == "digest"
    assert store.get(f"{folder}a", 4) == b"abcd"


def test_parts_of_an_object(store: Store, folder: str) -> None:
    store.put(f"{folder}a", b"abcdef", CREATE)

    assert store.read_range(f"{folder}a", 0, 6) == b"abcdef"
    assert store.read_range(f"{folder}a", 0, 2) == b"ab"
    assert store.read_range(f"{folder}a", 2, 3) == b"cde"
    assert store.read_range(f"{folder}a", 4, 100) == b"ef"


def test_a_part_beyond_the_end_is_rejected(store: Store, folder: str) -> None:
    store.put(f"{folder}a", b"abc", CREATE)

    with pytest.raises(Rejected, match="shorter than its manifest states") as caught:
        store.read_range(f"{folder}a", 3, 1)
    assert caught.value.kind == "digest"


@pytest.mark.parametrize("round_number", range(ROUNDS))
def test_of_many_creators_exactly_one_wins(store: Store, folder: str, round_number: int) -> None:
    start = threading.Barrier(RACERS)
    outcomes: list[tuple[int, bool]] = []

    def race(racer: int) -> None:
        start.wait()
        try:
            store.put(f"{folder}race", f"racer {racer}".encode(), CREATE)
        except ObjectExists:
            outcomes.append((racer, False))
        else:
            outcomes.append((racer, True))

    threads = [threading.Thread(target=race, args=(racer,)) for racer in range(RACERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    winners = [racer for racer, won in outcomes if won]
    assert len(outcomes) == RACERS
    assert len(winners) == 1
    assert store.get(f"{folder}race", 100) == f"racer {winners[0]}".encode()


def test_lists_are_complete_below_the_prefix(store: Store, folder: str) -> None:
    names = ["b/2", "a", "b/10", "b/1", "c", "b.json"]
    for name in names:
        store.put(folder + name, name.encode(), CREATE)

    assert sorted(keys(store, folder)) == sorted(folder + name for name in names)
    assert keys(store, f"{folder}nothing/") == []


def test_lists_of_one_folder_are_in_key_order(store: Store, folder: str) -> None:
    for name in ("2.json", "10.json", "1.json", "1.0.json", "1-rc.json"):
        store.put(folder + name, b"", CREATE)

    names = ["1-rc.json", "1.0.json", "1.json", "10.json", "2.json"]
    assert keys(store, folder) == [folder + name for name in names]


def test_lists_begin_after_a_key(store: Store, folder: str) -> None:
    for number in range(1, 6):
        store.put(f"{folder}{number:012d}.json", b"", CREATE)

    assert keys(store, folder, f"{folder}{3:012d}.json") == [f"{folder}{4:012d}.json", f"{folder}{5:012d}.json"]
    assert keys(store, folder, f"{folder}{5:012d}.json") == []


def test_list_rows_say_size_and_time(store: Store, folder: str) -> None:
    store.put(f"{folder}a", b"abc", CREATE)

    (row,) = store.list(folder)

    assert (row.key, row.size) == (f"{folder}a", 3)
    assert row.modified.utcoffset() == UTC.utcoffset(None)


def test_folders_are_the_names_one_level_below(store: Store, folder: str) -> None:
    for name in ("churn/files/x", "churn/releases/1", "ames/files/x", "loose"):
        store.put(folder + name, b"", CREATE)

    assert list(store.folders(folder)) == ["ames", "churn"]
    assert list(store.folders(f"{folder}churn/")) == ["files", "releases"]
    assert list(store.folders(f"{folder}nothing/")) == []


def test_a_large_file_is_uploaded_in_parts_and_streamed_back(store: Store, folder: str, tmp_path: Path) -> None:
    data = bytes(range(256)) * (LARGE // 256)
    path = tmp_path / "large"
    path.write_bytes(data)

    store.upload(f"{folder}large", path)
    store.upload(f"{folder}large", path)

    assert store.size(f"{folder}large") == LARGE
    assert b"".join(store.stream(f"{folder}large")) == data
    assert store.get(f"{folder}large", LARGE) == data


def test_a_write_is_seen_by_the_next_read_and_the_next_listing(store: Store, folder: str) -> None:
    for number in range(1, 21):
        key = f"{folder}{number:012d}.json"
        store.put(key, b"x" * number, CREATE)

        assert store.size(key) == number
        assert keys(store, folder)[-1] == key
        assert keys(store, folder, f"{folder}{number - 1:012d}.json") == [key]


def test_an_overwrite_is_seen_by_the_next_read(store: Store, folder: str) -> None:
    for number in range(20):
        store.put(f"{folder}HEAD", b"%d" % number, OVERWRITE)

        assert store.get(f"{folder}HEAD", 10) == b"%d" % number


def test_lists_begin_after_a_key_that_is_not_there(store: Store, folder: str) -> None:
    for name in ("1.0.0-rc.1.json", "1.0.0.json", "1.10.0.json", "1.2.0.json"):
        store.put(folder + name, b"", CREATE)

    assert keys(store, folder, f"{folder}1.0.0-rc.9.json") == [
        f"{folder}{name}" for name in ("1.0.0.json", "1.10.0.json", "1.2.0.json")
    ]
    assert len(keys(store, folder, f"{folder}0")) == 4
    assert keys(store, folder, f"{folder}1.2.0.json0") == []


def test_every_name_that_the_protocol_admits_is_kept(store: Store, folder: str) -> None:
    names = [string.ascii_uppercase, string.ascii_lowercase, string.digits, "a_-b.c_-d", "a" * 128, "1.0.0-x.7.z--"]
    for name in names:
        store.put(folder + name, name.encode(), CREATE)

    assert keys(store, folder) == [folder + name for name in sorted(names)]
    assert {name: store.get(folder + name, 200).decode() for name in names} == {name: name for name in names}


def test_names_that_differ_in_case_alone_are_two(store: Store, folder: str) -> None:
    store.put(f"{folder}README.md", b"upper", CREATE)
    store.put(f"{folder}readme.md", b"lower", CREATE)

    assert (store.get(f"{folder}README.md", 9), store.get(f"{folder}readme.md", 9)) == (b"upper", b"lower")


def test_concurrent_writes_of_different_keys_all_land(store: Store, folder: str) -> None:
    with ThreadPoolExecutor(RACERS) as racers:
        list(racers.map(lambda number: store.put(f"{folder}{number:03d}", b"%d" % number, CREATE), range(5 * RACERS)))

    assert keys(store, folder) == [f"{folder}{number:03d}" for number in range(5 * RACERS)]
    assert store.get(f"{folder}079", 2) == b"79"


def test_concurrent_uploads_of_one_file_leave_it_whole(store: Store, folder: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content" * 10_000)
    with ThreadPoolExecutor(RACERS) as racers:
        list(racers.map(lambda _: store.upload(f"{folder}file", path), range(RACERS)))

    assert b"".join(store.stream(f"{folder}file")) == path.read_bytes()


@pytest.mark.parametrize(
    "shared",
    [memory, borrowed, on_server("moto_server", "/a/prefix"), on_server("seaweedfs_server", "/a/prefix")],
    ids=["memory", "borrowed", "moto", "SeaweedFS"],
    indirect=True,
)
@pytest.mark.parametrize("page", [10, pytest.param(PAGE, marks=pytest.mark.prove)])
def test_a_listing_goes_on_after_its_first_page(store: Store, folder: str, page: int) -> None:
    names = [f"{folder}{number:012d}.json" for number in range(page + 5)]
    with ThreadPoolExecutor(RACERS) as writers:
        list(writers.map(lambda name: store.put(name, b"", CREATE), names))

    with pages_of(page, store) as asked:
        assert keys(store, folder) == names
        assert len(asked) == (2 if isinstance(store, S3Store) else 0)
        assert keys(store, folder, names[2]) == names[3:]
        assert keys(store, folder, names[-2]) == names[-1:]


@contextmanager
def pages_of(size: int, store: Store) -> Iterator[list[str]]:
    """Have the server answer listings in pages of `size` keys; what is yielded gets the prefix of each request."""
    asked: list[str] = []

    def limit(params: dict[str, Any], **_: Any) -> None:
        params["MaxKeys"] = size
        asked.append(params["Prefix"])

    if not isinstance(store, S3Store):
        yield asked
        return
    events = store._client.meta.events
    events.register("before-parameter-build.s3.ListObjectsV2", limit)
    try:
        yield asked
    finally:
        events.unregister("before-parameter-build.s3.ListObjectsV2", limit)


def test_the_address_is_told(store: Store) -> None:
    assert store.url.partition("://")[0] in {"s3", "memory"}
    assert store.location.startswith(store.url)
