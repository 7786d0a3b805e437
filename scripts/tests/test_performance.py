from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

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
    assert "1 claims" in capsys.readouterr().out
    assert not homes[0].exists()


@pytest.mark.parametrize(
    ("error", "code"), [(ClaimFailed("a lie"), 1), (ProgramFailed("a crash"), 1), (KeyboardInterrupt(), 130)]
)
def test_a_story_that_breaks_ends_with_its_code(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert perform(Path(__file__), fails_with(error)) == code
    assert capsys.readouterr().err
