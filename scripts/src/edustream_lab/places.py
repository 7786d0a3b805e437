"""Where the repos of this checkout lie, and the commands that their environments offer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout whose environments `make setup` has made."""

    root: Path

    @staticmethod
    def of(script: Path) -> Checkout:
        """The checkout that holds a script below `scripts/`."""
        scripts = next(parent for parent in script.resolve().parents if parent.name == "scripts")
        return Checkout(scripts.parent)

    @property
    def registry_command(self) -> str:
        """The program `edustream-registry`."""
        return str(self.root / "artifact-registry" / ".venv" / "bin" / "edustream-registry")

    @property
    def producer(self) -> Path:
        """The producer's repo."""
        return self.root / "repo-ml"

    @property
    def consumer(self) -> Path:
        """The consumer's repo."""
        return self.root / "repo-api"

    def python(self, repo: Path) -> str:
        """The interpreter of a repo's own environment."""
        return str(repo / ".venv" / "bin" / "python")
