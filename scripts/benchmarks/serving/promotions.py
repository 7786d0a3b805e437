"""Promotes one release and rolls back to another, in turn; prints when it asked for which version, as JSON.

Runs in the producer's environment: `promotions.py ENV_FILE COUNT PAUSE_S FROM TO`. The channel `production` of churn
stands at `FROM` before. Moments are seconds of the machine's monotonic clock.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from edustream_registry.authorship import open_author
from edustream_registry.promotion import Promoter
from edustream_registry.settings import RegistrySettings, with_env_file

env_file, count, pause_s, first, second = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:]
promoter = Promoter(open_author(RegistrySettings.from_environ(with_env_file({}, env_file)), "bench"))
asked = []
for number in range(count):
    moment = time.monotonic()
    if number % 2:
        promoter.rollback("churn", "production", "bench", first)
        asked.append((moment, first))
    else:
        promoter.promote("churn", "production", second, "bench")
        asked.append((moment, second))
    time.sleep(max(0.0, moment + pause_s - time.monotonic()))
sys.stdout.write(json.dumps(asked) + "\n")
