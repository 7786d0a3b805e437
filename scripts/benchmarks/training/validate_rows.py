"""Times pandas reading a CSV file, and the producer loading it: reading, digest, every row against the contract.

Runs in the producer's environment, with the path of a configuration and the number of violations that its data set
holds. Prints a JSON document with the seconds of every round.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from edustream_contracts.errors import InvalidInput
from edustream_ml.configuration import load_plan
from edustream_ml.dataset import load_dataset

ROUNDS = 3


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def violations() -> int:
    """How many violations the producer counts."""
    try:
        load_dataset(plan)
    except InvalidInput as error:
        counts = [problem.message for problem in error.problems if problem.message.startswith("breaks the contract")]
        return sum(int(message.split()[-2]) for message in counts)
    return 0


plan = load_plan(Path(sys.argv[1]))
found = violations()
if found != int(sys.argv[2]):
    sys.exit(f"The producer counts {found} violations; {sys.argv[2]} were planted.")
pandas, producer = [], []
for _ in range(ROUNDS):
    pandas.append(seconds(lambda: pd.read_csv(plan.data_path)))
    producer.append(seconds(violations))
sys.stdout.write(json.dumps({"pandas": pandas, "producer": producer}) + "\n")
