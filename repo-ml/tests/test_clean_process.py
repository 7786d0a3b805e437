"""In this environment everything that trains is installed; the clean process that proves a release has none of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

from edustream_ml.release import write_release
from edustream_ml.training import Training
from edustream_registry.inference import clean_process

ISOLATED = "from edustream_registry.inference.isolation import isolate; isolate(); "
TRAINING = ("edustream_ml", "joblib", "matplotlib", "onnx", "pandas", "scipy", "skl2onnx", "sklearn")


@pytest.mark.parametrize("package", TRAINING)
def test_what_trains_is_installed_and_cannot_be_imported_there(package: str) -> None:
    program = f"{ISOLATED}import {package}"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"ModuleNotFoundError: No consumer has the module '{package}'" in done.stderr


def test_proving_a_release_loads_none_of_it(small_training: Training, tmp_path: Path) -> None:
    content = write_release(small_training, tmp_path, REPOSITORY)
    program = f"{clean_process.PROGRAM}; import json, sys; sys.stdout.write('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(tmp_path)],
        input=content.model_dump_json(),
        capture_output=True,
        text=True,
        check=True,
    )
    verdict, modules = (json.loads(line) for line in done.stdout.splitlines())
    assert verdict == {"rows": 100}
    assert {name.partition(".")[0] for name in modules}.isdisjoint(TRAINING)
