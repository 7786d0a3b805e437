"""What a benchmark writes beside its figures, and what it says on the way."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from figures import Figure


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def versions(pythons: Mapping[str, str]) -> dict[str, str]:
    """Versions of what was compared, asked of each environment."""
    ask = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
    return {
        package: subprocess.run([python, "-c", ask, package], check=True, capture_output=True, text=True).stdout.strip()
        for package, python in pythons.items()
    }


def say(text: str) -> None:
    """A line for whoever watches."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def report(row: Figure) -> None:
    """One figure, as it comes."""
    mark = "ok  " if row.met else "MISS"
    say(f"{mark} {row.name}: {row.ratio} ({row.ours} / {row.theirs} {row.unit}; target {row.target})")
