from __future__ import annotations

import subprocess

import pytest
from conftest import REPOSITORY

from edustream_ml.lock_file import build_backend, pinned, read_lock

LOCK = """\
# Written by make lock.
antlr4-python3-runtime==4.9.3 \\
    --hash=sha256:f224
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:aaaa \\
    --hash=sha256:bbbb
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:cccc
pywin32==312 ; sys_platform == 'no-such-system' \\
    --hash=sha256:dddd
setuptools==84.2.1 \\
    --hash=sha256:eeee \\
    --hash=sha256:ffff
PyYAML==6.0.3
"""


@pytest.mark.parametrize(("python", "numpy"), [("3.11.7", "2.4.6"), ("3.12.0", "2.5.5")])
def test_what_is_pinned_depends_on_the_interpreter(python: str, numpy: str) -> None:
    assert pinned(LOCK, python) == {
        "antlr4-python3-runtime": "4.9.3",
        "numpy": numpy,
        "setuptools": "84.2.1",
        "pyyaml": "6.0.3",
    }


def test_the_build_backend_is_taken_with_its_hashes() -> None:
    assert build_backend(LOCK) == "setuptools==84.2.1 \\\n    --hash=sha256:eeee \\\n    --hash=sha256:ffff\n"
    assert build_backend("numpy==2.4.6\n") == ""


def test_the_image_is_made_with_that_very_entry() -> None:
    program = "/^[a-z]/ { taken = /^setuptools==/ } taken"
    assert f"awk '{program}'" in (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    lock = read_lock(REPOSITORY).decode()
    taken = subprocess.run(["awk", program], input=lock, capture_output=True, text=True, check=True).stdout
    assert taken == build_backend(lock) != ""
