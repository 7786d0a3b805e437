"""What an examination of a store found: one finding a check, and whether the store is safe for a registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from edustream_contracts.errors import GateRefused, Problem


class Verdict(Enum):
    """What a check says about the store."""

    OK = "ok"
    """It does what the protocol needs."""
    UNSAFE = "unsafe"
    """It does not, so releases on it could be lost, changed or hidden."""
    WARNING = "warning"
    """It does, but something wants looking after."""
    INFO = "info"
    """A fact on which the protocol does not rest."""
    SKIPPED = "skipped"
    """Not examined; the detail says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result; `figures` are numbers for programs, with their unit in the name."""

    check: str
    verdict: Verdict
    detail: str
    figures: Mapping[str, float] = field(default_factory=dict)

    def payload(self) -> dict[str, Any]:
        """The finding as JSON."""
        named = {"check": self.check, "verdict": self.verdict.value, "detail": self.detail}
        return named | ({"figures": dict(self.figures)} if self.figures else {})


@dataclass(frozen=True, slots=True)
class Examination:
    """All findings about one store; it is safe if no check condemns it."""

    location: str
    findings: tuple[Finding, ...]

    @property
    def safe(self) -> bool:
        """Whether a registry may be kept here."""
        return not self.condemning

    @property
    def condemning(self) -> tuple[Finding, ...]:
        """The findings that forbid it."""
        return tuple(finding for finding in self.findings if finding.verdict is Verdict.UNSAFE)

    @property
    def untried(self) -> tuple[str, ...]:
        """The checks that were skipped, so that nothing is known of what they try."""
        return tuple(finding.check for finding in self.findings if finding.verdict is Verdict.SKIPPED)

    def payload(self) -> dict[str, Any]:
        """The examination as JSON."""
        return {
            "store": self.location,
            "safe": self.safe,
            "untried": list(self.untried),
            "findings": [finding.payload() for finding in self.findings],
        }

    def require_safe(self) -> None:
        """Raises `GateRefused` (kind `store`), which names every condemning check."""
        if self.safe:
            return
        raise GateRefused(
            "store",
            f"{self.location} is not safe for a registry.",
            remedy="use a store that does what PROTOCOL.md, section 2, demands; STORES.md names some.",
            problems=[Problem(finding.check, finding.detail) for finding in self.condemning],
        )
