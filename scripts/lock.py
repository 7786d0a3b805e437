"""Writes one lock per repo: every dependency of every extra, pinned, with hashes, for every platform."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OURS = ("edustream-contracts", "edustream-registry")
REPOS = ("contracts", "artifact-registry", "repo-ml", "repo-api", "scripts")
HEADER = "# Written by make lock from pyproject.toml. Everything is pinned and hashed; do not edit by hand.\n"


def lock(repo: str) -> None:
    """Resolve one repo's dependencies and write its lock."""
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--all-extras"),
        *("--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"),
        *("--find-links", str(ROOT / "contracts" / "dist"), "--find-links", str(ROOT / "artifact-registry" / "dist")),
        *(word for name in OURS for word in ("--no-emit-package", name)),
    ]
    done = subprocess.run(command, cwd=ROOT / repo, check=True, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("# ")]
    (ROOT / repo / "requirements.lock").write_text(HEADER + "\n".join(lines) + "\n")
    sys.stdout.write(f"{repo}/requirements.lock: {sum('==' in line for line in lines)} packages\n")


if __name__ == "__main__":
    for name in sys.argv[1:] or REPOS:
        lock(name)
