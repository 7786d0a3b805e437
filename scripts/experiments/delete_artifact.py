"""Runs the decoupling experiment alone, on a throwaway registry and free ports; leaves nothing behind."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from edustream_lab.company import Company
from edustream_lab.decoupling import delete_the_artifact
from edustream_lab.narrator import ClaimFailed, Narrator
from edustream_lab.places import Checkout
from edustream_lab.processes import ProgramFailed, stage


def main() -> int:
    """Run the experiment; 0 when every claim held."""
    narrator = Narrator()
    with tempfile.TemporaryDirectory(prefix="edustream-") as folder, stage(Path(folder) / "logs") as programs:
        company = Company(Checkout.of(Path(__file__)), programs, Path(folder))
        try:
            company.start_registry()
            delete_the_artifact(company, narrator)
        except (ClaimFailed, ProgramFailed) as error:
            sys.stderr.write(f"The experiment failed: {error}\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write("Interrupted; stopping everything.\n")
            return 130
    narrator.say(f"\n{narrator.claims} claims, each one checked. Nothing is left running.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
