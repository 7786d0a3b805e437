"""Train a model from its contract, prove it, publish it and promote it: `python train_publish.py --help`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from edustream_ml.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, Path(__file__).resolve().parent))
