from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from edustream_contracts.contract import ModelContract, contract_from, load_contract
from edustream_contracts.errors import InvalidInput
from edustream_contracts.metrics import is_error
from edustream_ml.tasks import METRICS, Task, measured_metrics, outcome_of


def answering(field: dict[str, Any], example: Any) -> ModelContract:
    """The churn contract with one output field."""
    document = deepcopy(dict(load_contract("churn").document))
    document["output"]["properties"] = {"answer": {"description": "?", **field}}
    document["output"]["required"] = ["answer"]
    document["output"]["examples"] = [{"answer": example}]
    return contract_from(document)


@pytest.mark.parametrize(
    ("model", "task", "classes", "promised"),
    [
        ("churn", Task.BINARY, ("No", "Yes"), "Yes"),
        ("plans", Task.MULTICLASS, ("Month-to-month", "One year", "Two year"), None),
        ("housing", Task.REGRESSION, (), None),
    ],
)
def test_the_contract_s_outputs_decide_the_task(
    model: str, task: Task, classes: tuple[str, ...], promised: str | None
) -> None:
    outcome = outcome_of(load_contract(model))
    assert (outcome.task, outcome.classes, outcome.promised) == (task, classes, promised)


def test_classes_are_sorted_whatever_the_order_of_the_contract() -> None:
    outcome = outcome_of(answering({"type": "string", "enum": ["b", "c", "a"]}, "a"))
    assert outcome.classes == ("a", "b", "c")


@pytest.mark.parametrize(
    ("field", "example"),
    [
        ({"type": "string"}, "free"),
        ({"type": "string", "enum": ["one"]}, "one"),
        ({"type": ["string", "null"], "enum": ["a", "b", None]}, "a"),
        ({"type": "boolean"}, True),
        ({"type": "integer"}, 1),
        ({"type": "number", "enum": [1, 2]}, 1),
        ({"type": ["number", "null"]}, 1.5),
    ],
)
def test_what_is_neither_a_number_nor_one_of_several_texts_is_refused(field: dict[str, Any], example: Any) -> None:
    with pytest.raises(InvalidInput, match="which is neither a number nor one of several texts") as refused:
        outcome_of(answering(field, example))
    assert refused.value.kind == "contract"


def test_a_large_value_of_the_metric_that_decides_is_the_good_one() -> None:
    for task in Task:
        assert not is_error(task.selection_metric)
        assert f"cross_validation_{task.selection_metric}" in measured_metrics(task)
        assert set(METRICS[task]) <= set(measured_metrics(task))
