from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import refusal, resolve

from edustream_contracts.canonical import canonical_json, sha256_hex
from edustream_contracts.contract import ModelContract, contract_from
from edustream_contracts.errors import NothingToServe, Rejected
from edustream_registry import layout
from edustream_registry.comparison import Change, Comparison, compare
from edustream_registry.manifest import CodeVersion, DataSource, ReleaseContent, ReleaseFile
from edustream_registry.testing.simulator import RegistrySimulator, write_release

Publish = Callable[..., None]


@pytest.fixture
def publish(registry: RegistrySimulator, tmp_path: Path, contract: ModelContract) -> Publish:
    """Publish a release under a version, with its contract changed and its manifest's fields replaced."""

    def release(version: str, change: Callable[[dict[str, Any]], object] = lambda _: None, **fields: Any) -> None:
        document = copy.deepcopy(json.loads(json.dumps(contract.document)))
        change(document)
        directory = tmp_path / version
        written = write_release(directory, contract_from(document), fields.pop("model_onnx", b"model"))
        registry.publish(written.model_copy(update=fields), directory, version)

    return release


def compared(registry: RegistrySimulator) -> Comparison:
    return compare(registry.reader, resolve(registry, "churn@1.0.0"), resolve(registry, "churn@2.0.0"))


def changes(registry: RegistrySimulator, part: str) -> dict[str, tuple[Any, Any]]:
    return {one.name: (one.before, one.after) for one in compared(registry).changes if one.part == part}


def test_the_same_content_twice_differs_in_nothing(registry: RegistrySimulator, publish: Publish) -> None:
    publish("1.0.0")
    publish("2.0.0")

    done = compared(registry)

    assert (done.identical, done.changes) == (True, ())


def test_figures_are_compared_with_their_difference(registry: RegistrySimulator, publish: Publish) -> None:
    publish("1.0.0", metrics={"roc_auc": 0.8, "f1": 0.5}, thresholds={"roc_auc": 0.7})
    publish("2.0.0", metrics={"roc_auc": 0.9, "log_loss": 0.4}, thresholds={"roc_auc": 0.75})

    done = compared(registry)

    assert done.identical
    assert [(one.part, one.name, one.before, one.after) for one in done.changes] == [
        ("metrics", "f1", 0.5, None),
        ("metrics", "roc_auc", 0.8, 0.9),
        ("metrics", "log_loss", None, 0.4),
        ("thresholds", "roc_auc", 0.7, 0.75),
    ]
    assert done.changes[1].difference == pytest.approx(0.1)
    assert [one.difference is None for one in done.changes] == [True, False, True, False]


def test_where_a_release_comes_from(registry: RegistrySimulator, publish: Publish) -> None:
    publish("1.0.0")
    publish(
        "2.0.0",
        data=DataSource(name="new.csv", sha256="0" * 64, rows=20),
        code=CodeVersion(commit="abc", dirty=True),
        libraries={"onnx": "1.1", "numpy": "2.0"},
        model_onnx=b"another model",
    )

    assert changes(registry, "data")["rows"] == (10, 20)
    assert changes(registry, "code") == {"commit": ("unknown", "abc"), "dirty": (False, True)}
    assert changes(registry, "libraries") == {"onnx": ("1.0", "1.1"), "numpy": (None, "2.0")}
    assert "model.onnx" in changes(registry, "files")
    assert "contract.json" not in changes(registry, "files")
    assert changes(registry, "contract") == {}
    assert not compared(registry).identical


def test_a_changed_truth_value_is_no_number(registry: RegistrySimulator) -> None:
    assert Change("code", "dirty", False, True).difference is None


def test_the_contract_is_compared_place_by_place(registry: RegistrySimulator, publish: Publish) -> None:
    def change(document: dict[str, Any]) -> None:
        properties = document["input"]["properties"]
        name = next(name for name, spec in properties.items() if "maximum" in spec)
        properties[name]["maximum"] += 1
        properties["extra"] = {"type": "boolean", "description": "An extra."}

    publish("1.0.0")
    publish("2.0.0", change)

    found = changes(registry, "contract")

    [bound] = [name for name in found if name.endswith("/maximum")]
    assert found[bound][1] - found[bound][0] == 1
    assert found["/input/properties/extra"] == (None, {"type": "boolean", "description": "An extra."})
    assert found.keys() == {"digest", bound, "/input/properties/extra"}
    assert "input numeric" in changes(registry, "tensors")


def _exchange_contract(registry: RegistrySimulator, data: bytes | None) -> None:
    """Release 2.0.0 anew with a contract.json that is not what its manifest states; None takes the file away."""
    key = layout.manifest_key("churn", "2.0.0")
    found = resolve(registry, "churn@2.0.0").manifest
    payload = found.payload()
    file = next(file for file in payload["content"]["files"] if file["name"] == "contract.json")
    if data is None:
        del registry.memory.objects[layout.file_key("churn", file["sha256"], file["name"])]
    else:
        stated = ReleaseFile(name=file["name"], size=len(data), sha256=sha256_hex(data))
        file.update(stated.model_dump())
        registry.memory.objects[layout.file_key("churn", stated.sha256, stated.name)] = data
    registry.memory.objects[key] = registry.signer.sign(payload)


@pytest.mark.parametrize(
    ("data", "category", "kind"),
    [(None, NothingToServe, "file_missing"), (b"{}", Rejected, "malformed"), (b"churn", Rejected, "digest")],
)
def test_a_contract_that_cannot_be_read(
    registry: RegistrySimulator,
    publish: Publish,
    contract: ModelContract,
    data: bytes | None,
    category: type[Exception],
    kind: str,
) -> None:
    publish("1.0.0")
    publish("2.0.0", lambda document: document.update(title="Another"))
    _exchange_contract(registry, canonical_json(contract.document) if data == b"churn" else data)

    assert refusal(lambda: compared(registry))[:2] == (category, kind)


def test_a_release_without_a_contract_has_none_to_compare(
    registry: RegistrySimulator, publish: Publish, content: ReleaseContent
) -> None:
    publish("1.0.0")
    publish("2.0.0", lambda document: document.update(title="Another"))
    found = resolve(registry, "churn@2.0.0").manifest.payload()
    found["content"]["files"] = [file for file in found["content"]["files"] if file["name"] != "contract.json"]
    registry.memory.objects[layout.manifest_key("churn", "2.0.0")] = registry.signer.sign(found)

    assert refusal(lambda: compared(registry))[:2] == (Rejected, "malformed")
