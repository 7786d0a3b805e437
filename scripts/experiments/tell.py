"""Runs the experiments, all of them or those that are named: `make experiments`.

In the language that LANGUAGE says, on throwaway registries and free ports.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from edustream_lab.company import Company
from edustream_lab.comparison import record
from edustream_lab.experiments import EXPERIMENTS
from edustream_lab.language import language_of
from edustream_lab.narrator import Narrator
from edustream_lab.performance import perform
from edustream_lab.programme import WORDS, tell_all


def main() -> int:
    """Run what the command line asks for; the exit code."""
    language = language_of(os.environ)
    numbered = list(enumerate(EXPERIMENTS, start=1))
    names = [experiment.name for _, experiment in numbered]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all, unless some are named: {', '.join(names)}")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write what is measured into FILE, as JSON")
    given = parser.parse_args()
    for name in given.names:
        if name not in names:
            parser.error(WORDS.said("unknown", language, {"name": name, "names": ", ".join(names)}))
    chosen = [one for one in numbered if one[1].name in (given.names or names)]

    def tell(company: Company, narrator: Narrator) -> None:
        figures = tell_all(chosen, company, narrator, language)
        if given.record:
            record(figures, given.record)

    return perform(Path(__file__), tell, language, quick=True)


if __name__ == "__main__":
    sys.exit(main())
