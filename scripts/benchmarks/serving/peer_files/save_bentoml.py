"""Saves the pipeline in BentoML's model store: `save_bentoml.py DATA`."""

from __future__ import annotations

import sys
from pathlib import Path

import bentoml
from pipeline import fitted

model, _ = fitted(Path(sys.argv[1]))
bentoml.sklearn.save_model("churn", model)
