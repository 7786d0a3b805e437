"""Replays a pulled release's golden vectors; prints the rows and the milliseconds of each replay as JSON.

Runs in the consumer's environment: `golden_replay.py DIRECTORY`. Each replay is timed as before a swap: contract read
and model loaded anew, the contract's validators not compiled yet.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from edustream_contracts.contract import FILE_NAME, parse_contract
from edustream_registry import golden_vectors
from edustream_registry.inference import golden
from edustream_registry.inference.loading import MODEL_FILE
from edustream_registry.inference.session import Inference
from edustream_registry.manifest import ReleaseContent

ROUNDS = 20
directory = Path(sys.argv[1])
statement = json.loads((directory / "manifest.json").read_bytes())
content = ReleaseContent.model_validate(statement["signed"]["content"])
milliseconds = []
for _ in range(ROUNDS):
    contract = parse_contract((directory / FILE_NAME).read_bytes())
    inference = Inference((directory / MODEL_FILE).read_bytes(), content, contract)
    data = (directory / golden_vectors.FILE_NAME).read_bytes()
    began = time.perf_counter()
    rows = golden.replay(data, inference, contract)
    milliseconds.append((time.perf_counter() - began) * 1000)
sys.stdout.write(json.dumps({"rows": rows, "milliseconds": milliseconds}) + "\n")
