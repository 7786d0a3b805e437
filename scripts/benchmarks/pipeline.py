"""The churn model as a plain scikit-learn pipeline on pandas, as MLflow's documentation would have it.

Its classifier is the one that the producer's training chooses, with the same parameters.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

PARAMETERS: Final = {
    "max_iter": 350,
    "max_depth": 3,
    "learning_rate": 0.03,
    "min_samples_leaf": 30,
    "l2_regularization": 10,
    "max_features": 0.15,
}


def fitted(data: Path) -> tuple[Pipeline, pd.DataFrame]:
    """The pipeline fitted on the producer's own data set, and the first row as an example."""
    table = pd.read_csv(data)
    features, target = table.drop(columns="churn"), table["churn"]
    texts = list(features.select_dtypes(exclude="number").columns)
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts), remainder="passthrough"
    )
    model = HistGradientBoostingClassifier(**PARAMETERS, random_state=42)
    return make_pipeline(encoder, model).fit(features, target), features.head(1)
