from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import settings_in
from typer.testing import CliRunner, Result

from edustream_contracts.contract import ModelContract, contract_from
from edustream_contracts.errors import GateRefused, Incompatible, NothingToServe
from edustream_registry import layout, presentation
from edustream_registry.authorship import open_author
from edustream_registry.cli import app
from edustream_registry.local_server import RunningServer
from edustream_registry.manifest import GateRecord
from edustream_registry.promotion import Promoter
from edustream_registry.provisioning import Folders, Provisioner
from edustream_registry.publishing import Publisher
from edustream_registry.s3_store import S3Store
from edustream_registry.store import WriteCondition
from edustream_registry.testing.simulator import RegistrySimulator, write_release
from edustream_registry.yanking import Yanker

GATE = GateRecord(
    name="size_mib",
    kind="size",
    value=0.5,
    limit=2.0,
    relation="at most",
    kept=True,
    explanation="is 0.5 [MiB]; at most 2 is asked",
)


def months(contract: ModelContract, maximum: int, model: str) -> ModelContract:
    """The contract with another greatest tenure, for a model of this name."""
    document = json.loads(json.dumps(contract.document)) | {"model": model}
    document["input"]["properties"]["tenure"]["maximum"] = maximum
    return contract_from(document)


@pytest.fixture(scope="module")
def env_file(moto_server: RunningServer, tmp_path_factory: pytest.TempPathFactory, contract: ModelContract) -> Path:
    """churn 1.0.0, promoted and yanked; 1.0.1, promoted, with other metrics; 1.0.2, which misses its threshold.

    Also churn 1.1.0 with a wider contract, 2.0.0 with a narrower one, and fraud 1.0.0.
    """
    root = tmp_path_factory.mktemp("releases")
    written = Folders.below(root)
    Provisioner(dataclasses.replace(settings_in(moto_server.admin_env), bucket="release-commands")).init(written)
    author = open_author(settings_in(written.producer / ".env"), "ada")
    for model, roc_auc in (("one", 0.85), ("two", 0.9), ("three", 0.1)):
        content = write_release(root / model, contract, model.encode())
        content = content.model_copy(update={"metrics": {"roc_auc": roc_auc}, "gates": (GATE,)})
        version = Publisher(author, bundler=None).publish(content, root / model).manifest.version
        if version != "1.0.2":
            Promoter(author).promote("churn", "production", version, f"[bold]{model}[/]")
    Yanker(author).yank("churn", "1.0.0", "a wrong file")
    for maximum, model in ((240, "churn"), (60, "churn"), (60, "fraud")):
        changed = months(contract, maximum, model)
        directory = root / f"{model}-{maximum}"
        Publisher(author, bundler=None).publish(write_release(directory, changed), directory)
    return written.consumer / ".env"


