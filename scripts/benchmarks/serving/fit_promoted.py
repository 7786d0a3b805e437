"""Fits the promoted model as scikit-learn's own pipeline, and times its `predict_proba`; prints JSON.

Runs in the producer's environment: `fit_promoted.py CONFIG CHOSEN PIPELINE` fits the candidate `CHOSEN` of the
configuration on the same rows as the training did, and writes it to `PIPELINE`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import joblib
from edustream_ml.configuration import load_plan
from edustream_ml.dataset import load_dataset
from edustream_ml.selection import fit, split

config, chosen, target = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
plan = load_plan(config)
(candidate,) = (one for one in plan.configuration.candidates if one.label == chosen)
joblib.dump(fit(split(load_dataset(plan), plan).training, plan, candidate), target)
sys.stdout.write(json.dumps(chosen) + "\n")
