from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edustream_contracts.errors import InvalidInput, Rejected
from edustream_registry.manifest import FigureInterval, GateRecord, Manifest, ReleaseContent, ReleaseFile
from edustream_registry.testing.simulator import RegistrySimulator


def test_a_file_is_described_by_name_length_and_digest(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"abc")

    described = ReleaseFile.of(tmp_path / "a.txt")

    assert (described.name, described.size) == ("a.txt", 3)
    assert described.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    described.check(b"abc", "here", remedy="nothing.")


def test_a_file_with_a_name_that_no_release_may_hold(tmp_path: Path) -> None:
    (tmp_path / "a b").write_bytes(b"")

    with pytest.raises(InvalidInput, match="is no name for a file of a release"):
        ReleaseFile.of(tmp_path / "a b")


@pytest.mark.parametrize("data", [b"abd", b"ab", b"abcd", b""])
def test_other_bytes_are_refused_with_where_they_were(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(b"abc")

    with pytest.raises(Rejected, match=r"a\.txt \(over there\) has .*\nNext: do this") as caught:
        ReleaseFile.of(tmp_path / "a.txt").check(data, "over there", remedy="do this.")

    assert caught.value.kind == "digest"


def test_identity_ignores_what_a_consumer_cannot_tell_apart(content: ReleaseContent) -> None:
    same = content.model_copy(
        update={"files": content.files[::-1], "metrics": {"f1": 0.1}, "thresholds": {}, "libraries": {}}
    )

    assert same.identity == content.identity


@pytest.mark.parametrize(
    "update",
    [{"model": "other"}, {"task": "multiclass"}, {"contract_digest": "0" * 64}, {"files": ()}, {"inputs": ()}],
    ids=str,
)
def test_identity_depends_on_everything_that_a_consumer_uses(content: ReleaseContent, update: dict[str, Any]) -> None:
    assert content.model_copy(update=update).identity != content.identity


def test_files_are_found_by_name(content: ReleaseContent) -> None:
    assert content.file("model.onnx").name == "model.onnx"
    with pytest.raises(InvalidInput, match=r"has no file 'x'; it has contract\.json, golden\.json, model\.onnx"):
        content.file("x")


@pytest.mark.parametrize("name", ["Model.ONNX", "manifest.json"])
def test_a_signed_manifest_whose_files_would_overwrite_one_another_is_malformed(
    registry: RegistrySimulator, content: ReleaseContent, name: str
) -> None:
    colliding = (*content.files, content.files[0].model_copy(update={"name": name}))
    manifest = Manifest(
        version="1.0.0",
        content=content.model_copy(update={"files": colliding}),
        published_at="2026-01-01T00:00:00+00:00",
        published_by="t",
        write_id="0" * 32,
    )
    data = registry.signer.sign(manifest.payload())

    with pytest.raises(Rejected, match="names its files ambiguously") as caught:
        registry.reader.verified("x", data, Manifest)
    assert "is taken by another file" in str(caught.value)


def test_a_time_that_does_not_exist_is_malformed(registry: RegistrySimulator, content: ReleaseContent) -> None:
    manifest = Manifest(
        version="1.0.0", content=content, published_at="2026-13-45T00:00:00Z", published_by="t", write_id="0" * 32
    )

    with pytest.raises(Rejected, match="a time that does not exist in published_at"):
        registry.reader.verified("x", registry.signer.sign(manifest.payload()), Manifest)


GATE = GateRecord(
    name="champion_roc_auc_difference",
    kind="champion",
    value=-0.02,
    interval=FigureInterval(low=-0.03, high=-0.01),
    limit=-0.01,
    relation="at least",
    kept=False,
    explanation="is worse than churn@1.0.0",
)


def test_what_the_gates_said_is_signed_and_read_again(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path
) -> None:
    latency = GATE.model_copy(update={"name": "latency_ms", "value": None, "interval": None, "kept": True})

    registry.publish(content.model_copy(update={"gates": (GATE, latency)}), release_dir)

    released = registry.reader.manifest("churn", "1.0.0")
    assert released.statement.content.gates == (GATE, latency)
    written = json.loads(released.data)["signed"]["content"]["gates"]
    assert written[0]["interval"] == {"low": -0.03, "high": -0.01}
    assert not {"value", "interval"} & written[1].keys()


def test_a_release_without_gates_has_none(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path
) -> None:
    registry.publish(content, release_dir)

    released = registry.reader.manifest("churn", "1.0.0")

    assert released.statement.content.gates is None
    assert "gates" not in json.loads(released.data)["signed"]["content"]


def test_what_the_gates_said_takes_no_part_in_the_identity(content: ReleaseContent) -> None:
    assert content.model_copy(update={"gates": (GATE,)}).identity == content.identity
