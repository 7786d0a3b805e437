"""The clean process is run for real: it proves a release, and nothing that trains can be imported in it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import refusal

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import GateRefused
from edustream_registry.inference import clean_process, isolation
from edustream_registry.inference.clean_process import prove_in_clean_process
from edustream_registry.manifest import ReleaseContent
from edustream_registry.testing.onnx_models import tenure_golden, tenure_model
from edustream_registry.testing.simulator import write_release

ISOLATED = "from edustream_registry.inference.isolation import isolate; isolate(); "


@pytest.fixture
def proved(release_dir: Path, contract: ModelContract) -> ReleaseContent:
    return write_release(release_dir, contract, tenure_model(contract), tenure_golden(contract))


def test_a_release_that_answers_as_recorded_is_proved(
    proved: ReleaseContent, release_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(release_dir.parent)
    assert prove_in_clean_process(proved, Path("release")) == 3


def test_a_release_that_disagrees_is_refused_with_row_field_and_difference(
    release_dir: Path, contract: ModelContract
) -> None:
    golden = tenure_golden(contract, scale=-0.06)
    content = write_release(release_dir, contract, tenure_model(contract), golden)
    error, kind, text = refusal(lambda: prove_in_clean_process(content, release_dir))
    assert (error, kind) == (GateRefused, "golden")
    assert "2 of 3 golden rows; the largest difference is 0.027" in text
    assert "/rows/1/output/probability: is 0.354343712 and was recorded as 0.327392983" in text
    assert "nothing was published" in text


def test_a_process_that_dies_is_a_refusal_with_its_last_words(
    proved: ReleaseContent, release_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clean_process, "PROGRAM", "import os; os.write(2, b'first\\nthe end'); os._exit(9)")
    error, kind, text = refusal(lambda: prove_in_clean_process(proved, release_dir))
    assert (error, kind) == (GateRefused, "golden")
    assert "ended with code 9: the end" in text
    monkeypatch.setattr(clean_process, "PROGRAM", "import os; os._exit(3)")
    assert "it said nothing" in refusal(lambda: prove_in_clean_process(proved, release_dir))[2]


def test_a_process_that_gives_no_answer_is_ended(
    proved: ReleaseContent, release_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clean_process, "PROGRAM", "import threading; threading.Event().wait()")
    error, kind, text = refusal(lambda: prove_in_clean_process(proved, release_dir, timeout_s=0.2))
    assert (error, kind) == (GateRefused, "golden")
    assert "has not answered after 0.2 s" in text


@pytest.mark.parametrize("module", ["pytest", "onnx", "boto3", "sklearn.pipeline", "edustream_ml"])
def test_what_no_consumer_has_cannot_be_imported_even_where_it_is_installed(module: str) -> None:
    command = [sys.executable, "-I", "-c", f"{ISOLATED}import {module}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"No consumer has the module '{module.partition('.')[0]}'" in done.stderr


def test_the_process_loads_what_it_names_and_nothing_else(proved: ReleaseContent, release_dir: Path) -> None:
    listing = "import json, sys; sys.stdout.write('\\n' + json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-I", "-c", f"{clean_process.PROGRAM}; {listing}", str(release_dir)]
    bare = [sys.executable, "-I", "-c", listing]
    loaded, before = (
        {
            name.partition(".")[0]
            for name in json.loads(
                subprocess.run(
                    words, input=proved.model_dump_json(), capture_output=True, text=True, check=True
                ).stdout.splitlines()[-1]
            )
        }
        for words in (command, bare)
    )
    assert {"numpy", "onnxruntime", "edustream_contracts"} <= loaded
    own = {name for name in loaded if name in sys.stdlib_module_names or name.startswith("_sysconfigdata_")}
    # The module that cryptography's extension makes of itself comes from no finder.
    assert loaded - before - own - {"_openssl"} <= isolation.CONSUMERS_PACKAGES


def test_the_verdict_is_one_line_of_json(
    proved: ReleaseContent, release_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def verdict(content: ReleaseContent) -> dict[str, object]:
        monkeypatch.setattr("sys.stdin.read", lambda: content.model_dump_json(), raising=False)
        clean_process.main()
        found: dict[str, object] = json.loads(capsys.readouterr().out)
        return found

    monkeypatch.setattr(sys, "argv", ["-c", str(release_dir)])
    assert verdict(proved) == {"rows": 3}
    refused = verdict(proved.model_copy(update={"contract_digest": "0" * 64}))
    assert "has the digest" in str(refused["refusal"])
    assert refused["problems"] == []


def test_the_finder_leaves_a_consumer_s_modules_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    isolation.isolate()
    finder = sys.meta_path[0]
    assert finder.find_spec("numpy.linalg", None) is None
    assert finder.find_spec("_sysconfigdata__linux_x86_64-linux-gnu", None) is None
    with pytest.raises(ModuleNotFoundError, match="'pandas'"):
        finder.find_spec("pandas", None)
