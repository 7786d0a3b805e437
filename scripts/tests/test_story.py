"""The system as a whole: the same stories that `make demo` and `e2e.py` tell, and that of a changing contract."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from edustream_lab import programme
from edustream_lab.company import Company
from edustream_lab.evolution import change_the_contract
from edustream_lab.experiments import delete_the_artifact
from edustream_lab.handover import hand_over
from edustream_lab.language import Language
from edustream_lab.narrator import Narrator
from edustream_lab.places import Checkout
from edustream_lab.processes import Stage
from edustream_lab.story import Story


def demonstration(company: Company, narrator: Narrator) -> None:
    hand_over(company, narrator)
    programme.tell(1, delete_the_artifact.EXPERIMENT, company, narrator, Language.ENGLISH)


def end_to_end(company: Company, narrator: Narrator) -> None:
    Story(company, narrator).tell()


def contract_change(company: Company, narrator: Narrator) -> None:
    company.start_registry()
    change_the_contract(company, narrator)


@pytest.mark.parametrize(("tell", "claims"), [(demonstration, 27), (end_to_end, 37), (contract_change, 18)])
def test_every_claim_of_the_story_holds(
    tell: Callable[[Company, Narrator], None], claims: int, checkout: Checkout, programs: Stage, tmp_path: Path
) -> None:
    narrator = Narrator(io.StringIO(), {})
    tell(Company(checkout, programs, tmp_path / "company", quick=True), narrator)
    assert narrator.claims >= claims
