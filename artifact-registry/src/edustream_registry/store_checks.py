"""The checks of a store: one function for each thing that PROTOCOL.md, section 2, demands of it."""

from __future__ import annotations

import base64
import hashlib
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from edustream_contracts.errors import EduStreamError, Rejected, Unreachable
from edustream_registry.examination import Finding, Verdict
from edustream_registry.reading import Clock
from edustream_registry.s3_client import WRITING
from edustream_registry.store import ObjectMissing, WriteCondition
from edustream_registry.store_probe import Outcome, Race, Reply, StoreProbe

PART_BYTES: Final = 5 * 1024 * 1024
TAIL_BYTES: Final = 4096
SKEW_WARNING_S: Final = 5.0
SKEW_LIMIT_S: Final = 900.0
"""S3 refuses requests that are signed more than 15 minutes from its own time (`RequestTimeTooSkewed`)."""


class Unfit(Exception):
    """The store does not do what the check is about; the message says what it did."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How many writers race how often, and how often other things are tried."""

    racers: int
    rounds: int
    samples: int


@dataclass(frozen=True, slots=True)
class Bench:
    """What a check works with: a probe, a second client, a folder of its own below `models/`, and a clock."""

    probe: StoreProbe
    other: StoreProbe
    folder: str
    effort: Effort
    clock: Clock

    def releases(self, name: str) -> str:
        """A key of the form of a manifest's, which is written once."""
        return f"{self.folder}releases/{name}.json"

    @property
    def head(self) -> str:
        """A key of the form of a channel's HEAD, which may be overwritten."""
        return f"{self.folder}channels/production/HEAD"


Check = Callable[[Bench], Finding]


def create_race(bench: Bench) -> Finding:
    """Of several writers who create one key at the same time, exactly one wins, and the others are told."""
    check = "create race"
    race = Race(bench.probe, bench.effort.racers)
    losers: Counter[Reply] = Counter()
    slowest = 0.0
    for number in range(1, bench.effort.rounds + 1):
        key = bench.releases(f"race-{number}")
        bodies = [f"racer {racer:02} of round {number}".encode() for racer in range(bench.effort.racers)]
        outcome = race.run(key, bodies)
        fault = _race_fault(bench, key, bodies, outcome)
        if fault:
            return _unsafe(check, f"round {number} of {bench.effort.racers} writers: {fault}")
        losers.update(reply for reply in outcome.replies if reply is not Reply.DONE)
        slowest = max(slowest, outcome.slowest_s)
    said = ", ".join(f"{count} x {reply.value}" for reply, count in losers.most_common())
    verdict, wait = Verdict.OK, ""
    if slowest > WRITING.read_timeout_s:
        verdict, wait = Verdict.WARNING, f"; one waited {slowest:.0f} s for its answer, longer than clients do"
    detail = (
        f"one winner in each of {bench.effort.rounds} rounds of {bench.effort.racers} writers, losers told {said}{wait}"
    )
    return Finding(check, verdict, detail, {"slowest_answer_s": round(slowest, 3)})


def _race_fault(bench: Bench, key: str, bodies: list[bytes], outcome: Outcome) -> str:
    """What is wrong with a race; empty if nothing is."""
    told = Counter(outcome.replies)
    if told[Reply.DONE] != 1:
        said = ", ".join(f"{count} x {reply.value}" for reply, count in told.most_common())
        return f"{told[Reply.DONE]} were told that they won ({said})"
    for reply in told:
        if reply not in {Reply.DONE, Reply.EXISTS, Reply.BUSY}:
            return f"losers got {reply.value} instead of 412 or 409"
    if outcome.early is not None:
        return "the key was readable while no write was complete"
    winner = bodies[outcome.replies.index(Reply.DONE)]
    if any(reader.read(key) != winner for reader in (bench.probe, bench.other)):
        return "the key does not hold what the winner wrote"
    return ""


