"""Times MLflow's log-and-register of a fitted pipeline; prints the seconds, imports not included."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path

import mlflow
from mlflow.models import infer_signature
from pipeline import fitted

logging.getLogger("mlflow").setLevel(logging.ERROR)
TREE = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
data, folder, flavour = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
if mlflow.get_experiment_by_name("bench") is None:
    mlflow.create_experiment("bench", artifact_location=str(folder / "artifacts"))
mlflow.set_experiment("bench")

if flavour == "onnx":
    import onnx

    model = onnx.load(sys.argv[4])
    began = time.perf_counter()
    with mlflow.start_run():
        mlflow.onnx.log_model(model, name="model", registered_model_name="churn-onnx")
else:
    pipeline, example = fitted(data)
    signature = infer_signature(example, pipeline.predict(example))
    began = time.perf_counter()
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            pipeline, name="model", signature=signature, registered_model_name="churn", skops_trusted_types=[TREE]
        )
took = time.perf_counter() - began
client = mlflow.MlflowClient()
name = "churn-onnx" if flavour == "onnx" else "churn"
latest = max(int(version.version) for version in client.search_model_versions(f"name='{name}'"))
client.set_registered_model_alias(name, "production", str(latest))
sys.stdout.write(f"{took}\n")
