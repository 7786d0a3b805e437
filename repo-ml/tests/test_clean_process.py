"""In this environment everything that trains is installed; the clean process that proves a release has none of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edustream_registry.inference import clean_process
from edustream_registry.manifest import ReleaseContent

ISOLATED = "from edustream_registry.inference.isolation import isolate; isolate(); "
TRAINING = ("edustream_ml", "joblib", "matplotlib", "onnx", "pandas", "scipy", "skl2onnx", "sklearn")


@pytest.mark.parametrize("package", TRAINING)
def test_what_trains_is_installed_and_cannot_be_imported_there(package: str) -> None:
    program = f"{ISOLATED}import {package}"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"ModuleNotFoundError: No consumer has the module '{package}'" in done.stderr


def test_proving_a_release_loads_none_of_it(small_release: tuple[ReleaseContent, Path]) -> None:
    content, folder = small_release
    program = f"{clean_process.PROGRAM}; import json, sys; sys.stdout.write('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(folder)],
        input=content.model_dump_json(),
        capture_output=True,
        text=True,
        check=True,
    )
    verdict, modules = (json.loads(line) for line in done.stdout.splitlines())
    assert verdict == {"rows": 100}
    assert {name.partition(".")[0] for name in modules}.isdisjoint(TRAINING)
