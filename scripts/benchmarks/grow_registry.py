"""Writes a model with many releases and promotions, all signed, straight into the registry's bucket.

Runs in the producer's environment: `grow_registry.py ENV_FILE MODEL COUNT`. Prints the number of objects.
"""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edustream_contracts.contract import load_contract
from edustream_registry.authorship import open_author
from edustream_registry.settings import RegistrySettings, with_env_file
from edustream_registry.store import WriteCondition
from edustream_registry.testing.grown import grown
from edustream_registry.testing.simulator import write_release

WRITERS = 8
env_file, model, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
author = open_author(RegistrySettings.from_environ(with_env_file({}, env_file)), "bench")
with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(WRITERS) as pool:
    content = write_release(Path(folder) / "release", load_contract("churn")).model_copy(update={"model": model})
    objects = grown(author, content, count)
    written = len(list(pool.map(lambda row: author.store.put(*row, WriteCondition.OVERWRITE), objects)))
sys.stdout.write(f"{written}\n")