def run(env_file: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--env-file", str(env_file)], env={"COLUMNS": "200"})


def run_json(env_file: Path, *words: str) -> Any:
    return json.loads(run(env_file, *words, "--json").stdout)


def test_a_release_that_may_be_deployed(env_file: Path, contract: ModelContract) -> None:
    pins = ("--contract", contract.digest, "--contract-major", "1", "--max-age", "1d")

    result = run(env_file, "check", "churn@production", *pins)
    document = run_json(env_file, "check", "churn@production", *pins)

    assert result.exit_code == 0
    assert result.stdout.endswith("churn@1.0.1 may be deployed.\n")
    assert (document["may_be_deployed"], document["version"], len(document["passed"])) == (True, "1.0.1", 9)


def test_a_release_that_may_not(env_file: Path) -> None:
    pinned = run(env_file, "check", "churn@1.0.1", "--contract", "0" * 64)
    missed = run(env_file, "check", "churn@1.0.2", "--json")
    document = json.loads(missed.stdout)

    assert isinstance(pinned.exception, Incompatible)
    assert pinned.stdout == ""
    assert isinstance(missed.exception, GateRefused)
    assert (document["may_be_deployed"], document["exit_code"], document["kind"]) == (False, 8, "threshold")
    assert document["problems"] == ["roc_auc: is 0.1; the threshold is at least 0.8"]


def test_a_difference(env_file: Path) -> None:
    text = run(env_file, "diff", "churn@1.0.1", "churn@1.0.2").stdout
    document = run_json(env_file, "diff", "churn@1.0.1", "churn@1.0.2")

    assert "-0.8" in text
    assert document["identical"] is False
    assert document["before"]["version"] == "1.0.1"
    [metric] = document["changes"]["metrics"]
    assert metric == {"name": "roc_auc", "before": 0.9, "after": 0.1, "difference": pytest.approx(-0.8)}
    [file] = document["changes"]["files"]
    assert (file["name"], "difference" in file) == ("model.onnx", False)


def test_a_contract_that_breaks_is_shown_with_a_counterexample(env_file: Path) -> None:
    lines = run(env_file, "diff", "churn@1.1.0", "churn@2.0.0").stdout.splitlines()

    assert lines[0] == "contract: breaking (input breaking, output identical)"
    assert lines[1].split() == ["side", "verdict", "where", "rule", "what"]
    assert "input  breaking  /input/properties/tenure/maximum  maximum-lowered  tenure is " in lines[2]
    said, _, row = lines[3].partition(": {")
    assert said == ("counterexample of /input/properties/tenure/maximum, valid for churn@1.1.0, refused by churn@2.0.0")
    assert 60 < json.loads("{" + row)["tenure"] <= 240
    assert lines[4].split() == ["part", "what", "churn@1.1.0", "churn@2.0.0", "difference"]


def test_the_verdict_on_a_contract_for_pipelines(env_file: Path) -> None:
    contract = run_json(env_file, "diff", "churn@1.1.0", "churn@2.0.0")["contract"]

    assert (contract["verdict"], contract["input"], contract["output"]) == ("breaking", "breaking", "identical")
    [reason] = contract["reasons"]
    assert reason.pop("counterexample")["tenure"] > 60
    assert reason.pop("sentence").startswith("tenure is ")
    assert reason == {
        "side": "input",
        "pointer": "/input/properties/tenure/maximum",
        "rule": "maximum-lowered",
        "verdict": "breaking",
        "before": {"maximum": 240},
        "after": {"maximum": 60},
    }


def test_a_contract_that_only_widens_has_no_counterexample(env_file: Path) -> None:
    text = run(env_file, "diff", "churn@1.0.1", "churn@1.1.0").stdout

    assert text.startswith("contract: compatible (input compatible, output identical)\n")
    assert "counterexample" not in text


def test_contracts_of_two_models_are_shown_and_not_judged(env_file: Path) -> None:
    text = run(env_file, "diff", "churn@2.0.0", "fraud@1.0.0").stdout
    document = run_json(env_file, "diff", "churn@2.0.0", "fraud@1.0.0")

    assert "churn@2.0.0 and fraud@1.0.0 are of two models" in text
    assert document["contract"] is None
    assert [change["name"] for change in document["changes"]["contract"]] == ["digest", "/model"]


def test_no_difference(env_file: Path) -> None:
    same = run(env_file, "diff", "churn@production", "churn@1.0.1").stdout

    assert same.startswith("contract: identical (input identical, output identical)\n")
    assert "churn@1.0.1 and churn@1.0.1 differ in nothing but when and by whom they were released." in same


def test_what_the_gates_said_is_shown(env_file: Path) -> None:
    lines = run(env_file, "show", "churn@1.0.1").stdout.splitlines()

    [gate] = [line.split(maxsplit=2) for line in lines if line.strip().startswith("size_mib")]
    assert gate == ["size_mib", "yes", "is 0.5 [MiB]; at most 2 is asked"]
    assert "size_mib" not in run(env_file, "show", "churn@1.1.0").stdout


def test_the_whole_history(env_file: Path) -> None:
    assert [entry["sequence"] for entry in run_json(env_file, "history", "churn@production")] == [2, 1]
    assert "[bold]two[/]" in run(env_file, "history", "churn@production").stdout


def test_what_was_live(env_file: Path) -> None:
    first = run_json(env_file, "history", "churn@production")[-1]["promoted_at"]

    text = run(env_file, "history", "churn@production", "--at", first[:10]).stdout
    document = run_json(env_file, "history", "churn@production", "--at", first[:10])

    assert "[bold]two[/]" in text
    assert document["from"] == f"{first[:10]}T00:00:00+00:00"
    # Both were promoted within a second or two, perhaps within one.
    assert document["live"][-1]["entry"]["version"] == "1.0.1"
    assert all(one["yanked"] is None or one["yanked"]["reason"] == "a wrong file" for one in document["live"])


def test_nothing_was_live_before_the_first_promotion(env_file: Path) -> None:
    text = run(env_file, "history", "churn@production", "--at", "2020-01-01").stdout

    assert "Nothing had been promoted to churn@production by 2020-01-02T00:00:00+00:00." in text


def test_one_refused_release_does_not_hide_the_others(
    registry: RegistrySimulator, release: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    for model in ("a", "b", "c", "d"):
        release(model)
    registry.yank("churn", "1.0.1")
    registry.memory.objects[layout.tombstone_key("churn", "1.0.2")] = b"{}"
    registry.memory.objects[layout.manifest_key("churn", "1.0.3")] = b"{}"

    assert not presentation.releases(registry.reader, "churn", as_json=True)
    rows = json.loads(capsys.readouterr().out)
    assert not presentation.releases(registry.reader, "churn", as_json=False)
    table = "".join(capsys.readouterr().out.split())

    assert [(row["version"], row["yanked"], bool(row["refused"])) for row in rows] == [
        ("1.0.0", False, False),
        ("1.0.1", True, False),
        ("1.0.2", None, True),
        ("1.0.3", False, True),
    ]
    assert rows[2]["refused"] == {
        "kind": "malformed",
        "message": f"{layout.tombstone_key('churn', '1.0.2')} is no signed statement.",
    }
    assert rows[0]["digest"] == registry.reader.manifest("churn", "1.0.0").digest
    assert "1.0.3refused:models/churn/releases/1.0.3.jsonisnosignedstatement." in table


def test_a_refused_release_ends_with_code_4(env_file: Path) -> None:
    S3Store(settings_in(env_file)).put(layout.manifest_key("junk", "1.0.0"), b"{}", WriteCondition.OVERWRITE)

    assert run(env_file, "releases", "junk").exit_code == 4
    assert run(env_file, "releases", "churn").exit_code == 0


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("history", "nosuch@production"), "model_missing"),
        (("history", "churn@nosuch"), "channel_empty"),
        (("history", "churn@nosuch", "--at", "2026-01-01"), "channel_empty"),
        (("gc", "nosuch"), "model_missing"),
    ],
)
def test_what_is_not_there_has_no_history_and_no_orphans(env_file: Path, words: tuple[str, ...], kind: str) -> None:
    result = run(env_file, *words)

    assert isinstance(result.exception, NothingToServe)
    assert result.exception.kind == kind
    assert result.stdout == ""
