"""What asking a registry costs after years: counted as requests that a real boto3 client makes."""

from __future__ import annotations

import io
import json
import math
from bisect import bisect_right
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from urllib3 import HTTPResponse

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import NothingToServe
from edustream_registry import layout
from edustream_registry.names import Reference
from edustream_registry.reading import ReleaseReader
from edustream_registry.s3_client import make_client
from edustream_registry.s3_store import S3Store
from edustream_registry.settings import RegistrySettings
from edustream_registry.testing.grown import grown
from edustream_registry.testing.simulator import RegistrySimulator, write_release

PRODUCTION = Reference.parse("churn@production")
CARET = Reference.parse("churn@^2")
FEW, MANY, PAGE = 10, 10_000, 1000
CONSUMERS, INTERVAL_S = 50, 5
SETTINGS = RegistrySettings.from_environ(
    {"REGISTRY_URL": "s3://models", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
)


class Grown:
    """A reader of a registry with `count` releases and promotions; `requests` records (operation, key or prefix).

    Only the last three of each are signed: what is read without need is refused. The requests of a real boto3 client
    end in `_answer`, which pages as S3 does.
    """

    def __init__(self, count: int, directory: Path, contract: ModelContract) -> None:
        self.count = count
        registry = RegistrySimulator()
        self.objects: dict[str, bytes] = {}
        for number in range(count):
            self.objects[layout.manifest_key("churn", f"2.0.{number}")] = b"unread"
            self.objects[layout.entry_key("churn", "production", number + 1)] = b"unread"
        self.objects |= grown(registry.author, write_release(directory, contract), count, count - 2)
        self._keys = sorted(self.objects)
        self.requests: list[tuple[str, str]] = []
        client = make_client("s3", SETTINGS)
        client.meta.events.register("before-parameter-build.s3", self._count)
        client.meta.events.register("before-send.s3", self._answer)
        self.reader = ReleaseReader(S3Store(SETTINGS, client), registry.trust, registry.clock)

    def hint(self, data: bytes) -> None:
        """Write HEAD."""
        self.objects[layout.head_key("churn", "production")] = data

    def _count(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.requests.append((model.name, params.get("Key") or params["Prefix"]))

    def _answer(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        address = urlsplit(request.url)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        if "list-type" in query:
            return _response(
                request,
                200,
                self._page(query["prefix"], query.get("continuation-token") or query.get("start-after", "")),
            )
        data = self.objects.get(unquote(address.path).removeprefix("/"))
        return _response(request, 404, b"") if data is None else _response(request, 200, data)

    def _page(self, prefix: str, after: str) -> bytes:
        begin = bisect_right(self._keys, after or prefix)
        below = [key for key in self._keys[begin : begin + PAGE + 1] if key.startswith(prefix)]
        rows = "".join(
            f"<Contents><Key>{key}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>"
            for key in below[:PAGE]
        )
        more = len(below) > PAGE
        token = f"<NextContinuationToken>{below[PAGE - 1]}</NextContinuationToken>" if more else ""
        truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        return f"<ListBucketResult>{truncated}{token}{rows}</ListBucketResult>".encode()


def _response(request: AWSPreparedRequest, status: int, data: bytes) -> AWSResponse:
    raw = HTTPResponse(io.BytesIO(data), {"content-length": str(len(data))}, status, preload_content=False)
    return AWSResponse(request.url, status, raw.headers, raw)


@pytest.fixture(scope="module", params=[FEW, MANY])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, contract: ModelContract) -> Grown:
    return Grown(request.param, tmp_path_factory.mktemp("release"), contract)


@pytest.fixture
def old(filled: Grown) -> Grown:
    filled.hint(json.dumps({"sequence": filled.count}).encode())
    filled.requests.clear()
    return filled


def last(old: Grown) -> str:
    return f"2.0.{old.count - 1}"


def test_a_channel_is_resolved_cold_by_five_requests(old: Grown) -> None:
    found = old.reader.resolve(PRODUCTION)

    assert (found.version, found.sequence) == (last(old), old.count)
    assert old.requests == [
        ("GetObject", layout.head_key("churn", "production")),
        ("GetObject", layout.entry_key("churn", "production", old.count)),
        ("GetObject", layout.entry_key("churn", "production", old.count + 1)),
        ("GetObject", layout.tombstone_key("churn", last(old))),
        ("GetObject", layout.manifest_key("churn", last(old))),
    ]


def test_a_poll_of_a_channel_is_two_requests(old: Grown) -> None:
    found = old.reader.resolve(PRODUCTION)
    old.requests.clear()

    assert old.reader.poll(found) is found

    assert old.requests == [
        ("GetObject", layout.entry_key("churn", "production", old.count + 1)),
        ("GetObject", layout.tombstone_key("churn", last(old))),
    ]


def test_a_poll_of_an_exact_version_is_one_request(old: Grown) -> None:
    found = old.reader.resolve(Reference.parse(f"churn@{last(old)}"))
    assert len(old.requests) == 2
    old.requests.clear()

    assert old.reader.poll(found) is found

    assert old.requests == [("GetObject", layout.tombstone_key("churn", last(old)))]


def test_a_hint_that_lags_behind_by_one_costs_one_listing(old: Grown) -> None:
    old.hint(json.dumps({"sequence": old.count - 1}).encode())

    assert old.reader.resolve(PRODUCTION).sequence == old.count

    assert len(old.requests) == 6
    assert [key for operation, key in old.requests if operation == "ListObjectsV2"] == [
        layout.log_prefix("churn", "production")
    ]


@pytest.mark.parametrize("hint", [b'{"sequence": 999999999}', b"rubbish"])
def test_a_hint_that_leads_nowhere_costs_a_page_per_thousand_entries(old: Grown, hint: bytes) -> None:
    old.hint(hint)

    assert old.reader.resolve(PRODUCTION).sequence == old.count

    listed = [key for operation, key in old.requests if operation == "ListObjectsV2"]
    assert listed == [layout.log_prefix("churn", "production")] * math.ceil(old.count / PAGE)
    assert len(old.requests) - len(listed) <= 6


def test_a_range_reads_a_page_per_thousand_releases_and_the_manifest_of_the_winner(old: Grown) -> None:
    found = old.reader.resolve(CARET)

    assert found.version == last(old)
    assert old.requests == [
        *[("ListObjectsV2", layout.releases_prefix("churn"))] * math.ceil(old.count / PAGE),
        ("ListObjectsV2", layout.yanked_prefix("churn")),
        ("GetObject", layout.tombstone_key("churn", last(old))),
        ("GetObject", layout.manifest_key("churn", last(old))),
    ]


def test_a_poll_of_a_range_reads_the_pages_again_and_no_manifest(old: Grown) -> None:
    found = old.reader.resolve(CARET)
    old.requests.clear()

    assert old.reader.poll(found) is found

    assert len(old.requests) == math.ceil(old.count / PAGE) + 1
    assert {operation for operation, _ in old.requests} == {"ListObjectsV2"}


def test_a_refusal_names_the_newest_releases_only(old: Grown) -> None:
    with pytest.raises(NothingToServe, match=r"released: ") as caught:
        old.reader.resolve(Reference.parse("churn@9.9.9"))

    assert last(old) in caught.value.fact
    assert len(caught.value.fact) < 250
    assert ("and 9990 older ones" in caught.value.fact) is (old.count == MANY)


def test_fifty_consumers_cost_seventy_two_thousand_requests_an_hour(promoted: RegistrySimulator) -> None:
    found = promoted.reader.resolve(PRODUCTION)
    promoted.store.calls.clear()

    for _ in range(CONSUMERS * 3600 // INTERVAL_S):
        promoted.reader.poll(found)

    assert len(promoted.store.calls) == 72_000
    assert {operation for operation, _ in promoted.store.calls} == {"get"}
