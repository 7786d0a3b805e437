"""Large files against boto3's own transfers, and a registry with many releases against one with few."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path
from typing import Any, Final

from figures import Figure, figure, printed_json

from edustream_lab.company import Company
from edustream_lab.processes import Stage

HERE: Final = Path(__file__).resolve().parent
MIB: Final = 1024 * 1024
LARGE_MIB: Final = 1024
WARM_UP_MIB: Final = 64
LARGE_ROUNDS: Final = 5
ALLOWED_MIB: Final = 100
FEW: Final = 10
MANY: Final = 10_000
PAGE: Final = 1000


class LargeFiles:
    """One file of `LARGE_MIB`; every round has a registry of its own, which is deleted after it."""

    def __init__(self, company: Company, programs: Stage, folder: Path) -> None:
        self._checkout = company.checkout
        self._programs = programs
        self._folder = folder / "large"
        self._python = company.checkout.python(company.checkout.producer)

    def transfers(self) -> list[Figure]:
        """Publishing against `upload_file`, pulling against `download_file`, in turn; the memory that ours take."""
        done: dict[str, list[dict[str, float]]] = {
            mode: [] for mode in ("upload_file", "publish", "download_file", "pull")
        }
        for number in range(LARGE_ROUNDS):
            for mode, result in self._round(number).items():
                done[mode].append(result)
        rates = {mode: [LARGE_MIB / one["seconds"] for one in results] for mode, results in done.items()}
        described = [LARGE_MIB / (one["seconds"] + one["described_s"]) for one in done["publish"]]
        allowed = [float(ALLOWED_MIB)]
        return [
            figure("pull and verify 1 GiB / download_file", rates["pull"], rates["download_file"], "MiB/s", ">= 0.9"),
            figure("publish 1 GiB / upload_file", rates["publish"], rates["upload_file"], "MiB/s", ">= 0.9"),
            figure("describe and publish 1 GiB / upload_file", described, rates["upload_file"], "MiB/s", ">= 0"),
            *(
                figure(
                    f"memory above the baseline to {mode} 1 GiB / allowed",
                    [one["memory_mib"] for one in done[mode]],
                    allowed,
                    "MiB",
                    "<= 1",
                )
                for mode in ("pull", "publish")
            ),
        ]

    def _round(self, number: int) -> dict[str, dict[str, float]]:
        home = self._folder / str(number)
        company = Company(self._checkout, self._programs, home)
        registry = company.start_registry()
        try:
            release = home / "release" / "weights.bin"
            release.parent.mkdir()
            _write_random(release, WARM_UP_MIB)
            self._transfer(home, "upload_file", release)
            _write_random(release, LARGE_MIB)
            # Who goes first changes from round to round.
            up = ("upload_file", "publish") if number % 2 else ("publish", "upload_file")
            down = ("download_file", "pull") if number % 2 else ("pull", "download_file")
            return {mode: self._transfer(home, mode, release) for mode in (*up, *down)}
        finally:
            registry.stop()
            shutil.rmtree(home)

    def _transfer(self, home: Path, mode: str, release: Path) -> dict[str, float]:
        target = home / f"target-{uuid.uuid4().hex}"
        script = [self._python, str(HERE / "large_file.py"), mode]
        result: dict[str, float] = printed_json(
            [*script, str(home / "repo-ml" / ".env"), str(release), str(target)], self._folder
        )
        if target.is_dir():
            shutil.rmtree(target)
        target.unlink(missing_ok=True)
        return result


class Growth:
    """A model with `MANY` releases and promotions beside one with `FEW`."""

    def __init__(self, company: Company, folder: Path) -> None:
        self._company = company
        self._folder = folder

    def questions(self) -> list[Figure]:
        """What resolving and polling take at both sizes, in seconds and in requests."""
        checkout = self._company.checkout
        producer, consumer = checkout.python(checkout.producer), checkout.python(checkout.consumer)
        names = {f"grown-{count}": count for count in (MANY, FEW)}
        for name, count in names.items():
            grow = [producer, str(HERE / "grow_registry.py"), str(self._company.home / "repo-ml" / ".env")]
            printed_json([*grow, name, str(count)], self._folder)
        ask = [consumer, str(HERE / "ask_registry.py"), str(self._company.home / "repo-api" / ".env")]
        answers: dict[str, Any] = printed_json([*ask, *names], self._folder)
        many, few = (answers[name] for name in names)
        return [
            figure(
                "resolve a channel, cold, at 10,000 releases and promotions / at 10",
                [many["seconds"]],
                [few["seconds"]],
                "s",
                "<= 1.2",
            ),
            _requests("requests to resolve a channel, cold, at 10,000 / allowed", many["requests"]["resolve"], 5),
            _requests("requests of a poll at 10,000 / allowed", many["requests"]["poll"], 2),
            _requests(
                "pages read to resolve ^2 at 10,000 releases / one per 1,000",
                {"list releases": many["requests"]["range"]["list releases"]},
                MANY // PAGE,
            ),
            _requests(
                "other requests to resolve ^2 at 10,000 releases / at 10",
                _others(many["requests"]["range"]),
                sum(_others(few["requests"]["range"]).values()),
            ),
        ]


def _others(requests: dict[str, int]) -> dict[str, int]:
    return {what: count for what, count in requests.items() if what != "list releases"}


def _requests(name: str, requests: dict[str, int], allowed: int) -> Figure:
    return figure(name, [float(sum(requests.values()))], [float(allowed)], "requests", "<= 1")


def _write_random(path: Path, mib: int) -> None:
    with path.open("wb") as file:
        for _ in range(mib):
            file.write(os.urandom(MIB))
