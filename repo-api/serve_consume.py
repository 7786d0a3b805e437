"""Serve a released model over HTTP: `python serve_consume.py --model churn@production`."""

import sys
from pathlib import Path

from edustream_api.cli import main

if __name__ == "__main__":
    sys.exit(main(env_file=Path(__file__).with_name(".env")))
