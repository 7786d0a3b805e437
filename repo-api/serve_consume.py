"""Serve a released model over HTTP: `python serve_consume.py --model churn@production`."""

import gc
import sys
from pathlib import Path

if __name__ == "__main__":
    # Nothing that start-up makes becomes garbage, and looking for some takes a tenth of its time; see `server.serve`.
    gc.disable()
    from edustream_api.cli import main

    sys.exit(main(env_file=Path(__file__).with_name(".env")))
