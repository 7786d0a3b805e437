"""`make demo`: the hand-over and the first experiment in one go; leaves nothing behind."""

import sys
from pathlib import Path

from edustream_lab import programme
from edustream_lab.company import Company
from edustream_lab.experiments import delete_the_artifact
from edustream_lab.handover import hand_over
from edustream_lab.language import Language
from edustream_lab.narrator import Narrator
from edustream_lab.performance import perform


def tell(company: Company, narrator: Narrator) -> None:
    """The main path, and then the experiment in the same company."""
    hand_over(company, narrator)
    programme.tell(1, delete_the_artifact.EXPERIMENT, company, narrator, Language.ENGLISH)


if __name__ == "__main__":
    sys.exit(perform(Path(__file__), tell))
