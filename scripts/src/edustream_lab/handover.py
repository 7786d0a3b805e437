"""The main path, seen from outside: registry, training, release, serving."""

from __future__ import annotations

import json
from typing import Final

from edustream_lab.company import Company
from edustream_lab.exit_codes import ExitCode
from edustream_lab.narrator import Narrator

STAGES: Final = ("Fitting", "Holding the model against its gates", "Replaying the golden vectors", "Publishing")
"""What the data scientist's command says while it does what the first fact claims."""


def hand_over(company: Company, narrator: Narrator) -> None:
    """Tell the hand-over of a first model in an empty company. Raises `ClaimFailed`, `ProgramFailed`."""
    narrator.title("EduStream: a model is handed from those who train to those who serve")
    narrator.step("A registry for the two teams to meet")
    registry = company.start_registry()
    narrator.shows(registry.output)

    narrator.step("The data scientist: python train_publish.py")
    done = company.train(echo=True)
    checked = company.registry("check", "churn@production")
    narrator.fact(
        "A model is trained, checked, signed, published and promoted.",
        done.returncode == ExitCode.DONE
        and all(stage in done.output for stage in STAGES)
        and "DEPLOY SUCCESSFUL" in done.output
        and checked.returncode == ExitCode.DONE
        and "manifest of churn@1.0.0 signed by" in checked.output,
        (done, checked),
    )
    narrator.shows(company.registry("models").output)

    narrator.step("The backend developer: python serve_consume.py")
    consumer = company.start_consumer()
    consumer.wait_until(lambda: consumer.state() == "READY", "READY")
    promoted = company.registry_json("resolve", "churn@production")["version"]
    answer = consumer.predict(company.example_row())
    narrator.shows(f"POST /predict\n{json.dumps(answer.json(), indent=2)}")
    narrator.fact(
        "The consumer serves what was promoted, and says which version answered.",
        answer.status_code == 200 and answer.json()["model_version"] == promoted,
        answer.text,
    )
    mistakes = {"tenure": -5, "contract": "Three years"}
    wrong = consumer.predict(company.example_row() | mistakes)
    narrator.shows(json.dumps(wrong.json(), indent=2))
    named = {problem["pointer"].removeprefix("/") for problem in wrong.json()["errors"]}
    narrator.fact(
        "A wrong request gets a 422 that names every field.",
        wrong.status_code == 422 and named == set(mistakes),
        wrong.text,
    )
    consumer.stop()
