"""Requests that keep coming while something happens."""

from __future__ import annotations

import threading
from collections import Counter
from types import TracebackType
from typing import Any, Final, Self

import httpx

PAUSE_S: Final = 0.005


class Load:
    """Posts one row again and again from a thread; counts every status and every version that answered."""

    def __init__(self, url: str, row: dict[str, Any]) -> None:
        self._url = f"{url}/predict"
        self._row = row
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.statuses: Counter[int | str] = Counter()
        self.versions: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def failed(self) -> int:
        """How many requests were not answered with 200."""
        return sum(self.statuses.values()) - self.statuses[200]

    def _run(self) -> None:
        with httpx.Client(trust_env=False, timeout=10.0) as client:
            # The pause leaves the processor to those who are asked.
            while not self._ended.wait(PAUSE_S):
                try:
                    answer = client.post(self._url, json=self._row)
                except httpx.TransportError as error:
                    self.statuses[type(error).__name__] += 1
                    continue
                self.statuses[answer.status_code] += 1
                if answer.status_code == 200:
                    self.versions[str(answer.json().get("model_version"))] += 1
