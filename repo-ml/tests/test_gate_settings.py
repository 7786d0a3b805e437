from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import small_document, write_project

from edustream_contracts.errors import InvalidInput
from edustream_ml.configuration import load_plan

PAYOFFS = {"Yes": {"Yes": 80, "No": 0}, "No": {"Yes": -20, "No": 0}}


def test_a_model_is_held_against_the_champion_unasked(tmp_path: Path) -> None:
    champion = load_plan(write_project(tmp_path)).configuration.gates.champion
    assert (champion.channel, champion.margin) == ("production", 0.01)


@pytest.mark.parametrize(
    ("gates", "said"),
    [
        ({"worst_slice": {"columns": ["churn"], "at_least": 0.6}}, "'churn' is no input field"),
        ({"worst_slice": {"columns": ["tenure"], "at_least": 0.6}}, "'tenure' has no listed categories"),
        ({"worst_slice": {"columns": [], "at_least": 0.6}}, "gates.worst_slice.columns"),
        ({"disparate_impact": {"column": "female", "favourable": "Perhaps"}}, "'Perhaps' is no class of the contract"),
        ({"disparate_impact": {"column": "female", "favourable": "No", "at_least": 1.2}}, "less than or equal to 1"),
        (
            {"business_value": {"unit": "USD", "payoffs": {"Yes": PAYOFFS["Yes"]}, "at_least": 9}},
            "has no payoff where No is predicted as No",
        ),
        ({"champion": None}, "gates.champion"),
        ({"champion": {"margin": -0.1}}, "gates.champion.margin"),
        ({"champion": {"channel": "Production"}}, "gates.champion.channel"),
        ({"latency": {"at_most_ms": 0}}, "gates.latency.at_most_ms"),
        ({"size": {"at_most_mb": 1}}, "gates.size.at_most_mb"),
    ],
)
def test_a_gate_that_cannot_be_held_is_refused_with_its_path(tmp_path: Path, gates: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        load_plan(write_project(tmp_path, small_document() | {"gates": gates}))
    assert said in str(refused.value)
