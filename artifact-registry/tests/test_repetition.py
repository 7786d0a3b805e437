"""What a writer says after several attempts: "nothing was written" only if that is sure of every one of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError, SSLError
from scripted_server import ScriptedServer, Silence, Step, scripted_server

from edustream_contracts.errors import EduStreamError, OutcomeUnknown, Unreachable
from edustream_registry import layout
from edustream_registry.channel import Tombstone
from edustream_registry.creation import Landing
from edustream_registry.local_server import HOST, free_ports
from edustream_registry.reading import ReleaseReader
from edustream_registry.s3_client import READING, Patience, Repetition
from edustream_registry.s3_store import S3Store
from edustream_registry.settings import RegistrySettings
from edustream_registry.store import ObjectExists, WriteCondition
from edustream_registry.testing.simulator import RegistrySimulator
from edustream_registry.writing import create

CREATE, OVERWRITE = WriteCondition.CREATE, WriteCondition.OVERWRITE
HASTY = Patience(connect_timeout_s=2, read_timeout_s=0.5, attempts=3, budget_s=60, pause_s=0, max_pause_s=0)
LARGE = 9 * 1024 * 1024
KEY = "models/x"
PATH = "/bucket/models/x"

RESET, WAIT = Silence.RESET, Silence.WAIT
BUSY = Step(409, "ConditionalRequestConflict")
DENIED = Step(403, "AccessDenied")


@pytest.fixture(scope="module")
def session() -> Any:
    return boto3.session.Session("mykey", "mysecret", region_name="us-east-1")


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch, session: Any) -> None:
    monkeypatch.setattr("edustream_registry.s3_store.make_session", lambda _: session)
    monkeypatch.setattr("edustream_registry.s3_store.READING", HASTY)
    monkeypatch.setattr("edustream_registry.s3_store.WRITING", HASTY)


def settings_for(port: int) -> RegistrySettings:
    return RegistrySettings.from_environ(
        {
            "REGISTRY_URL": "s3://bucket",
            "AWS_ENDPOINT_URL_S3": f"http://{HOST}:{port}",
            "AWS_ACCESS_KEY_ID": "mykey",
            "AWS_SECRET_ACCESS_KEY": "mysecret",
        }
    )


def store_on(server: ScriptedServer) -> S3Store:
    return S3Store(settings_for(server.port))


def written(server: ScriptedServer, way: str, folder: Path) -> EduStreamError | None:
    """Write `mine` in one of the three ways; what was raised."""
    try:
        if way == "upload":
            (folder / "file").write_bytes(b"mine")
            store_on(server).upload(KEY, folder / "file")
        else:
            store_on(server).put(KEY, b"mine", WriteCondition(way))
    except EduStreamError as error:
        return error
    return None


ways = pytest.mark.parametrize("way", ["create", "overwrite", "upload"])


@ways
@pytest.mark.parametrize(
    "script",
    [
        [Step(WAIT, lands=True, then_gone=True)],
        [Step(RESET, lands=True, then_gone=True)],
        [Step(RESET, then_gone=True)],
        [Step(500, "InternalError", lands=True, then_gone=True)],
        [Step(503, "SlowDown", then_gone=True)],
        [Step(500, "InternalError", lands=True), DENIED],
        [Step(RESET, lands=True), BUSY, Step(501, "NotImplemented")],
        [Step(RESET, lands=True), *[BUSY] * HASTY.conflicts],
        [Step(502), Step(503), Step(504)],
        [BUSY, Step(RESET, then_gone=True)],
    ],
    ids=str,
)
def test_once_an_attempt_may_have_landed_no_later_failure_denies_it(
    script: list[Step], way: str, tmp_path: Path
) -> None:
    with scripted_server(*script) as server:
        error = written(server, way, tmp_path)

    assert isinstance(error, OutcomeUnknown)
    assert "it may have succeeded" in error.fact
    assert not server.script
    assert server.objects.get(PATH) == (b"mine" if any(step.lands for step in script) else None)


@ways
@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ([DENIED], "access_denied"),
        ([Step(501, "NotImplemented")], "server_error"),
        ([BUSY] * HASTY.conflicts, "server_error"),
        ([Step(429), Step(400, "RequestTimeout"), Step(429)], "server_error"),
        ([BUSY, DENIED], "access_denied"),
    ],
    ids=str,
)
def test_where_no_attempt_can_have_landed_nothing_was_written(
    script: list[Step], kind: str, way: str, tmp_path: Path
) -> None:
    with scripted_server(*script) as server:
        error = written(server, way, tmp_path)

    assert isinstance(error, Unreachable)
    assert error.kind == kind
    assert not server.script
    assert not server.objects


@ways
@pytest.mark.parametrize(
    "script",
    [[BUSY] * 3, [Step(RESET)], [Step(WAIT)], [Step(500), Step(503)], [Step(429), Step(400, "RequestTimeout")]],
    ids=str,
)
def test_what_passes_is_got_over_with_the_whole_content(script: list[Step], way: str, tmp_path: Path) -> None:
    with scripted_server(*script) as server:
        assert written(server, way, tmp_path) is None

    assert server.objects == {PATH: b"mine"}


@ways
def test_a_registry_that_does_not_run_is_said_so_at_the_first_attempt(way: str, tmp_path: Path) -> None:
    server = ScriptedServer([])
    server.stop_listening()

    error = written(server, way, tmp_path)

    assert isinstance(error, Unreachable)
    assert error.kind == "connection"


def test_a_refused_creation_is_not_tried_again() -> None:
    with scripted_server(Step(412, "PreconditionFailed")) as server, pytest.raises(ObjectExists):
        store_on(server).put(KEY, b"mine", CREATE)

    assert server.requests == ["PUT"]


def tombstone_on(registry: RegistrySimulator, server: ScriptedServer) -> tuple[Landing, str]:
    """Create a tombstone on the scripted server; what is said about it, and whose is there."""
    author = registry.author_with(registry.signer, ReleaseReader(store_on(server), registry.trust, registry.clock))
    statement = Tombstone(
        model="churn",
        version="1.0.0",
        yanked_at=author.now(),
        yanked_by="me",
        reason="a test",
        write_id=author.write_id(),
    )
    landing, found = create(author, layout.tombstone_key("churn", "1.0.0"), statement)
    return landing, found.statement.yanked_by


@pytest.mark.parametrize("lost", [Step(RESET, lands=True), Step(WAIT, lands=True), Step(500, lands=True)], ids=str)
def test_a_refusal_of_the_second_attempt_is_read_back_and_found_to_be_mine(
    registry: RegistrySimulator, lost: Step
) -> None:
    with scripted_server(lost) as server:
        assert tombstone_on(registry, server) == (Landing.MINE, "me")

    assert server.requests == ["PUT", "PUT", "GET"]


def test_a_refusal_of_the_second_attempt_may_be_somebody_elses_doing(registry: RegistrySimulator) -> None:
    other = registry.author_with(registry.signer, registry.reader, "somebody else")
    key = layout.tombstone_key("churn", "1.0.0")
    theirs = Tombstone(
        model="churn", version="1.0.0", yanked_at=other.now(), yanked_by=other.who, reason="x", write_id="f" * 32
    )
    create(other, key, theirs)
    with scripted_server(Step(RESET)) as server:
        server.objects[f"/bucket/{key}"] = registry.memory.objects[key]

        assert tombstone_on(registry, server) == (Landing.THEIRS, "somebody else")


def test_an_unknown_outcome_that_cannot_be_read_back_stays_unknown(registry: RegistrySimulator) -> None:
    with (
        scripted_server(Step(RESET, lands=True), DENIED, DENIED) as server,
        pytest.raises(OutcomeUnknown, match="it may have succeeded"),
    ):
        tombstone_on(registry, server)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * (LARGE // 256))
    return path


def answer_500_once(server: ScriptedServer, wanted: str, parameter: str) -> None:
    """Carry the first such request out, and answer it with 500."""
    honestly, due = server.carry_out, [True]

    def carry_out(method: str, target: str, headers: Any, body: bytes) -> tuple[int, bytes]:
        answer = honestly(method, target, headers, body)
        if method == wanted and parameter in target and due:
            due.clear()
            return 500, b"InternalError"
        return answer

    server.carry_out = carry_out  # type: ignore[method-assign]


def test_a_part_whose_reply_is_lost_is_sent_again_alone(large: Path) -> None:
    with scripted_server() as server:
        answer_500_once(server, "PUT", "partNumber=1")
        store_on(server).upload(KEY, large)

    assert server.objects[PATH] == large.read_bytes()
    assert sorted(server.requests) == ["POST"] * 2 + ["PUT"] * 3


def test_a_large_file_whose_last_reply_is_lost_may_be_there(large: Path) -> None:
    with scripted_server() as server:
        answer_500_once(server, "POST", "uploadId")
        with pytest.raises(OutcomeUnknown, match=r"NoSuchUpload.*it may have succeeded"):
            store_on(server).upload(KEY, large)

    assert server.objects[PATH] == large.read_bytes()


@pytest.mark.parametrize("script", [[Step(500)], [Step(RESET)], [Step(WAIT)], [Step(429), Step(503)]], ids=str)
def test_a_reader_tries_again(script: list[Step]) -> None:
    with scripted_server(*script) as server:
        server.objects[PATH] = b"there"

        assert store_on(server).get(KEY, 10) == b"there"


def test_a_reader_gives_up_and_nothing_was_written() -> None:
    with scripted_server(*[Step(500)] * 3) as server, pytest.raises(Unreachable) as caught:
        store_on(server).get(KEY, 10)

    assert caught.value.kind == "connection"
    assert server.requests == ["GET"] * HASTY.attempts


# --- how long it takes, by a clock that only the faults move ---


class Client:
    """A real client whose every attempt fails in one way, after as many seconds as that takes."""

    def __init__(
        self, session: Any, error: Exception, seconds: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.now = 0.0
        self.attempts = 0
        self.client = session.client(
            "s3",
            endpoint_url=f"http://{HOST}:{free_ports(1)[0]}",
            config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
        )
        Repetition(READING, lambda: self.now).attach(self.client)
        self.client.meta.events.register("before-send.s3", self.fail)
        monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=self.pass_time))
        self.error = error
        self.seconds = seconds

    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    def fail(self, **_: Any) -> None:
        self.now += self.seconds[self.attempts]
        self.attempts += 1
        raise self.error


SILENT = ReadTimeoutError(endpoint_url="x")
UNREACHED = ConnectTimeoutError(endpoint_url="x")
REFUSED = EndpointConnectionError(endpoint_url="x")
BOTH_S = READING.connect_timeout_s + READING.read_timeout_s


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        pytest.param(SILENT, (READING.read_timeout_s,) * 2, id="accepts and never answers"),
        pytest.param(SILENT, (BOTH_S,), id="accepts late and never answers"),
        pytest.param(SILENT, (READING.budget_s - 0.01, BOTH_S), id="the worst mixture"),
        pytest.param(UNREACHED, (READING.connect_timeout_s,) * 2, id="never accepts"),
        pytest.param(REFUSED, (0.0,), id="does not run"),
        pytest.param(SSLError(endpoint_url="x", error="[SSL: CERTIFICATE_VERIFY_FAILED]"), (0.0,), id="impostor"),
        pytest.param(SSLError(endpoint_url="x", error="[SSL: BAD_RECORD_MAC]"), (0.0,) * 3, id="broken record"),
    ],
)
def test_a_reader_knows_within_nine_seconds(
    session: Any, error: Exception, seconds: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(session, error, seconds, monkeypatch)

    with pytest.raises(type(error)):
        client.client.get_object(Bucket="bucket", Key="x")

    assert client.attempts == len(seconds)
    assert client.now <= 9
