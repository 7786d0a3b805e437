"""Many rows a request, against scikit-learn's own `predict_proba` on a ready DataFrame of the same rows."""

from __future__ import annotations

import json
from typing import Any, Final

import httpx
from figures import Figure, figure

from edustream_lab.processes import ProgramFailed
from serving.closed_loop import rate
from serving.scene import BATCH_ROWS, Scene

SECONDS: Final = 4
ROUNDS: Final = 5
CALLS: Final = 30
AGREEMENT: Final = 1e-4


class ScikitLearn:
    """The promoted model as the scikit-learn pipeline that it was exported from, on one core."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._pipeline = scene.folder / "pipeline.joblib"
        self._rows = scene.folder / "rows.json"

    def fit(self) -> None:
        """Fit it anew, as the training did."""
        config = self._scene.company.checkout.producer / "configs" / "churn.yaml"
        self._scene.in_producer("fit_promoted.py", str(config), self._scene.chosen, str(self._pipeline))

    def score(self, rows: list[dict[str, Any]], count: int, calls: int) -> tuple[list[float], list[float]]:
        """Rows a second of each call on `count` rows, made by repeating `rows`; the probabilities of the first."""
        self._rows.write_text(json.dumps(rows))
        arguments = (str(self._pipeline), str(self._rows), str(count), str(calls))
        done = self._scene.in_producer("score_frame.py", *arguments)
        return done["rows_per_s"], done["probabilities"]


class Batches:
    """`POST /predict/batch` with 1,000 rows; JSON and validation included."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def beside_scikit_learn(self) -> list[Figure]:
        """In turn; both answer the same, or there is nothing to compare."""
        scene = self._scene
        library = ScikitLearn(scene)
        library.fit()
        consumer = scene.start_consumer(cache="cache-batches")
        target = scene.batch("POST /predict/batch", consumer.url)
        answered = httpx.post(target.url, content=target.body, headers={"content-type": "application/json"}, timeout=30)
        ours, theirs = [], []
        rows = scene.rows[:BATCH_ROWS]
        for _ in range(ROUNDS):
            ours.append(rate(target, scene.folder, SECONDS) * BATCH_ROWS)
            rates, probabilities = library.score(rows, BATCH_ROWS, CALLS)
            theirs.extend(rates)
        require_agreement([one["probability"] for one in answered.json()["predictions"]], probabilities)
        consumer.stop()
        name = "rows of /predict/batch with 1,000 rows / scikit-learn predict_proba on a ready DataFrame"
        return [figure(name, ours, theirs, "rows/s", ">= 0.5")]


def require_agreement(ours: list[float], theirs: list[float]) -> None:
    """Raises `ProgramFailed` where two lists of probabilities differ: they are not of the same model."""
    apart = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
    if apart > AGREEMENT:
        raise ProgramFailed(f"Ours and scikit-learn's probabilities are up to {apart:.2g} apart: two different models.")
