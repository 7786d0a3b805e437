"""Times scikit-learn's `predict_proba` of the promoted pipeline on a ready DataFrame; prints JSON.

Runs in the producer's environment, on the core that it is pinned to: `score_frame.py PIPELINE ROWS_FILE COUNT ROUNDS`.
The rows of the file (a JSON array) are repeated until there are `COUNT`. It prints the rows a second of each round,
and what the last column of the answer says of the first rows of the file.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import joblib
import pandas as pd
from edustream_contracts.contract import load_contract
from edustream_ml.tensors import Tensors

SHOWN = 1000
pipeline, rows = joblib.load(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
count, rounds = int(sys.argv[3]), int(sys.argv[4])
frame = Tensors.of(rows, load_contract("churn")).frame()
whole = pd.concat([frame] * -(-count // len(frame)), ignore_index=True).head(count)
pipeline.predict_proba(whole)
rates = []
for _ in range(rounds):
    began = time.perf_counter()
    probabilities = pipeline.predict_proba(whole)
    rates.append(count / (time.perf_counter() - began))
shown = [float(row[-1]) for row in probabilities[: min(SHOWN, len(rows))]]
sys.stdout.write(json.dumps({"rows_per_s": rates, "probabilities": shown}) + "\n")
