"""Write synthetic students for configs/edustream.yaml: `python generate_students.py --help`."""

from __future__ import annotations

import sys
from pathlib import Path

from edustream_ml.students.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(__file__).resolve().parent))
