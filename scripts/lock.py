"""Writes one lock per repo, and the lock of the environment with other versions that an experiment makes.

Every dependency of every extra is pinned, with hashes, for every platform.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OURS = ("edustream-contracts", "edustream-registry")
REPOS = ("contracts", "artifact-registry", "repo-ml", "repo-api", "scripts")
OTHER_VERSIONS = "scripts/experiments/other_versions"
HEADER = "# Written by make lock from {source}. Everything is pinned and hashed; do not edit by hand.\n"


def lock(folder: str) -> None:
    """Resolve what a folder's pyproject.toml names, or else its requirements.in, and write the folder's lock."""
    has_project = (ROOT / folder / "pyproject.toml").exists()
    source = "pyproject.toml" if has_project else "requirements.in"
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", source, *(["--all-extras"] if has_project else [])),
        *("--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"),
        *("--find-links", str(ROOT / "contracts" / "dist"), "--find-links", str(ROOT / "artifact-registry" / "dist")),
        *(word for name in OURS for word in ("--no-emit-package", name)),
    ]
    done = subprocess.run(command, cwd=ROOT / folder, check=True, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("# ")]
    (ROOT / folder / "requirements.lock").write_text(HEADER.format(source=source) + "\n".join(lines) + "\n")
    sys.stdout.write(f"{folder}/requirements.lock: {sum('==' in line for line in lines)} packages\n")


if __name__ == "__main__":
    for name in sys.argv[1:] or (*REPOS, OTHER_VERSIONS):
        lock(name)
