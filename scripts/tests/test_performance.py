from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from botocore.exceptions import EndpointConnectionError

from edustream_lab.company import Company
from edustream_lab.narrator import ClaimFailed, Narrator
from edustream_lab.performance import perform
from edustream_lab.processes import ProgramFailed


def fails_with(error: BaseException) -> Callable[[Company, Narrator], None]:
    def tell(company: Company, narrator: Narrator) -> None:
        raise error

    return tell


def test_a_story_that_holds_ends_with_0_and_leaves_no_folder(capsys: pytest.CaptureFixture[str]) -> None:
    homes: list[Path] = []

    def tell(company: Company, narrator: Narrator) -> None:
        homes.append(company.home)
        narrator.fact("This holds.", company.home.is_dir())

    assert perform(Path(__file__), tell) == 0
    assert "One claim, and it was checked." in capsys.readouterr().out
    assert not homes[0].exists()


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ClaimFailed("a lie"), 1, "Failed: a lie\n"),
        (ProgramFailed("a crash"), 1, "Failed: a crash\n"),
        (httpx.ReadTimeout("too slow"), 1, "Failed: ReadTimeout: too slow\n"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), 1, "Failed: EndpointConnectionError: Could not"),
        (FileNotFoundError(2, "No such file", "row.json"), 1, "Failed: FileNotFoundError: [Errno 2] No such file"),
        (KeyboardInterrupt(), 130, "Interrupted"),
    ],
)
def test_a_story_that_breaks_ends_with_its_code_and_says_why(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert perform(Path(__file__), fails_with(error)) == code
    assert said in capsys.readouterr().err


def test_a_story_that_breaks_shows_what_its_programs_said_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def tell(company: Company, narrator: Narrator) -> None:
        command = [sys.executable, "-c", "import time; print('volume is full', flush=True); time.sleep(600)"]
        store = company.stage.start("store", command, cwd=tmp_path)
        store.wait_for(lambda: "full" in store.output, "up", 30)
        raise httpx.ReadTimeout("too slow")

    assert perform(Path(__file__), tell) == 1
    assert capsys.readouterr().err.endswith("store:\nvolume is full\n")
