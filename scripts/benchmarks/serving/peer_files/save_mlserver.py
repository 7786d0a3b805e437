"""Saves the pipeline as MLServer's scikit-learn runtime loads it: `save_mlserver.py DATA FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import joblib
from pipeline import fitted

data, folder = Path(sys.argv[1]), Path(sys.argv[2])
model, _ = fitted(data)
joblib.dump(model, folder / "model.joblib")
settings = {
    "name": "churn",
    "implementation": "mlserver_sklearn.SKLearnModel",
    "parameters": {"uri": "./model.joblib", "version": "v1.0.0"},
}
(folder / "model-settings.json").write_text(json.dumps(settings))
(folder / "settings.json").write_text(json.dumps({"debug": False, "host": "127.0.0.1"}))