def second_create(bench: Bench) -> Finding:
    """A key that holds something is not created again, by no client, and keeps its bytes."""
    check = "second create"
    key = bench.releases("second-create")
    _written(bench.probe.put(key, b"first"), "create")
    bench.other.reconnect()
    for writer, body in ((bench.probe, b"second"), (bench.other, b"third, longer"), (bench.probe, b"first")):
        reply = writer.put(key, body)
        if reply is not Reply.EXISTS:
            return _unsafe(check, f"a second create was answered with {reply.value} instead of 412")
        if bench.other.read(key) != b"first":
            return _unsafe(check, "a second create was refused, and changed the object all the same")
    return _ok(check, "refused with 412, the bytes unchanged")


def missing(bench: Bench) -> Finding:
    """A key that holds nothing is said to hold nothing, by GET and by HEAD."""
    check = "missing"
    key = bench.releases("never-written")
    for method, ask in (("GET", bench.probe.get), ("HEAD", bench.probe.size)):
        try:
            ask(key)
        except ObjectMissing:
            continue
        return _unsafe(check, f"{method} of a key that was never written finds something")
    if bench.probe.keys(f"{bench.folder}nothing/"):
        return _unsafe(check, "a listing of a prefix where nothing was written shows keys")
    return _ok(check, "GET and HEAD answer 404")


def visible_at_once(bench: Bench) -> Finding:
    """What was acknowledged is in the next read and the next listing, also for a client that comes anew."""
    check = "visible at once"
    prefix = f"{bench.folder}channels/production/log/"
    written: list[str] = []
    bench.probe.keys(prefix)
    for number in range(1, bench.effort.samples + 1):
        key, body = f"{prefix}{number:012d}.json", str(number).encode()
        if bench.other.read(key) is not None:
            return _unsafe(check, f"{key} is there before it was written")
        _written(bench.probe.put(key, body), "create")
        written.append(key)
        bench.other.reconnect()
        for who, reader in (("the writer", bench.probe), ("another client", bench.other)):
            if reader.read(key) != body:
                return _unsafe(check, f"{who} did not read object {number} after it was written")
            if reader.keys(prefix) != written:
                return _unsafe(check, f"{who} did not see exactly what was written in a listing after write {number}")
    return _ok(
        check,
        f"{bench.effort.samples} of {bench.effort.samples} writes were in the next read and listing of two clients",
    )


def overwrite(bench: Bench) -> Finding:
    """A write without a condition replaces the object, and the next read shows it."""
    check = "overwrite"
    for number in range(bench.effort.samples):
        body = f'{{"sequence":{number}}}'.encode()
        _written(bench.probe.put(bench.head, body, WriteCondition.OVERWRITE), "write without a condition")
        for who, reader in (("the writer", bench.probe), ("another client", bench.other)):
            if reader.read(bench.head) != body:
                return _unsafe(check, f"{who} read something else after overwrite {number + 1}")
            if reader.size(bench.head) != len(body):
                return _unsafe(check, f"{who} was told another length after overwrite {number + 1}")
    return _ok(
        check, f"{bench.effort.samples} of {bench.effort.samples} overwrites were in the next read of two clients"
    )


def listing(bench: Bench) -> Finding:
    """Listings of a folder come in key order, by prefix, from a key on, in pages and by folder."""
    check = "listing"
    root = f"{bench.folder}yanked/"
    names = ["1.0.0-rc.1", "1.0.0", "1.10.0", "1.2.0", "10.0.0", "2.0.0", "2.0.0-alpha"]
    for name in reversed(names):
        _written(bench.probe.put(f"{root}{name}.json", b"{}"), "create")
    expected = sorted((f"{root}{name}.json" for name in names), key=str.encode)
    for page in (1000, 2, 1):
        if bench.probe.keys(root, page=page) != expected:
            return _unsafe(check, f"a listing in pages of {page} is not the keys of the folder in order")
    for after in (expected[0], expected[3], expected[-1], f"{root}1.1.json", root):
        if bench.probe.keys(root, start_after=after, page=2) != [key for key in expected if key > after]:
            return _unsafe(check, f"a listing with start-after {after} does not begin after it")
    if bench.probe.keys(f"{root}1.0.0") != [key for key in expected if key.startswith(f"{root}1.0.0")]:
        return _unsafe(check, "a listing by prefix shows other keys than those that begin with it")
    for name in ("b", "a"):
        _written(bench.probe.put(f"{bench.folder}folders/{name}/x.json", b"{}"), "create")
    if bench.probe.folders(f"{bench.folder}folders/") != [f"{bench.folder}folders/a/", f"{bench.folder}folders/b/"]:
        return _unsafe(check, "a listing with a delimiter does not show the folders one level below")
    return _ok(check, "prefix, start-after, delimiter and pages as asked for, each folder in key order")


