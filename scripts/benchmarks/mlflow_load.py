"""Loads the promoted model from MLflow's registry and predicts one row; the caller times the whole process."""

from __future__ import annotations

import sys
from pathlib import Path

import mlflow
import pandas as pd

mlflow.set_tracking_uri(f"sqlite:///{Path(sys.argv[2])}/mlflow.db")
model = mlflow.pyfunc.load_model("models:/churn@production")
row = pd.read_csv(sys.argv[1], nrows=1).drop(columns="churn")
sys.stdout.write(f"{model.predict(row)}\n")
