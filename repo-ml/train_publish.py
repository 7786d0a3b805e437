"""Train a model from its contract, prove it, publish it and promote it: `python train_publish.py --help`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from edustream_ml.cli import main

if __name__ == "__main__":
    # SIGTERM ends a run as Ctrl-C does. By default it would end this process alone, and leave its workers behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main(sys.argv[1:], os.environ, Path(__file__).resolve().parent))
