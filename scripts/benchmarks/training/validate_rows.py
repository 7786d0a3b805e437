"""Times pandas reading a CSV file, and the producer reading it and holding every row against the contract.

What a training does with the file beyond that (its digest, the columns and the labels) is not in it.

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
from edustream_ml.configuration import load_plan
from edustream_ml.csv_table import open_csv
from edustream_ml.row_validation import validate_rows

ROUNDS = 7


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def validated() -> int:
    """How many violations the producer counts; those that are shown are worded."""
    file = open_csv(plan.data_path.read_bytes(), plan.data_path.name)
    numeric = [field.name for field in plan.contract.inputs if field.kind in ("number", "integer")]
    return sum(validate_rows(file.table(numeric), plan.contract, file.rows).counts.values())


plan, planted = load_plan(Path(sys.argv[1])), int(sys.argv[2])
found = validated()
if found != planted:
    sys.exit(f"The producer counts {found} violations; {planted} were planted.")
pandas, producer = [], []
for _ in range(ROUNDS):
    pandas.append(seconds(lambda: pd.read_csv(plan.data_path)))
    producer.append(seconds(validated))
sys.stdout.write(json.dumps({"pandas": pandas, "producer": producer}) + "\n")
