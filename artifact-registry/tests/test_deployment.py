from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import refusal

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import GateRefused, Incompatible, InvalidInput, NothingToServe, Rejected, Unreachable
from edustream_registry.deployment import Checked, Requirements, check, pinned_contract
from edustream_registry.manifest import GateRecord, ReleaseContent
from edustream_registry.names import Reference
from edustream_registry.testing.simulator import RegistrySimulator

HOUR = 3600.0


def checked(registry: RegistrySimulator, text: str = "churn@production", **required: object) -> Checked:
    return check(registry.reader, Reference.parse(text), registry.clock(), Requirements(**required))  # type: ignore[arg-type]


def test_everything_that_passed_is_told(promoted: RegistrySimulator, contract: ModelContract) -> None:
    promoted.clock.advance(HOUR)

    done = checked(promoted, contract=contract.digest, major=1, max_age_s=2 * HOUR)

    assert done.resolved.version == "1.0.0"
    assert [sentence.partition(" of churn@")[0] for sentence in done.passed] == [
        "manifest",
        "1 log entries",
        done.passed[2],
        "contract and documents valid",
        f"contract {contract.digest[:12]}, as required",
        "major version 1, as required",
        "1 thresholds, every one kept",
        "promoted 1 h ago, within 2 h",
    ]


def test_what_is_not_required_is_not_told(promoted: RegistrySimulator) -> None:
    assert not any("required" in sentence or "ago" in sentence for sentence in checked(promoted).passed)


def test_the_contract_must_be_the_required_one(promoted: RegistrySimulator) -> None:
    assert refusal(lambda: checked(promoted, contract="0" * 64))[:2] == (Incompatible, "contract")


def test_the_major_version_must_be_the_required_one(promoted: RegistrySimulator) -> None:
    assert refusal(lambda: checked(promoted, major=2))[:2] == (Incompatible, "contract")


@pytest.mark.parametrize(
    ("metrics", "thresholds", "problem"),
    [
        ({"roc_auc": 0.7}, {"roc_auc": 0.8}, "roc_auc: is 0.7; the threshold is at least 0.8"),
        ({"log_loss": 0.9}, {"log_loss": 0.5}, "log_loss: is 0.9; the threshold is at most 0.5"),
        ({}, {"f1": 0.5}, "f1: is not measured; the threshold is at least 0.5"),
    ],
)
def test_every_threshold_must_be_kept(
    registry: RegistrySimulator,
    content: ReleaseContent,
    release_dir: Path,
    metrics: dict[str, float],
    thresholds: dict[str, float],
    problem: str,
) -> None:
    registry.publish(content.model_copy(update={"metrics": metrics, "thresholds": thresholds}), release_dir)

    category, kind, message = refusal(lambda: checked(registry, "churn@1.0.0"))

    assert (category, kind) == (GateRefused, "threshold")
    assert problem in message


@pytest.mark.parametrize("kept", [True, False])
def test_a_gate_that_said_no_when_the_release_was_made_says_no_again(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path, kept: bool
) -> None:
    gate = GateRecord(
        name="disparate_impact_female",
        kind="disparate_impact",
        value=0.7,
        limit=0.8,
        relation="at least",
        kept=kept,
        explanation="is 0.7; at least 0.8 is asked",
    )
    registry.publish(content.model_copy(update={"gates": (gate,)}), release_dir)
    registry.promote("churn", "1.0.0", "candidate")

    if kept:
        assert "1 gates, every one kept" in checked(registry, "churn@candidate").passed
    else:
        with pytest.raises(GateRefused, match=r"disparate_impact_female: is 0\.7; at least 0\.8 is asked") as caught:
            checked(registry, "churn@candidate")
        assert caught.value.kind == "threshold"


@pytest.mark.parametrize("text", ["churn@production", "churn@1.0.0", "churn@^1"])
def test_it_must_not_be_too_old(promoted: RegistrySimulator, text: str) -> None:
    promoted.clock.advance(HOUR)
    checked(promoted, text, max_age_s=HOUR)
    promoted.clock.advance(1)

    assert refusal(lambda: checked(promoted, text, max_age_s=HOUR))[:2] == (Rejected, "freeze")


def test_a_channel_is_as_old_as_its_promotion(promoted: RegistrySimulator, release: Callable[..., str]) -> None:
    version = release("two", promote=False)
    promoted.clock.advance(HOUR)
    promoted.promote("churn", version)

    checked(promoted, max_age_s=1)


def test_a_yanked_release_may_not_be_deployed(promoted: RegistrySimulator) -> None:
    promoted.yank("churn", "1.0.0")

    assert refusal(lambda: checked(promoted))[:2] == (NothingToServe, "yanked")


def test_a_damaged_file_stops_it(promoted: RegistrySimulator) -> None:
    key = next(key for key in promoted.memory.objects if key.endswith("/model.onnx"))
    promoted.memory.objects[key] = b"medol"

    assert refusal(lambda: checked(promoted))[:2] == (Rejected, "digest")


def test_an_outage_is_told(promoted: RegistrySimulator) -> None:
    promoted.store.cut_off = True

    assert refusal(lambda: checked(promoted))[0] is Unreachable


def test_a_pin_is_a_digest_or_a_document(tmp_path: Path, contract: ModelContract) -> None:
    path = tmp_path / "contract.json"
    path.write_text(json.dumps(contract.document, indent=4))

    assert pinned_contract(contract.digest) == contract.digest
    assert pinned_contract(str(path)) == contract.digest


def test_a_pin_that_is_neither(tmp_path: Path) -> None:
    path = tmp_path / "contract.json"
    path.write_text("{}")

    assert refusal(lambda: pinned_contract(str(path)))[:2] == (InvalidInput, "contract")
    assert refusal(lambda: pinned_contract(str(tmp_path / "none")))[:2] == (InvalidInput, "argument")
