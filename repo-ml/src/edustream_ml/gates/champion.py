"""The release that a channel serves now, as a rival of the model that may take its place."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import shorten
from typing import Final

import numpy as np
import numpy.typing as npt

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Incompatible, InvalidInput, NothingToServe, Rejected
from edustream_ml.configuration import TrainingPlan
from edustream_ml.dataset import Dataset, Row
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

SHOWN_CHARACTERS: Final = 300
COMPARED_AT_LEAST: Final = 0.5
"""The share of the held-out rows that a release of another contract must be able to answer."""
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
        contract with the fields that it knows, if these are half of them and of every class.
        """
        if self.model_sha256 == sha256_hex(onnx) and self.contract.digest == plan.contract.digest:
            return Rival(self.title, note=f"{self.title} is this very model")
        known = self._known_rows(plan, held_out)
        judged = held_out if known.all() else held_out.part(np.flatnonzero(known))
        unknown = f"{(~known).sum()} of {len(held_out)} held-out rows break its contract"
        reason = self._other_question(plan)
        if known.mean() < COMPARED_AT_LEAST or set(plan.classes) - set(judged.labels):
            reason = reason or unknown
        if reason:
            return Rival(self.title, note=f"{self.title} cannot be compared: {reason}; the other gates alone decide")
        try:
            answered = self._answers(plan, judged)
        except AnswerUnusable as error:
            return Rival(
                self.title, note=f"{self.title} cannot be compared: it fails on a held-out row: {_brief(error)}"
            )
        caution = self._caution(plan, held_out)
        if known.all():
            return Rival(self.title, answered, caution)
        left_out = f"{unknown}, and were left out"
        return Rival(self.title, answered, "; ".join(filter(None, (caution, left_out))), np.flatnonzero(known))

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

    def _answers(self, plan: TrainingPlan, held_out: Dataset) -> Scores:
        if self.contract.digest == plan.contract.digest:
            tensors = Tensors.of_columns(held_out.columns, self.contract)
        else:
            tensors = Tensors.of([self._known(row) for row in held_out.rows], self.contract)
        columns = self.inference.columns(tensors.numeric, tensors.categorical)
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
