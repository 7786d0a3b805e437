"""Times the answers to some rows by one model, and to the same rows by it and another one; prints JSON.

Runs in the consumer's environment, on the core that it is pinned to: `two_models.py RELEASE OTHER_RELEASE ROWS_FILE
ROWS ROUNDS`. Of the first `ROWS` rows of the file (a JSON array) the last one is the other model's. Nothing else runs
between two measurements, so the processor's caches hold what a run needs: a server's runs take longer. It prints the
microseconds of each round.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edustream_contracts.contract import FILE_NAME, parse_contract
from edustream_registry.inference.loading import MODEL_FILE
from edustream_registry.inference.session import Inference
from edustream_registry.manifest import ReleaseContent

CALLS = 200
US_A_SECOND = 1_000_000


def loaded(release: Path) -> Inference:
    """The model of a pulled release."""
    statement = json.loads((release / "manifest.json").read_bytes())
    content = ReleaseContent.model_validate(statement["signed"]["content"])
    return Inference((release / MODEL_FILE).read_bytes(), content, parse_contract((release / FILE_NAME).read_bytes()))


def microseconds(answer: Callable[[], Any]) -> float:
    """Of one call, the mean of many."""
    began = time.perf_counter()
    for _ in range(CALLS):
        answer()
    return (time.perf_counter() - began) / CALLS * US_A_SECOND


champion, challenger = loaded(Path(sys.argv[1])), loaded(Path(sys.argv[2]))
count, rounds = int(sys.argv[4]), int(sys.argv[5])
rows = json.loads(Path(sys.argv[3]).read_text())[:count]


def by_one() -> None:
    """Answer all rows with one run."""
    champion.answers(rows)


def by_two() -> None:
    """Answer all rows but the last with one run, and that one with another model's."""
    champion.answers(rows[:-1])
    challenger.answers(rows[-1:])


by_one()
by_two()
measured = [(microseconds(by_one), microseconds(by_two)) for _ in range(rounds)]
one, two = zip(*measured, strict=True)
sys.stdout.write(json.dumps({"one": one, "two": two}) + "\n")
