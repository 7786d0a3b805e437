"""Compares what the monorepo's model was trained on with what its shared code computes now: python trained_on.py.

Runs where the training runs. Prints the mean of every number over all customers as JSON: by its name, the one that the
model keeps from its training and the one of today.
"""

import json

import joblib
import pandas as pd
from core.transform import transform

model = joblib.load("models/churn_model.pkl")
scaler = model[0].transformers_[0][1]
today = transform(pd.read_csv("../data/churn.csv"))[scaler.feature_names_in_].mean()
document = {name: [kept, today[name]] for name, kept in zip(scaler.feature_names_in_, scaler.mean_, strict=True)}
print(json.dumps(document))  # noqa: T201
