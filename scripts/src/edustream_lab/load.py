"""Requests that keep coming while something happens."""

from __future__ import annotations

import threading
from collections import Counter
from itertools import cycle
from types import TracebackType
from typing import Any, Final, Self

import httpx

from edustream_lab.processes import ProgramFailed

PAUSE_S: Final = 0.005


class Load:
    """Posts rows in turn, again and again, from a thread; counts every status and every version that answered.

    A request that was not answered counts under the name of what went wrong. Leaving the block raises `ProgramFailed`
    where an answer could not be read, after which nothing more was sent.
    """

    def __init__(self, url: str, *rows: dict[str, Any]) -> None:
        self._url = f"{url}/predict"
        self._rows = cycle(rows)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._unread: Exception | None = None
        self.statuses: Counter[int | str] = Counter()
        self.versions: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        if self._unread and error is None:
            what = f"{type(self._unread).__name__}: {self._unread}"
            raise ProgramFailed(f"An answer of {self._url} could not be read, and the load ended: {what}")

    @property
    def failed(self) -> int:
        """How many requests were not answered with 200 and a JSON object."""
        return sum(self.statuses.values()) - self.statuses[200]

    def _run(self) -> None:
        try:
            with httpx.Client(trust_env=False, timeout=10.0) as client:
                # The pause leaves the processor to those who are asked.
                while not self._ended.wait(PAUSE_S):
                    self._ask(client)
        except Exception as error:
            self.statuses[type(error).__name__] += 1
            self._unread = error

    def _ask(self, client: httpx.Client) -> None:
        try:
            answer = client.post(self._url, json=next(self._rows))
        except httpx.TransportError as error:
            self.statuses[type(error).__name__] += 1
            return
        if answer.status_code == 200:
            self.versions[str(answer.json().get("model_version"))] += 1
        self.statuses[answer.status_code] += 1
