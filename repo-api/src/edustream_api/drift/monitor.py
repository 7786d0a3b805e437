"""Drift: whether a model is asked other rows, or answers otherwise, than its release's profile says."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from edustream_api.drift.pace import Pace
from edustream_api.drift.recorder import Recorder
from edustream_api.drift.reference import FieldReference, Reference, Rows
from edustream_api.drift.statistics import (
    Counts,
    jensen_shannon_distance,
    population_stability_index,
    stability_index_by_chance,
)
from edustream_api.drift.window import Block, newest
from edustream_api.events import Event, Swapped
from edustream_api.loading import ServedModel
from edustream_api.polling import Poller
from edustream_api.worker_files import SHOW_INTERVAL_S, WorkerFiles, runs


class Verdict(StrEnum):
    """What the population stability index of a field means."""

    TOO_FEW_ROWS = "too_few_rows"
    STABLE = "stable"
    MINOR_SHIFT = "minor_shift"
    MAJOR_SHIFT = "major_shift"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which values of the index a shift is minor and major, and below how many rows none is looked for."""

    minor: float
    major: float
    min_rows: int


@dataclass(frozen=True, slots=True)
class FieldDrift:
    """How far one field lies from its reference.

    `observed` counts the window's rows by the reference's bins. `by_chance` is the index that is exceeded without any
    shift about once in 10,000 windows of this size; the three numbers are None of an empty window.
    """

    reference: FieldReference
    observed: Counts
    stability_index: float | None
    distance: float | None
    by_chance: float | None
    verdict: Verdict

    @staticmethod
    def of(reference: FieldReference, observed: Counts, thresholds: Thresholds) -> FieldDrift:
        """Compare the window's counts of a field with the reference's."""
        rows = int(observed.sum())
        if not rows:
            return FieldDrift(reference, observed, None, None, None, Verdict.TOO_FEW_ROWS)
        index = population_stability_index(reference.counts, observed)
        by_chance = stability_index_by_chance(reference.counts, observed)
        # Few reference rows, or many bins, ask for more rows than the settings do.
        if rows < thresholds.min_rows or by_chance > thresholds.minor:
            verdict = Verdict.TOO_FEW_ROWS
        elif index < thresholds.minor:
            verdict = Verdict.STABLE
        else:
            verdict = Verdict.MINOR_SHIFT if index < thresholds.major else Verdict.MAJOR_SHIFT
        distance = jensen_shannon_distance(reference.counts, observed)
        return FieldDrift(reference, observed, index, distance, by_chance, verdict)


@dataclass(frozen=True, slots=True)
class ModelDrift:
    """How far the `rows` of a window lie from their reference."""

    rows: int
    fields: tuple[FieldDrift, ...]

    @property
    def verdict(self) -> Verdict:
        """That of the field that shifted most."""
        return max((field.verdict for field in self.fields), key=list(Verdict).index)


class DriftMonitor:
    """Compares the rows that a model answers with the profile of the release that answered them.

    It observes requests, listens to the model's keeper, and counts with what other workers counted. A release that
    comes into service begins an empty window.
    """

    def __init__(
        self,
        thresholds: Thresholds,
        window_rows: int,
        rows_a_second: float,
        workers: int,
        files: WorkerFiles,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Each of `workers` processes keeps its last `window_rows`; in `files` they show them to one another.

        The last of all workers' rows are compared, whichever of them they reached. Of a stream that goes on,
        `rows_a_second` are recorded, over all workers; of a burst, two windows, so that one whole window still
        displaces another. `clock` tells seconds, to all processes of this machine the same.
        """
        self.thresholds = thresholds
        self.window_rows = window_rows
        self._workers = workers
        self._files = files
        self._clock = clock
        self._recorder: Recorder | None = None
        self._pace = Pace(rows_a_second / workers, 2 * window_rows, clock)

    def pollers(self) -> list[Poller]:
        """The threads that this needs while the server runs."""
        return [Poller(self._show, SHOW_INTERVAL_S, "drift-counts")] if self._files.shared else []

    def listen(self, event: Event) -> None:
        """Begin a window when a release comes into service."""
        if isinstance(event, Swapped):
            after = event.after
            self._recorder = (
                Recorder(after.release.manifest_digest, after.reference, self.window_rows, self._workers, self._clock)
                if isinstance(after.reference, Reference)
                else None
            )

    def observe(self, model: ServedModel, rows: Rows, answers: Rows) -> None:
        """Take note of rows that were answered; those of another release than the window's are left out."""
        recorder = self._recorder
        if recorder is not None and model.reference is recorder.reference:
            rows, answers = self._pace.sample(rows, answers)
            if rows:
                recorder.take(rows, answers)

    def compare(self, reference: Reference) -> ModelDrift:
        """How far the rows that all workers answered with the release of `reference` lie from it."""
        recorder = self._recorder
        counts, rows = np.zeros(reference.ends[-1], dtype=np.int64), 0
        if recorder is not None and recorder.reference is reference:
            for block in newest([*recorder.recorded(), *self._of_others(recorder)], self.window_rows):
                rows += block.rows
                counts += block.counts
        fields = zip(reference.fields, reference.split(counts), strict=True)
        return ModelDrift(
            rows,
            tuple(FieldDrift.of(field, observed, self.thresholds) for field, observed in fields),
        )

    def _of_others(self, recorder: Recorder) -> Iterator[Block]:
        for shown in self._files.others():
            if not runs(shown["process"]):
                self._files.forget(shown["process"])
            elif shown["release"] == recorder.release:
                for at, rows, counts in shown["blocks"]:
                    yield Block(at, rows, np.array(counts, dtype=np.int64))

    def _show(self) -> None:
        recorder = self._recorder
        # Who records nothing shows so: what was shown of the release before is of a window that ended.
        release = recorder.release if recorder else None
        recorded = recorder.recorded() if recorder else []
        blocks = [[block.at, block.rows, block.counts.tolist()] for block in recorded]
        self._files.show({"process": os.getpid(), "release": release, "blocks": blocks})
