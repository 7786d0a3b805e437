"""The live release as a rival: what is read, what is compared, and what is not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import small_document, write_project

from edustream_contracts.contract import contract_from, load_contract
from edustream_contracts.errors import Rejected
from edustream_ml.configuration import load_plan
from edustream_ml.gates.champion import Champion, read_champion
from edustream_ml.gates.comparison import Rival
from edustream_ml.gates.decision import Evidence, judge
from edustream_ml.gates.report import GateKind
from edustream_ml.scores import Scores
from edustream_ml.training import Training
from edustream_registry.inference.session import AnswerUnusable
from edustream_registry.manifest import ReleaseContent, ReleaseFile
from edustream_registry.testing.simulator import RegistrySimulator

OTHER_MODEL = b"another model than the champion's"
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def live(registry: RegistrySimulator, content: ReleaseContent, tmp_path: Path) -> RegistrySimulator:
    registry.publish(content, tmp_path / "release")
    registry.promote("churn", "1.0.0")
    return registry


def champion_of(registry: RegistrySimulator) -> Champion:
    found = read_champion(registry.reader, "churn", "production")
    assert isinstance(found, Champion)
    return found


def with_contract(content: ReleaseContent, folder: Path, change: Change) -> ReleaseContent:
    """The release with another contract among its files, and in what it states."""
    document = json.loads(json.dumps(load_contract("churn").document))
    change(document)
    contract = contract_from(document)
    (folder / "contract.json").write_text(json.dumps(contract.document), encoding="utf-8")
    files = tuple(ReleaseFile.of(folder / file.name) for file in content.files)
    return content.model_copy(update={"files": files, "contract_digest": contract.digest})


def test_the_live_release_answers_the_held_out_rows_as_it_did_when_it_was_trained(
    live: RegistrySimulator, small_training: Training
) -> None:
    champion = champion_of(live)
    rival = champion.rival(small_training.plan, small_training.split.held_out, OTHER_MODEL)
    assert (champion.title, rival.title, rival.note) == ("churn@1.0.0 (production)", "churn@1.0.0 (production)", "")
    assert rival.answered is not None
    assert rival.answered.probabilities is not None
    expected = small_training.held_out_scores
    assert expected.probabilities is not None
    assert rival.answered.labels.tolist() == expected.labels.tolist()
    np.testing.assert_allclose(rival.answered.probabilities, expected.probabilities, atol=1e-5)


def test_the_very_same_model_is_not_compared_with_itself(live: RegistrySimulator, small_training: Training) -> None:
    rival = champion_of(live).rival(small_training.plan, small_training.split.held_out, small_training.onnx)
    assert rival == Rival("churn@1.0.0 (production)", note="churn@1.0.0 (production) is this very model")


def test_a_champion_of_another_seed_may_have_seen_the_rows(
    live: RegistrySimulator, small_training: Training, tmp_path: Path
) -> None:
    other = load_plan(write_project(tmp_path, small_document() | {"seed": 1}))
    rival = champion_of(live).rival(other, small_training.split.held_out, OTHER_MODEL)
    assert rival.answered is not None
    assert rival.note == "it was trained on other data or by another seed, so it may have seen some of these rows"


def test_without_a_live_release_there_is_nothing_to_compare(registry: RegistrySimulator) -> None:
    found = read_champion(registry.reader, "churn", "production")
    assert isinstance(found, Rival)
    assert found.answered is None
    assert found.note == "churn@production serves nothing to compare with (model_missing)"


def test_a_yanked_release_is_no_champion(live: RegistrySimulator) -> None:
    live.yank("churn", "1.0.0")
    found = read_champion(live.reader, "churn", "production")
    assert isinstance(found, Rival)
    assert "(yanked)" in found.note


def test_a_release_that_nobody_can_load_may_be_replaced(live: RegistrySimulator) -> None:
    key = next(key for key in live.memory.objects if key.endswith("model.onnx"))
    del live.memory.objects[key]
    found = read_champion(live.reader, "churn", "production")
    assert isinstance(found, Rival)
    assert found.note.startswith("churn@1.0.0 (production) cannot be loaded, and no consumer can serve it: The file")


def test_a_channel_that_is_not_signed_stops_the_run(live: RegistrySimulator) -> None:
    key = next(key for key in live.memory.objects if "/log/" in key)
    live.memory.objects[key] = live.memory.objects[key].replace(b"a test", b"a tset")
    with pytest.raises(Rejected):
        read_champion(live.reader, "churn", "production")


def narrower(document: dict[str, Any]) -> None:
    document["input"]["properties"]["tenure"]["maximum"] = 71


def newcomers(document: dict[str, Any]) -> None:
    document["input"]["examples"] = document["input"]["examples"][:1]
    document["input"]["properties"]["tenure"]["maximum"] = 10


def wider(document: dict[str, Any]) -> None:
    document["input"]["properties"]["tenure"]["maximum"] = 240


def retitled_class(document: dict[str, Any]) -> None:
    document["output"]["properties"]["prediction"]["enum"] = ["No", "Perhaps", "Yes"]


def without_a_probability(document: dict[str, Any]) -> None:
    del document["output"]["properties"]["probability"]
    document["output"]["required"] = ["prediction"]
    document["output"]["examples"] = [{"prediction": "Yes"}]


def a_count(document: dict[str, Any]) -> None:
    without_a_probability(document)
    prediction = document["output"]["properties"]["prediction"]
    prediction |= {"type": "integer", "minimum": 0, "maximum": 1}
    del prediction["enum"]
    document["output"]["examples"] = [{"prediction": 1}]


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (without_a_probability, "its contract promises no probability; the other gates alone decide"),
        (newcomers, r"\d+ of 120 held-out rows break its contract; the other gates alone decide"),
        (retitled_class, "its contract asks another question; the other gates alone decide"),
    ],
)
def test_a_champion_that_cannot_answer_these_rows_is_not_compared(
    registry: RegistrySimulator,
    content: ReleaseContent,
    small_training: Training,
    tmp_path: Path,
    change: Change,
    note: str,
) -> None:
    registry.publish_unchecked(with_contract(content, tmp_path / "release", change), tmp_path / "release", "1.0.0")
    registry.promote("churn", "1.0.0")
    rival = champion_of(registry).rival(small_training.plan, small_training.split.held_out, OTHER_MODEL)
    assert rival.answered is None
    pattern = rf"churn@1\.0\.0 \(production\) cannot be compared: {note}"
    assert re.fullmatch(pattern, rival.note)


def test_a_champion_of_a_wider_contract_is_compared(
    registry: RegistrySimulator, content: ReleaseContent, small_training: Training, tmp_path: Path
) -> None:
    registry.publish(with_contract(content, tmp_path / "release", wider), tmp_path / "release")
    registry.promote("churn", "1.0.0")
    rival = champion_of(registry).rival(small_training.plan, small_training.split.held_out, OTHER_MODEL)
    assert rival.answered is not None


def test_a_champion_is_compared_on_the_rows_that_it_can_answer(
    registry: RegistrySimulator, content: ReleaseContent, small_training: Training, tmp_path: Path
) -> None:
    registry.publish_unchecked(with_contract(content, tmp_path / "release", narrower), tmp_path / "release", "1.0.0")
    registry.promote("churn", "1.0.0")
    held_out = small_training.split.held_out
    rival = champion_of(registry).rival(small_training.plan, held_out, OTHER_MODEL)
    answerable = np.flatnonzero(held_out.columns["tenure"].to_numpy() <= 71)
    assert 60 < len(answerable) < 120
    assert rival.rows is not None
    assert rival.rows.tolist() == answerable.tolist()
    assert rival.note == f"{120 - len(answerable)} of 120 held-out rows break its contract, and were left out"
    assert rival.answered is not None
    assert rival.answered.labels.tolist() == small_training.held_out_scores.labels[answerable].tolist()
    constant = Scores(np.full(120, "No", dtype=object), np.tile([0.75, 0.25], (120, 1)))
    evidence = Evidence(held_out.labels, constant, {}, {"roc_auc": 0.5, "brier_score": 0.2}, 1, lambda: None, rival)
    (verdict,) = [row for row in judge(small_training.plan, evidence).rows if row.kind is GateKind.CHAMPION]
    assert not verdict.kept
    assert f"on the same {len(answerable)} held-out rows" in verdict.sentence


def test_a_champion_that_was_asked_for_a_count_is_not_compared(
    live: RegistrySimulator, small_training: Training
) -> None:
    document = json.loads(json.dumps(load_contract("churn").document))
    a_count(document)
    champion = replace(champion_of(live), contract=contract_from(document))
    rival = champion.rival(small_training.plan, small_training.split.held_out, OTHER_MODEL)
    assert rival.answered is None
    assert "its contract asks what no model of today answers; the other gates alone decide" in rival.note


@dataclass
class Failing:
    """An inference that no row can be answered by."""

    message: str

    def columns(self, *tensors: object) -> dict[str, object]:
        raise AnswerUnusable(self.message)


def test_a_champion_that_fails_on_a_row_is_not_compared_and_its_failure_is_told_in_brief(
    live: RegistrySimulator, small_training: Training
) -> None:
    failing: Any = Failing("no such number " * 1000)
    champion = replace(champion_of(live), inference=failing)
    rival = champion.rival(small_training.plan, small_training.split.held_out, OTHER_MODEL)
    assert rival.answered is None
    assert rival.note.startswith("churn@1.0.0 (production) cannot be compared: it fails on a held-out row: no such")
    assert len(rival.note) < 400
