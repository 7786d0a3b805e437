"""Resolves and polls two models in turn; prints medians of the seconds and the numbers of requests, as JSON.

Runs in the consumer's environment: `ask_registry.py ENV_FILE MODEL MODEL`.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from edustream_registry.connection import open_trust
from edustream_registry.names import Reference
from edustream_registry.reading import ReleaseReader
from edustream_registry.s3_client import READING, make_client
from edustream_registry.s3_store import S3Store
from edustream_registry.settings import RegistrySettings, with_env_file

ROUNDS = 200
env_file, models = Path(sys.argv[1]), sys.argv[2:]
settings = RegistrySettings.from_environ(with_env_file({}, env_file))
client = make_client("s3", settings, READING)
sent: Counter[str] = Counter()


def count(params: dict[str, Any], model: Any, **_: Any) -> None:
    """Count a request by what it asks for."""
    listed = str(params.get("Prefix", "")).rstrip("/").rpartition("/")[2]
    sent[f"list {listed}" if listed else "get"] += 1


client.meta.events.register("before-parameter-build.s3", count)
reader = ReleaseReader(S3Store(settings, client), open_trust(settings))
answers: dict[str, Any] = {}
seconds: dict[str, list[float]] = {model: [] for model in models}
for _ in range(ROUNDS):
    for name in models:
        began = time.perf_counter()
        reader.resolve(Reference.parse(f"{name}@production"))
        seconds[name].append(time.perf_counter() - began)
for name in models:
    asked = {}
    sent.clear()
    found = reader.resolve(Reference.parse(f"{name}@production"))
    asked["resolve"], _ = dict(sent), sent.clear()
    reader.poll(found)
    asked["poll"], _ = dict(sent), sent.clear()
    reader.resolve(Reference.parse(f"{name}@^2"))
    asked["range"] = dict(sent)
    answers[name] = {"seconds": statistics.median(seconds[name]), "requests": asked}
sys.stdout.write(json.dumps(answers) + "\n")
