"""Writes the comparison of a monorepo with this system from what the experiments measured last: `make comparison`."""

import sys
from pathlib import Path

from edustream_lab.comparison import write_pages

if __name__ == "__main__":
    for path in write_pages(Path(__file__).resolve().parents[2]):
        sys.stdout.write(f"{path.name}\n")
