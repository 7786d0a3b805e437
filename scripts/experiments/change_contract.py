"""The story of a changing contract, on a throwaway registry and free ports: who is protected from whom, and how."""

import sys
from pathlib import Path

from edustream_lab.company import Company
from edustream_lab.evolution import change_the_contract
from edustream_lab.narrator import Narrator
from edustream_lab.performance import perform


def tell(company: Company, narrator: Narrator) -> None:
    """Start a registry and tell the story."""
    company.start_registry()
    change_the_contract(company, narrator)


if __name__ == "__main__":
    sys.exit(perform(Path(__file__), tell))
