"""The churn candidates as plain scikit-learn: the same folds, the same estimators, then the best one on all rows.

Runs in the producer's environment with the path of its configuration; the caller times the whole process.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import yaml
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

ESTIMATORS = {
    "logistic_regression": LogisticRegression,
    "random_forest": RandomForestClassifier,
    "histogram_gradient_boosting": HistGradientBoostingClassifier,
}
JOBS = 2

path = Path(sys.argv[1])
configuration = yaml.safe_load(path.read_text())
seed = configuration["seed"]
table = pd.read_csv(path.parent / configuration["data"]["path"])
features, target = table.drop(columns="churn"), table["churn"] == "Yes"
texts = list(features.select_dtypes(exclude="number").columns)


def pipeline(candidate: dict[str, object]) -> Pipeline:
    """A candidate behind the usual preparation of its columns."""
    parameters = {name: value for name, value in candidate.items() if name not in ("estimator", "name")}
    estimator = ESTIMATORS[str(candidate["estimator"])]
    more = {"max_iter": 1000} if estimator is LogisticRegression else {}
    steps = [
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts),
            (SimpleImputer(strategy="constant", fill_value=0), ["total_charges"]),
            remainder="passthrough",
        ),
        *([StandardScaler()] if estimator is LogisticRegression else []),
        estimator(**more, **parameters, random_state=seed),
    ]
    return make_pipeline(*steps)


folds = RepeatedStratifiedKFold(
    n_splits=configuration["cross_validation"]["folds"],
    n_repeats=configuration["cross_validation"]["repeats"],
    random_state=seed,
)
training, _, labels, _ = train_test_split(
    features, target, test_size=configuration["held_out_fraction"], stratify=target, random_state=seed
)
scores = {}
for number, candidate in enumerate(configuration["candidates"]):
    scored = cross_val_score(pipeline(candidate), training, labels, cv=folds, scoring="roc_auc", n_jobs=JOBS)
    scores[number] = scored.mean()
best = max(scores, key=lambda number: scores[number])
pipeline(configuration["candidates"][best]).fit(training, labels)
sys.stdout.write(f"{configuration['candidates'][best]['estimator']} {scores[best]:.4f}\n")
