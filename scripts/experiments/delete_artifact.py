"""The decoupling experiment alone, on a throwaway registry and free ports: delete the artifact, and see who notices."""

import sys
from pathlib import Path

from edustream_lab.company import Company
from edustream_lab.decoupling import delete_the_artifact
from edustream_lab.narrator import Narrator
from edustream_lab.performance import perform


def tell(company: Company, narrator: Narrator) -> None:
    """Start a registry and tell the experiment."""
    company.start_registry()
    delete_the_artifact(company, narrator)


if __name__ == "__main__":
    sys.exit(perform(Path(__file__), tell))
