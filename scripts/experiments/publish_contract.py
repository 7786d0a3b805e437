"""Publishes a release that keeps the contract in a file, without any training: publish_contract.py FILE ENV VERSION.

Runs in the registry's environment. The model is none, so nobody can serve the release; everything else is real.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from edustream_contracts.contract import parse_contract
from edustream_registry.testing.simulator import write_release
from uploading import upload

contract_file, env_file, version = sys.argv[1:]
contract = parse_contract(Path(contract_file).read_bytes())
with tempfile.TemporaryDirectory() as folder:
    content = write_release(Path(folder), contract, contract.digest.encode())
    sys.exit(upload(content, Path(folder), Path(env_file), version, "data scientist"))
