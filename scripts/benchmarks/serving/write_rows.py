"""Writes rows, repeated until there are enough, to a file: `write_rows.py ROWS_FILE COUNT OUTPUT`.

It is Parquet or CSV, as its name ends. Runs in the consumer's environment. Integers are int64, other numbers float64,
texts strings; null stays null. A row group has as many rows as pyarrow and pandas give it by default.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
from pyarrow import csv, parquet

GROUP_ROWS = 1024 * 1024

rows, count, output = json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2]), sys.argv[3]
block = pa.Table.from_pylist(rows)
kind = csv.CSVWriter if output.endswith(".csv") else parquet.ParquetWriter
with kind(output, block.schema) as writer:
    whole = pa.concat_tables([block] * -(-min(GROUP_ROWS, count) // len(rows)))
    for start in range(0, count, GROUP_ROWS):
        writer.write_table(whole.slice(0, min(GROUP_ROWS, count - start)))
sys.stdout.write("null\n")
