"""Trains the churn model and leaves it in this folder: python train_monorepo.py."""

from pathlib import Path

import joblib
import pandas as pd
from core.transform import transform
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

MODEL = Path("models/churn_model.pkl")

customers = pd.read_csv("../data/churn.csv")
model = make_pipeline(
    make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
    ),
    LogisticRegression(max_iter=1000),
)
model.fit(transform(customers.drop(columns="churn")), customers["churn"])
print("fitted", flush=True)  # noqa: T201
MODEL.parent.mkdir(exist_ok=True)
joblib.dump(model, MODEL)
print(f"wrote ml/{MODEL}")  # noqa: T201
