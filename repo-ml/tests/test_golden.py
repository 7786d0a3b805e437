from __future__ import annotations

import json

import pytest

from edustream_contracts.contract import contract_from
from edustream_contracts.schemas import object_validator
from edustream_ml.golden import ROWS, answer, edge_rows, golden_vectors
from edustream_ml.onnx_scorer import OnnxScorer
from edustream_ml.training import Training


def test_edge_rows_are_valid_and_hold_every_edge(small_training: Training) -> None:
    contract = small_training.plan.contract
    rows = edge_rows(contract)
    assert all(contract.input_validator.is_valid(row) for row in rows)
    for field in contract.inputs:
        values = [row[field.name] for row in rows]
        edges = [*(field.categories or ()), *([None] if field.nullable else [])]
        edges += [bound for bound in (field.minimum, field.maximum) if bound is not None]
        assert all(edge in values for edge in edges)


def test_what_another_keyword_rules_out_is_no_edge(small_training: Training) -> None:
    document = json.loads(json.dumps(small_training.plan.contract.document))
    document["input"]["properties"]["contract"]["type"] = ["string", "null"]
    document["input"]["properties"]["monthly_charges"]["exclusiveMinimum"] = 0
    contract = contract_from(document)
    rows = edge_rows(contract)
    assert all(contract.input_validator.is_valid(row) for row in rows)
    assert {row["contract"] for row in rows} == {"Month-to-month", "One year", "Two year"}
    assert 500 in {row["monthly_charges"] for row in rows}


def test_the_document_keeps_to_its_schema_and_to_the_contract(small_training: Training) -> None:
    plan = small_training.plan
    scorer = OnnxScorer(small_training.onnx)
    document = golden_vectors(small_training.dataset.rows, plan.contract, scorer)
    assert object_validator("golden").problems(document) == []
    assert len(document["rows"]) == ROWS
    assert all(plan.contract.input_validator.is_valid(row["input"]) for row in document["rows"])
    assert all(plan.contract.output_validator.is_valid(row["output"]) for row in document["rows"])


def test_a_row_alone_gets_the_same_answer_as_among_others(small_training: Training) -> None:
    contract = small_training.plan.contract
    scorer = OnnxScorer(small_training.onnx)
    rows = edge_rows(contract)
    together = answer(rows, contract, scorer)
    for row, expected in zip(rows, together, strict=True):
        (alone,) = answer([row], contract, scorer)
        assert alone["prediction"] == expected["prediction"]
        assert alone["probability"] == pytest.approx(expected["probability"], abs=contract.golden_tolerance)
