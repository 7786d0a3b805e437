"""Four problems, none of which has code of its own: trained by one producer, answered by one consumer process."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from edustream_lab.company import Company, Consumer
from edustream_lab.exit_codes import ExitCode
from edustream_lab.narrator import Narrator
from edustream_lab.processes import Finished

MODELS: Final = ("churn", "plans", "housing", "edustream")
STUDENTS: Final = 10_000
# The contract's first example of a home is one of those in the data; it was sold for this many USD.
SOLD_FOR: Final = 215_000.0

QUICK: Final[Mapping[str, Mapping[str, Any]]] = {
    "plans": {
        "candidates": [{"estimator": "logistic_regression", "class_weight": "balanced"}],
        "thresholds": {"macro_f1": 0.6},
    },
    "housing": {
        "candidates": [{"estimator": "histogram_gradient_boosting", "max_iter": 60, "learning_rate": 0.1}],
        "thresholds": {"r2": 0.8, "median_absolute_percentage_error": 0.1},
    },
    "edustream": {"candidates": [{"estimator": "logistic_regression"}], "thresholds": {"roc_auc": 0.8}},
    "mobile-plans": {"candidates": [{"estimator": "logistic_regression"}]},
}
"""What is trained in seconds, held against floors that fit: those of the configurations are for their candidates."""


def four_problems(company: Company, narrator: Narrator) -> None:
    """Tell it in a company whose registry runs and whose `churn@production` is released.

    Raises `ClaimFailed` at the first claim that does not hold.
    """
    narrator.step("Four problems, one producer, one consumer process")
    for model in MODELS[1:]:
        data = _students(company) if model == "edustream" else None
        done = company.train("--config", str(_quick(company, model, data)))
        released = done.returncode == 0 and "DEPLOY SUCCESSFUL" in done.output
        narrator.fact(f"A contract, a configuration and a data file are enough for {model}.", released, done)
    done = company.train("--config", str(_quick(company, "mobile-plans")))
    narrator.fact(
        "A question that the data cannot answer ends with exit code 8, and nothing is published.",
        _is_refused(company, done),
        done,
    )
    others = (argument for model in MODELS[1:] for argument in ("--model", f"{model}@production"))
    consumer = company.start_consumer(*others, cache="cache-four", model="churn@production")
    consumer.wait_until(lambda: _ready(consumer), "ready with four models")
    answers = {model: _ask(company, consumer, model) for model in MODELS}
    narrator.shows("\n".join(f"{model}: {answer}" for model, answer in answers.items()))
    shares = [value for name, value in answers["plans"].items() if name.startswith("probability_")]
    narrator.fact(
        "One process answers all four: two with a probability, one with three that sum to 1, one with a price.",
        all(0.0 <= answers[model]["probability"] <= 1.0 for model in ("churn", "edustream"))
        and len(shares) == 3
        and abs(sum(shares) - 1) < 1e-4,
        answers,
    )
    narrator.fact(
        "The price is in USD, and within a fifth of what that home was sold for.",
        abs(answers["housing"]["price"] / SOLD_FOR - 1) <= 0.2,
        answers["housing"],
    )
    narrator.fact("The consumer of four models ends in order.", consumer.stop() == 0)


def _quick(company: Company, model: str, data: Path | None = None) -> Path:
    """The model's configuration with `QUICK` in place of its candidates, for `data` or the file that it names."""
    source = company.checkout.producer / "configs" / f"{model}.yaml"
    config = yaml.safe_load(source.read_text(encoding="utf-8"))
    config |= {"cross_validation": {"folds": 2, "repeats": 1}, "gates": {"resamples": 200}, **QUICK[model]}
    data = data or (source.parent / config["data"]["path"]).resolve()
    config["data"] |= {"path": str(data), "sha256": hashlib.sha256(data.read_bytes()).hexdigest()}
    target = company.home / f"{model}.yaml"
    target.write_text(yaml.safe_dump(config), encoding="utf-8")
    return target


def _students(company: Company) -> Path:
    """Fewer students than the configuration's file holds, which is not in git."""
    repo, data = company.checkout.producer, company.home / "students.csv"
    command = [company.checkout.python(repo), "generate_students.py", "--rows", str(STUDENTS), "--out", str(data)]
    company.stage.run("generator", command, cwd=repo)
    return data


def _is_refused(company: Company, done: Finished) -> bool:
    return done.returncode == ExitCode.GATE_REFUSED and not any("mobile-plans" in key for key in company.keys(""))


def _ready(consumer: Consumer) -> bool:
    try:
        return all(consumer.get(f"/models/{model}/health/ready").status_code == httpx.codes.OK for model in MODELS)
    except httpx.HTTPError:
        return False


def _ask(company: Company, consumer: Consumer, model: str) -> dict[str, Any]:
    return dict(consumer.post(f"/models/{model}/predict", company.example_row(model)).json())