def large_file(bench: Bench) -> Finding:
    """A file that is sent in parts comes back whole and in ranges, digest for digest."""
    check = "large file"
    parts = [os.urandom(PART_BYTES), os.urandom(TAIL_BYTES)]
    whole = b"".join(parts)
    digest = hashlib.sha256(whole).hexdigest()
    key = f"{bench.folder}files/{digest}/model.onnx"
    bench.probe.upload_parts(key, parts)
    if bench.other.size(key) != len(whole):
        return _unsafe(check, f"HEAD says {bench.other.size(key)} bytes, {len(whole)} were sent in parts")
    if hashlib.sha256(bench.other.get(key)).hexdigest() != digest:
        return _unsafe(check, "what was sent in parts comes back with another digest")
    for start, end in ((0, 0), (PART_BYTES - 7, PART_BYTES + 8), (PART_BYTES, None)):
        wanted = f"bytes={start}-{'' if end is None else end}"
        if bench.other.get(key, wanted) != whole[start : None if end is None else end + 1]:
            return _unsafe(check, f"a read of {wanted} does not return these bytes, so no download can be resumed")
    # Downloads ask for one byte more than there should be, so that a longer object is noticed.
    if bench.other.get(key, f"bytes={PART_BYTES}-{len(whole)}") != parts[1]:
        return _unsafe(check, "a read that goes one byte beyond the end does not return what there is")
    try:
        bench.other.get(key, f"bytes={len(whole)}-{len(whole)}")
    except Rejected:
        return _ok(check, f"{len(whole)} bytes in 2 parts: same digest, ranges exact, none beyond the end")
    return _unsafe(check, "a read that begins at the end is not refused with 416, so a short file looks whole")


def checksums(bench: Bench) -> Finding:
    """Whether the store refuses a body whose stated checksum is wrong; the protocol checks its own digests."""
    check = "checksums"
    wrong = base64.b64encode(hashlib.sha256(b"another body").digest()).decode()
    key = f"{bench.folder}files/checksum/model.onnx"
    try:
        reply = bench.probe.put(key, b"body", WriteCondition.OVERWRITE, ChecksumSHA256=wrong)
    except (Unreachable, Rejected):
        if bench.other.read(key) is None:
            return Finding(check, Verdict.INFO, "refuses a body whose stated SHA-256 is wrong")
        return Finding(check, Verdict.INFO, "refuses a wrong SHA-256, and stores the body all the same")
    return Finding(check, Verdict.INFO, f"takes a body whose stated SHA-256 is wrong ({reply.value}); readers check")


def demands_condition(bench: Bench) -> Finding:
    """Whether the store itself refuses to write a protocol key without `If-None-Match`; see policies/."""
    check = "demands condition"
    reply = bench.probe.put(bench.releases("without-condition"), b"{}", WriteCondition.OVERWRITE)
    if reply is Reply.DENIED:
        return Finding(check, Verdict.INFO, "the store refuses to overwrite a manifest, whoever asks")
    return Finding(check, Verdict.INFO, "the store lets this key overwrite a manifest; readers would refuse it")


