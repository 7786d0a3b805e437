"""Contracts that take or answer more or less than another one."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

from edustream_contracts.contract import ModelContract, contract_from


def changed(contract: ModelContract, change: Callable[[dict[str, Any]], object]) -> ModelContract:
    document = copy.deepcopy(dict(contract.document))
    change(document)
    return contract_from(document)


def wider(contract: ModelContract) -> ModelContract:
    """Takes everything that `contract` takes, and longer tenures."""
    return changed(contract, lambda document: document["input"]["properties"]["tenure"].update(maximum=999))


def narrower(contract: ModelContract) -> ModelContract:
    """Refuses tenures above 60."""
    return changed(contract, lambda document: document["input"]["properties"]["tenure"].update(maximum=60))


def poorer(contract: ModelContract) -> ModelContract:
    """Answers no probability any more."""

    def change(document: dict[str, Any]) -> None:
        output = document["output"]
        del output["properties"]["probability"]
        output["required"].remove("probability")
        for example in output["examples"]:
            del example["probability"]

    return changed(contract, change)


def months(contract: ModelContract, maximum: int, **more: Any) -> ModelContract:
    """The contract with another greatest tenure: the higher it is, the wider is the input."""
    document = json.loads(json.dumps(contract.document))
    document["input"]["properties"]["tenure"]["maximum"] = maximum
    return contract_from(document | more)
