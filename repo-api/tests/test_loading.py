from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from clients import keeper_of
from consumers import ConsumerBench
from edustream_contracts.contract import ModelContract, contract_from
from edustream_contracts.errors import InvalidInput, Problem
from edustream_registry.manifest import ReleaseFile

from edustream_api.loading import MOST_UNKNOWN, ContractPin, ServedModel
from edustream_api.states import State


class TestPin:
    def test_installed(self, contract: ModelContract) -> None:
        assert ContractPin.of("installed", "churn").contract == contract

    def test_installed_without_one(self) -> None:
        with pytest.raises(InvalidInput, match="'weather'"):
            ContractPin.of("installed", "weather")

    def test_any(self) -> None:
        assert ContractPin.of("any", "weather").contract is None

    def test_a_path(self, tmp_path: Path, contract: ModelContract) -> None:
        path = tmp_path / "contract.json"
        path.write_text(json.dumps(contract.document, indent=8))
        pinned = ContractPin.of(str(path), "churn").contract
        assert pinned is not None
        assert pinned.digest == contract.digest

    def test_a_path_that_is_not_there(self) -> None:
        with pytest.raises(InvalidInput, match=r"nowhere/contract\.json cannot be read"):
            ContractPin.of("nowhere/contract.json", "churn")

    def test_a_path_of_another_model_s_contract(self, tmp_path: Path, contract: ModelContract) -> None:
        path = tmp_path / "contract.json"
        path.write_text(json.dumps({**contract.document, "model": "weather"}))
        with pytest.raises(InvalidInput, match=r"contract\.json is that of the model 'weather', not of 'churn'"):
            ContractPin.of(str(path), "churn")

    def test_a_path_that_holds_no_contract(self, tmp_path: Path) -> None:
        path = tmp_path / "contract.json"
        path.write_text("{}")
        with pytest.raises(InvalidInput, match="problems"):
            ContractPin.of(str(path), "churn")


class TestLoader:
    def test_any_accepts_the_release_s_own_contract(self, bench: ConsumerBench) -> None:
        bench.release("1.0.0")
        consumer = bench.consumer(contract="any")
        assert keeper_of(consumer).start().state is State.READY

    def test_a_release_without_golden_vectors_is_malformed(self, bench: ConsumerBench) -> None:
        content, directory = bench.content("1.0.0")
        files = tuple(file for file in content.files if file.name != "golden.json")
        bench.registry.publish(content.model_copy(update={"files": files}), directory, "1.0.0")
        bench.registry.promote("churn", "1.0.0")
        error = bench.keeper().start().error
        assert error is not None
        assert (error.kind, "golden.json" in error.fact) == ("malformed", True)

    def test_a_contract_of_another_model_is_refused(self, bench: ConsumerBench, contract: ModelContract) -> None:
        foreign = contract_from({**contract.document, "model": "weather"})
        content, directory = bench.content("1.0.0", contract=foreign)
        bench.registry.publish_unchecked(content.model_copy(update={"model": "churn"}), directory, "1.0.0")
        bench.registry.promote("churn", "1.0.0")
        error = keeper_of(bench.consumer(contract="any")).start().error
        assert error is not None
        assert (error.kind, "'weather'" in error.fact) == ("mix_and_match", True)

    def test_a_contract_that_is_none_is_malformed(self, bench: ConsumerBench) -> None:
        content, directory = bench.content("1.0.0")
        (directory / "contract.json").write_text("{}")
        files = tuple(
            ReleaseFile.of(directory / file.name) if file.name == "contract.json" else file for file in content.files
        )
        bench.registry.publish_unchecked(content.model_copy(update={"files": files}), directory, "1.0.0")
        bench.registry.promote("churn", "1.0.0")
        error = bench.keeper().start().error
        assert error is not None
        assert (error.kind, bool(error.problems)) == ("malformed", True)

    @pytest.mark.parametrize("side", ["input", "output"])
    def test_a_refused_contract_names_the_fields_that_break(
        self, bench: ConsumerBench, contract: ModelContract, tmp_path: Path, side: str
    ) -> None:
        document: dict[str, Any] = json.loads(json.dumps(contract.document))
        part = document[side]
        name = part["required"].pop()
        part["properties"]["renamed"] = part["properties"].pop(name)
        part["required"].append("renamed")
        for example in part["examples"]:
            example["renamed"] = example.pop(name)
        path = tmp_path / "pinned.json"
        path.write_text(json.dumps(document))
        bench.release("1.0.0")
        error = keeper_of(bench.consumer(contract=str(path))).start().error
        assert error is not None
        assert {problem.pointer.rpartition("/")[2] for problem in error.problems} == {"renamed", name}


def test_a_row_that_is_no_object_has_problems(served: ServedModel) -> None:
    assert not served.accepts([])
    assert [str(problem) for problem in served.problems([{}])] == ["(document): is an array; an object is expected"]
    assert [problem.pointer for problem in served.problems("row")] == [""]


def test_unknown_fields_beyond_the_first_ones_are_counted(served: ServedModel, row: dict[str, Any]) -> None:
    unknown = {f"unknown_{number:03}": {"deep": [1]} for number in range(MOST_UNKNOWN + 5)}
    broken = {name: value for name, value in row.items() if name != "tenure"}

    named = served.problems(broken | dict(list(unknown.items())[:MOST_UNKNOWN]))
    counted = served.problems(broken | unknown)

    assert [problem.pointer for problem in named] == ["/tenure", *(f"/{name}" for name in list(unknown)[:MOST_UNKNOWN])]
    assert counted[:-1] == named
    assert counted[-1] == Problem("", "has 5 more fields that are not fields of the contract")
