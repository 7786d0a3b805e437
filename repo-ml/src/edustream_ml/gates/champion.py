"""The release that a channel serves now, as a rival of the model that may take its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from textwrap import shorten
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Incompatible, InvalidInput, NothingToServe, Rejected
from edustream_ml.configuration import TrainingPlan
from edustream_ml.dataset import Dataset, Row
from edustream_ml.gates.bootstrap import Index
from edustream_ml.gates.comparison import Rival
from edustream_ml.scores import Scores
from edustream_ml.tasks import Task, outcome_of
from edustream_ml.tensors import Tensors
from edustream_registry.inference.loading import MODEL_FILE
from edustream_registry.inference.session import AnswerUnusable, Inference
from edustream_registry.manifest import DataSource
from edustream_registry.names import Reference
from edustream_registry.reading import ReleaseReader
from edustream_registry.released_contracts import ReleasedContracts

Columns = Mapping[str, npt.NDArray[Any]]

SHOWN_CHARACTERS: Final = 300
COMPARED_AT_LEAST: Final = 0.5
"""The share of the held-out rows that a release must be able to answer."""
NO_REGISTRY: Final = Rival("the live release", note="no registry was asked, so there is nothing to compare with")


@dataclass(frozen=True)
class Champion:
    """A live release that was verified and loaded; `title` is e.g. churn@1.0.1 (production)."""

    title: str
    contract: ModelContract
    model_sha256: str
    data: DataSource
    seed: int
    inference: Inference

    def rival(self, plan: TrainingPlan, held_out: Dataset, onnx: bytes) -> Rival:
        """Its answers to the held-out rows, for the model in `onnx`; or why there is nothing to compare.

        A release of another contract is compared if it answers the same question, on the held-out rows that satisfy its
        contract with the fields that it knows. Rows on which it fails are left out, too: it must answer half of all
        rows, and some of every class.
        """
        if self.model_sha256 == sha256_hex(onnx) and self.contract.digest == plan.contract.digest:
            return Rival(self.title, note=f"{self.title} is this very model")
        known = np.flatnonzero(self._known_rows(plan, held_out))
        unknown = f"{len(held_out) - len(known)} of {len(held_out)} held-out rows break its contract"
        reason = self._other_question(plan) or ("" if _are_enough(plan, held_out, known) else unknown)
        if reason:
            return self._not_compared(reason)
        answered = self._answered(plan, held_out, known)
        failing = f"it fails on {len(known) - len(answered.rows)} of {len(held_out)} held-out rows: {answered.failure}"
        if not _are_enough(plan, held_out, answered.rows):
            return self._not_compared(failing)
        cautions = [self._caution(plan, held_out)]
        if len(known) < len(held_out):
            cautions.append(f"{unknown}, and were left out")
        if answered.failure:
            cautions.append(f"{failing}; these were left out")
        rows = None if len(answered.rows) == len(held_out) else answered.rows
        return Rival(self.title, answered.scores, "; ".join(filter(None, cautions)), rows)

    def _not_compared(self, reason: str) -> Rival:
        return Rival(self.title, note=f"{self.title} cannot be compared: {reason}; the other gates alone decide")

    def _other_question(self, plan: TrainingPlan) -> str:
        try:
            theirs, ours = outcome_of(self.contract), plan.outcome
        except InvalidInput:
            return "its contract asks what no model of today answers"
        if (theirs.task, theirs.classes, theirs.field.unit) != (ours.task, ours.classes, ours.field.unit):
            return "its contract asks another question"
        if ours.task is Task.BINARY and not theirs.probabilities:
            return "its contract promises no probability"
        return ""

    def _known_rows(self, plan: TrainingPlan, held_out: Dataset) -> npt.NDArray[np.bool_]:
        """Which held-out rows (n,) satisfy its contract."""
        if self.contract.digest == plan.contract.digest:
            return np.ones(len(held_out), dtype=np.bool_)
        validator = self.contract.input_validator
        return np.array([validator.is_valid(self._known(row)) for row in held_out.rows], dtype=np.bool_)

    def _known(self, row: Row) -> Row:
        return {field.name: row[field.name] for field in self.contract.inputs if field.name in row}

    def _answered(self, plan: TrainingPlan, held_out: Dataset, known: Index) -> _Answered:
        """Its answers to the rows with these numbers, but for those on which it fails."""
        judged = held_out.part(known)
        if self.contract.digest == plan.contract.digest:
            tensors = Tensors.of_columns(judged.columns, self.contract)
        else:
            tensors = Tensors.of([self._known(row) for row in judged.rows], self.contract)
        parts = list(self._parts(tensors, np.arange(len(judged))))
        failure = next((columns for _, columns in parts if isinstance(columns, str)), "")
        answered = [(rows, columns) for rows, columns in parts if not isinstance(columns, str)]
        if not answered:
            return _Answered(known[:0], Scores(judged.labels[:0]), failure)
        columns = {name: np.concatenate([part[name] for _, part in answered]) for name in answered[0][1]}
        rows = np.concatenate([rows for rows, _ in answered])
        return _Answered(known[rows], self._scores(plan, columns), failure)

    def _parts(self, tensors: Tensors, rows: Index) -> Iterator[tuple[Index, Columns | str]]:
        """The rows in parts, each with its answers, or with why the only row of the part has none."""
        try:
            yield rows, self.inference.columns(tensors.numeric[rows], tensors.categorical[rows])
        except AnswerUnusable as error:
            if len(rows) == 1:
                yield rows, _brief(error)
            else:
                for half in np.array_split(rows, 2):
                    yield from self._parts(tensors, half)

    def _scores(self, plan: TrainingPlan, columns: Columns) -> Scores:
        outcome = outcome_of(self.contract)
        labels = columns[outcome.field.name]
        if plan.task is not Task.BINARY:
            return Scores(labels)
        name, promised = next(iter(outcome.probabilities.items()))
        probability = columns[name]
        pair = (probability, 1.0 - probability) if promised == plan.classes[0] else (1.0 - probability, probability)
        return Scores(labels, np.column_stack(pair))

    def _caution(self, plan: TrainingPlan, held_out: Dataset) -> str:
        """Which of its advantages are known: rows that it was trained on are no fair test, and favour it."""
        if (self.data.sha256, self.seed) == (held_out.sha256, plan.configuration.seed):
            return ""
        return "it was trained on other data or by another seed, so it may have seen some of these rows"


@dataclass(frozen=True)
class _Answered:
    """The numbers of the held-out rows that a champion answered, its answers, and why the first other one has none."""

    rows: Index
    scores: Scores
    failure: str


def _are_enough(plan: TrainingPlan, held_out: Dataset, rows: Index) -> bool:
    enough = len(rows) >= COMPARED_AT_LEAST * len(held_out)
    return enough and not set(plan.classes) - set(held_out.labels[rows])


def read_champion(reader: ReleaseReader, model: str, channel: str) -> Champion | Rival:
    """What a channel serves now; where there is nothing that a consumer could load, a rival that says so.

    Raises `Rejected` for a channel or a manifest that is not signed or not intact, `Unreachable`.
    """
    reference = Reference.parse(f"{model}@{channel}")
    try:
        found = reader.resolve(reference)
    except NothingToServe as error:
        return Rival(str(reference), note=f"{reference} serves nothing to compare with ({error.kind})")
    content = found.manifest.content
    title = f"{found.model}@{found.version} ({channel})"
    try:
        contract = ReleasedContracts(reader).of(found.manifest)
        data = reader.read_file(found.model, content.file(MODEL_FILE))
        inference = Inference(data, content, contract)
    except (NothingToServe, Rejected, Incompatible) as error:
        return Rival(title, note=f"{title} cannot be loaded, and no consumer can serve it: {_brief(error.fact)}")
    return Champion(title, contract, sha256_hex(data), content.data, content.rebuild.seed, inference)


def _brief(said: object) -> str:
    """What was said, as the end of a sentence: the manifest holds no text of any length."""
    return shorten(str(said).rstrip("."), SHOWN_CHARACTERS, placeholder=" ...")
