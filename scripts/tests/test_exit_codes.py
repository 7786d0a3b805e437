"""The lab knows the exit codes that the repos share."""

from __future__ import annotations

import json
import re
import subprocess

from edustream_lab.exit_codes import ExitCode
from edustream_lab.places import Checkout

TABLE = """\
import json
from edustream_contracts.exit_codes import EXIT_CODES
print(json.dumps({error.__name__: code for error, code in EXIT_CODES.items()}))
"""


def test_every_exit_code_is_that_of_the_shared_table(checkout: Checkout) -> None:
    python = checkout.python(checkout.root / "contracts")
    listing = subprocess.run([python, "-c", TABLE], check=True, capture_output=True, text=True).stdout
    shared = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper(): code for name, code in json.loads(listing).items()}
    known = {code.name: int(code) for code in ExitCode if code is not ExitCode.DONE}
    assert shared == known | {"OUTCOME_UNKNOWN": known["UNREACHABLE"]}
