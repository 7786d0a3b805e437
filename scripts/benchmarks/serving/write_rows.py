"""Writes rows as Parquet, repeated until there are enough: `write_rows.py ROWS_FILE COUNT OUTPUT`.

Runs in the consumer's environment. Integers are int64, other numbers float64, texts strings; null stays null.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

rows, count, output = json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2]), sys.argv[3]
block = pa.Table.from_pylist(rows)
with parquet.ParquetWriter(output, block.schema) as writer:
    for start in range(0, count, len(rows)):
        writer.write_table(block.slice(0, count - start))
sys.stdout.write("null\n")
