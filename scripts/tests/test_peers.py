from __future__ import annotations

import ast
import json
from pathlib import Path

import yaml

TREE = Path(__file__).resolve().parents[2]


def test_the_peers_serve_the_classifier_that_training_chooses() -> None:
    source = ast.parse((TREE / "scripts" / "benchmarks" / "pipeline.py").read_text())
    (parameters,) = (
        ast.literal_eval(node.value)
        for node in ast.walk(source)
        if isinstance(node, ast.AnnAssign) and node.value and ast.unparse(node.target) == "PARAMETERS"
    )
    measured = json.loads((TREE / "bench" / "serving.json").read_text())["model"]
    candidates = yaml.safe_load((TREE / "repo-ml" / "configs" / "churn.yaml").read_text())["candidates"]
    assert [{"estimator": measured, **parameters}] == [one for one in candidates if one["estimator"] == measured]
