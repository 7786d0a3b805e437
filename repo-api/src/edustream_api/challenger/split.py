"""Divides live answers between a champion and a challenger; a caller stays on one side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import orjson
from edustream_contracts.compatibility import compare
from xxhash import xxh3_64_intdigest

from edustream_api.keeper import Keeper
from edustream_api.loading import ServedModel
from edustream_api.polling import Poller
from edustream_api.problems import INTERNAL, MODEL_FAILED, NOT_EXPLAINED
from edustream_api.request_context import API_KEY
from edustream_api.stated_needs import StatedNeeds
from edustream_api.states import State
from edustream_api.worker_files import SHOW_INTERVAL_S, WorkerFiles

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
POINTS: Final = 2**64
EXACT: Final = 2**53
"""Below it, every integer is a double of its own."""
CONTRACT: Final = "contract"
FAILURES: Final = frozenset({MODEL_FAILED, NOT_EXPLAINED})
"""What is a challenger's failing and not its caller's: the champion answers in its place."""
FALLBACKS: Final = frozenset(
    {CONTRACT, INTERNAL.name, *(kind.name for kind in FAILURES), *(state.value for state in State if not state.serves)}
)
"""Why the champion is asked instead of the challenger."""


class SplitCounts(NamedTuple):
    """What was answered by which side with which status, and what the champion answered instead and why."""

    answered: Counter[tuple[str, int]]
    fallbacks: Counter[str]


class Choice(NamedTuple):
    """Whose answer it is; the challenger, where it answers; why it does not where it should."""

    side: str
    challenger: ServedModel | None = None
    hindrance: str | None = None


TO_CHAMPION: Final = Choice(CHAMPION)


class Split:
    """Decides who answers a request. What counts belongs to one thread, the event loop's."""

    def __init__(
        self,
        champion: Keeper,
        challenger: Keeper,
        percent: float,
        key_header: str,
        files: WorkerFiles,
        needs: StatedNeeds | None = None,
    ) -> None:
        """Prepare; 0 < percent < 100 of the keys meet the challenger. `needs` states what is needed of it."""
        self.needs = needs
        self.challenger = challenger
        self.percent = percent
        self._champion = champion
        self._seed = xxh3_64_intdigest(str(challenger.reference).encode())
        self._below = int(POINTS * percent / 100)
        self.key_header = key_header.lower().encode()
        self._files = files
        self._counts = SplitCounts(Counter(), Counter())
        self.succeeded = {CHAMPION: 0, CHALLENGER: 0}
        """Requests answered with 200, by side; counted here by those who answer the most."""
        # Contracts by their digests, and no releases: those go when they no longer serve.
        self._fitting: tuple[str, str, str | None] | None = None

    def meets_challenger(self, key: bytes) -> bool:
        """Whether whoever has this key is answered by the challenger.

        The key's place among 2**64 is its XXH3 (64 bits), seeded with that of the challenger's reference; those below
        the share that is set meet the challenger. So a higher percentage moves nobody back to the champion, and
        another channel draws other callers.
        """
        return xxh3_64_intdigest(key, self._seed) < self._below

    def key(self, scope: Mapping[str, Any], body: bytes) -> bytes:
        """The key of a request: its header, else the name of its API key, else the content of its (first) row."""
        for name, value in scope["headers"]:
            if name == self.key_header:
                return bytes(value)
        caller: str | None = scope.get("state", {}).get(API_KEY)
        return caller.encode() if caller else content_key(body)

    def choose(self, key: bytes) -> Choice:
        """Who answers now.

        Where the champion cannot be served nobody answers in its place: its state is the model's.
        """
        if not self.meets_challenger(key):
            return TO_CHAMPION
        champion = self._champion.snapshot.serving
        if champion is None:
            return TO_CHAMPION
        snapshot = self.challenger.snapshot
        challenger = snapshot.serving
        hindrance = self._unfit(champion, challenger) if challenger else snapshot.state.value
        return Choice(CHALLENGER, challenger) if hindrance is None else Choice(CHAMPION, None, hindrance)

    def fell_back(self, reason: str) -> None:
        """Count a request that was the challenger's and that the champion is to answer."""
        self._counts.fallbacks[reason] += 1

    def answered(self, side: str, status: int) -> None:
        """Count a request that was answered."""
        self._counts.answered[side, status] += 1

    def pollers(self) -> list[Poller]:
        """The threads that this needs while the server runs."""
        return [Poller(self.show, SHOW_INTERVAL_S, "split-counts")] if self._files.shared else []

    def show(self) -> None:
        """Show the other workers what this one counted."""
        answered = [[side, status, count] for (side, status), count in self._answered().items()]
        self._files.show({"answered": answered, "fallbacks": self._counts.fallbacks.copy()})

    def counts(self) -> SplitCounts:
        """What all workers counted."""
        answered, fallbacks = self._answered(), self._counts.fallbacks.copy()
        for other in self._files.others():
            fallbacks.update(other["fallbacks"])
            for side, status, count in other["answered"]:
                answered[side, status] += count
        return SplitCounts(answered, fallbacks)

    def _answered(self) -> Counter[tuple[str, int]]:
        answered = self._counts.answered.copy()
        answered.update({(side, HTTPStatus.OK.value): count for side, count in self.succeeded.items()})
        return answered

    def _unfit(self, champion: ServedModel, challenger: ServedModel) -> str | None:
        # Rows that the champion accepts must be answered by either side, with answers that its callers can read.
        asked, answers = champion.contract, challenger.contract
        known = self._fitting
        if known is None or known[0] != asked.digest or known[1] != answers.digest:
            fits = asked.digest == answers.digest or not compare(asked, answers).breaking
            known = self._fitting = (asked.digest, answers.digest, None if fits else CONTRACT)
        return known[2]


def content_key(body: bytes) -> bytes:
    """The bytes that stand for a body's content however it is spelt: for a batch, those of its first row alone.

    So a batch meets the side that its first row would meet alone. What is no JSON has its bytes for a key.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
    if document.__class__ is dict:
        rows = document.get("rows")
        if rows.__class__ is list and rows:
            document = rows[0]
        elif document.get("inputs").__class__ is list:
            # Of an inference request of the Open Inference Protocol, which may have an id of its own.
            document = {"inputs": document["inputs"]}
    try:
        return row_key(document)
    except orjson.JSONEncodeError:
        # What can be read can be nested deeper than what is written; no row is.
        return body


def row_key(row: Any) -> bytes:
    """The bytes that stand for a row however it is spelt. Raises `orjson.JSONEncodeError` for one that is too deep."""
    if row.__class__ is dict:
        row = {name: _number(value) if value.__class__ is float else value for name, value in row.items()}
    return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)


def _number(value: float) -> float:
    # 70 and 70.0 are one number.
    return int(value) if value.is_integer() and abs(value) < EXACT else value