def clock_skew(bench: Bench) -> Finding:
    """The store's clock against this machine's: signatures hold for 15 minutes, and grace periods use its times."""
    check = "clock skew"
    before = bench.clock()
    said = bench.probe.server_time()
    after = bench.clock()
    if said is None:
        return Finding(check, Verdict.WARNING, "the store's answers carry no Date")
    key = bench.releases("clock")
    _written(bench.probe.put(key, b"{}"), "create")
    written = bench.probe.modified(key)
    skew = _distance(said, before, after)
    stamp = _distance(written, before, bench.clock())
    figures = {"date_skew_s": round(skew, 3), "last_modified_skew_s": round(stamp, 3)}
    worst = max(skew, stamp, key=abs)
    text = f"{abs(worst):.0f} s {'ahead of' if worst > 0 else 'behind'} this machine"
    if abs(worst) > SKEW_LIMIT_S:
        return Finding(
            check, Verdict.UNSAFE, f"{text}; beyond {SKEW_LIMIT_S:.0f} s signatures stop being valid", figures
        )
    if abs(worst) > SKEW_WARNING_S:
        return Finding(check, Verdict.WARNING, f"{text}; set the clock that is wrong", figures)
    return Finding(check, Verdict.OK, f"within {SKEW_WARNING_S:.0f} s of this machine", figures)


def latency(bench: Bench) -> Finding:
    """How long one small write, read and listing take: median and 95th percentile."""
    prefix = f"{bench.folder}latency/releases/"
    figures: dict[str, float] = {}
    numbers = range(bench.effort.samples)
    requests: dict[str, Callable[[int], object]] = {
        "put": lambda number: bench.probe.put(f"{prefix}{number}.json", b"{}"),
        "get": lambda number: bench.probe.read(f"{prefix}{number}.json"),
        "list": lambda _: bench.probe.keys(prefix),
    }
    for name, send in requests.items():
        durations = []
        for number in numbers:
            begin = time.perf_counter()
            send(number)
            durations.append((time.perf_counter() - begin) * 1000)
        figures[f"{name}_median_ms"] = round(statistics.median(durations), 2)
        figures[f"{name}_p95_ms"] = round(statistics.quantiles(durations, n=20)[-1], 2)
    said = ", ".join(f"{name} {figures[f'{name}_median_ms']} / {figures[f'{name}_p95_ms']}" for name in requests)
    return Finding("latency", Verdict.INFO, f"median / p95 in ms: {said}", figures)


CORE: Final[tuple[Check, ...]] = (create_race, second_create, missing, visible_at_once)
"""What no registry can do without; `init` runs these."""

ALL: Final[tuple[Check, ...]] = (
    *CORE,
    overwrite,
    listing,
    large_file,
    clock_skew,
    checksums,
    demands_condition,
    latency,
)


def run(check: Check, bench: Bench) -> Finding:
    """The check's finding; a store that gives no usable answer is found unsafe."""
    name = check.__name__.replace("_", " ")
    try:
        return check(bench)
    except ObjectMissing:
        return _unsafe(name, "an object that was just written is said to be missing")
    except KeyError as error:
        return _unsafe(name, f"an answer lacks {error}, which S3 gives")
    except Unfit as error:
        return _unsafe(name, str(error))
    except EduStreamError as error:
        return _unsafe(name, error.fact)


def _written(reply: Reply, doing: str) -> None:
    if reply is not Reply.DONE:
        raise Unfit(f"a {doing} that nothing speaks against was answered with {reply.value}")


def _distance(told: datetime, earliest: datetime, latest: datetime) -> float:
    """Seconds by which `told`, a time in whole seconds, lies outside the interval."""
    if told > latest:
        return (told - latest).total_seconds()
    return min((told - earliest).total_seconds() + 1.0, 0.0)


def _ok(check: str, detail: str) -> Finding:
    return Finding(check, Verdict.OK, detail)


def _unsafe(check: str, detail: str) -> Finding:
    return Finding(check, Verdict.UNSAFE, detail)
