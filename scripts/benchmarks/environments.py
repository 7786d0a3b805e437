"""Throwaway environments, each from a hashed lock of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def python_of(folder: Path, lock: Path) -> Path:
    """The interpreter of the environment in `folder`; the environment is made from `lock` where it is not there yet."""
    python, made = folder / "bin" / "python", folder / "made"
    if made.exists() and made.read_bytes() == lock.read_bytes():
        return python
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
    install = [*uv, "pip", "install", "--quiet", "--python", str(python), "--require-hashes"]
    subprocess.run([*install, "--requirement", str(lock)], check=True)
    made.write_bytes(lock.read_bytes())
    return python
