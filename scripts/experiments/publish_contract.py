"""Publishes a release that keeps the contract in a file, without any training: publish_contract.py FILE ENV VERSION.

Runs in the registry's environment. The model is none, so nobody can serve the release; everything else is real.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from edustream_contracts.contract import parse_contract
from edustream_contracts.errors import EduStreamError
from edustream_contracts.exit_codes import exit_code
from edustream_registry.authorship import open_author
from edustream_registry.publishing import Publisher
from edustream_registry.settings import RegistrySettings, with_env_file
from edustream_registry.testing.simulator import write_release

contract_file, env_file, version = sys.argv[1:]
contract = parse_contract(Path(contract_file).read_bytes())
author = open_author(RegistrySettings.from_environ(with_env_file({}, Path(env_file))), "data scientist")
with tempfile.TemporaryDirectory() as folder:
    content = write_release(Path(folder), contract, contract.digest.encode())
    try:
        done = Publisher(author, bundler=None).publish(content, Path(folder), version)
    except EduStreamError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(exit_code(error))
sys.stdout.write(f"{done.status.value} {done.manifest.version}: {done.why}\n")
