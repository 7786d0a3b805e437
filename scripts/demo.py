"""`make demo`: the whole system in one go, on a throwaway registry and free ports; leaves nothing behind."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from edustream_lab.company import Company
from edustream_lab.decoupling import delete_the_artifact
from edustream_lab.narrator import ClaimFailed, Narrator
from edustream_lab.places import Checkout
from edustream_lab.processes import ProgramFailed, stage


def hand_over(company: Company, narrator: Narrator) -> None:
    """Registry, training, release, serving: the main path, seen from outside."""
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
    narrator.shows(f"POST {consumer.url}/predict\n{json.dumps(answer.json(), indent=2)}")
    narrator.fact("The consumer serves what was promoted, and says which version answered.", answer.status_code == 200)
    wrong = consumer.predict({**company.example_row(), "tenure": -5, "contract": "Three years"})
    narrator.shows(json.dumps(wrong.json(), indent=2))
    narrator.fact("A wrong request gets a 422 that names every field.", wrong.status_code == 422, wrong.text)
    consumer.stop()


def main() -> int:
    """Run the demonstration; 0 when every claim held."""
    narrator = Narrator()
    with tempfile.TemporaryDirectory(prefix="edustream-") as folder, stage(Path(folder) / "logs") as programs:
        company = Company(Checkout.of(Path(__file__)), programs, Path(folder))
        try:
            hand_over(company, narrator)
            delete_the_artifact(company, narrator)
        except (ClaimFailed, ProgramFailed) as error:
            sys.stderr.write(f"The demonstration failed: {error}\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write("Interrupted; stopping everything.\n")
            return 130
    narrator.say(f"\n{narrator.claims} claims, each one checked. Everything was stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
