"""The main path, seen from outside: registry, training, release, serving."""

from __future__ import annotations

import json

from edustream_lab.company import Company
from edustream_lab.narrator import Narrator


def hand_over(company: Company, narrator: Narrator) -> None:
    """Tell the hand-over of a first model in an empty company. Raises `ClaimFailed`, `ProgramFailed`."""
    narrator.title("EduStream: a model is handed from those who train to those who serve")
    narrator.step("A registry for the two teams to meet")
    registry = company.start_registry()
    narrator.shows(registry.output)

    narrator.step("The data scientist: python train_publish.py")
    done = company.train(echo=True)
    narrator.fact("A model is trained, checked, signed, published and promoted.", done.returncode == 0, done.output)
    narrator.shows(company.registry("models").output)

    narrator.step("The backend developer: python serve_consume.py")
    consumer = company.start_consumer()
    consumer.wait_until(lambda: consumer.state() == "READY", "READY")
    answer = consumer.predict(company.example_row())
    narrator.shows(f"POST /predict\n{json.dumps(answer.json(), indent=2)}")
    narrator.fact("The consumer serves what was promoted, and says which version answered.", answer.status_code == 200)
    wrong = consumer.predict({**company.example_row(), "tenure": -5, "contract": "Three years"})
    narrator.shows(json.dumps(wrong.json(), indent=2))
    narrator.fact("A wrong request gets a 422 that names every field.", wrong.status_code == 422, wrong.text)
    consumer.stop()
