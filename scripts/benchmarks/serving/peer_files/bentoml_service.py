"""The pipeline as a BentoML service on pandas."""

from __future__ import annotations

import bentoml
import numpy as np
import pandas as pd


@bentoml.service
class Churn:
    """Answers rows with labels."""

    def __init__(self) -> None:
        self.model = bentoml.sklearn.load_model("churn:latest")

    @bentoml.api
    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """The labels of the rows."""
        return self.model.predict(rows)
