"""Promotes one release and rolls back to another, in turn; prints when which version was asked for, as JSON.

Runs in the producer's environment: `promotions.py ENV_FILE COUNT PAUSE_S FROM TO`. The channel `production` of churn
stands at `FROM` before. Moments are seconds of the machine's monotonic clock: `LEAD_S` before the promotion returned,
since its entry is in the log a little earlier than that.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from edustream_registry.authorship import open_author
from edustream_registry.promotion import Promoter
from edustream_registry.settings import RegistrySettings, with_env_file

LEAD_S = 0.1

env_file, count, pause_s, first, second = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:]
promoter = Promoter(open_author(RegistrySettings.from_environ(with_env_file({}, env_file)), "bench"))
asked = []
for number in range(count):
    began = time.monotonic()
    version = first if number % 2 else second
    if number % 2:
        promoter.rollback("churn", "production", "bench", version)
    else:
        promoter.promote("churn", "production", version, "bench")
    asked.append((max(began, time.monotonic() - LEAD_S), version))
    time.sleep(max(0.0, began + pause_s - time.monotonic()))
sys.stdout.write(json.dumps(asked) + "\n")
