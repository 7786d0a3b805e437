from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, distribution, version

import pytest
from conftest import REPOSITORY

from edustream_ml import libraries
from edustream_ml.libraries import library_versions, other_than_pinned
from edustream_ml.lock_file import read_lock


def test_every_library_that_the_producer_needs_is_named_those_that_others_bring_too() -> None:
    named = library_versions()
    assert named.pop("python") == platform.python_version()
    assert {
        "lightgbm",
        "numpy",
        "onnxruntime",
        "optuna",
        "pyarrow",
        "scikit-learn",
        "scipy",
        "skl2onnx",
    } <= named.keys()
    assert named == {name: version(name) for name in named}
    assert not {"edustream-ml", "edustream-registry", "boto3", "pytest", "ruff", "dvc"} & named.keys()


def test_estimators_that_are_not_installed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(name: str) -> object:
        if name == "lightgbm":
            raise PackageNotFoundError(name)
        return distribution(name)

    everything = library_versions()
    monkeypatch.setattr(libraries, "distribution", without)
    del everything["lightgbm"]
    assert library_versions() == everything


def test_what_is_installed_here_is_what_the_lock_pins() -> None:
    assert other_than_pinned(library_versions(), read_lock(REPOSITORY).decode()) == []


def test_what_the_lock_pins_otherwise_is_named() -> None:
    lock = "numpy==2.4.6 ; python_full_version < '3.12'\nnumpy==2.5.5 ; python_full_version >= '3.12'\n"
    made_with = {"numpy": "2.4.5", "scipy": "1.17.1", "python": "3.11.7"}
    assert [str(problem) for problem in other_than_pinned(made_with, lock)] == [
        "numpy: is 2.4.5; requirements.lock pins 2.4.6",
        "scipy: is 1.17.1; requirements.lock pins none",
    ]
    assert other_than_pinned({"numpy": "2.5.5", "python": "3.12.1"}, lock) == []
