from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from test_interruption import processes_with

from edustream_lab.company import Company
from edustream_lab.places import Checkout
from edustream_lab.processes import ProgramFailed, Stage, stage


@pytest.fixture(scope="module")
def company(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """A company whose registry runs and holds nothing."""
    home = tmp_path_factory.mktemp("company")
    with stage(home / "logs") as programs:
        company = Company(checkout, programs, home, quick=True)
        company.start_registry()
        yield company


def test_a_registry_that_is_killed_leaves_nothing_running(checkout: Checkout, programs: Stage, tmp_path: Path) -> None:
    company = Company(checkout, programs, tmp_path / "home", quick=True)
    registry = company.start_registry()
    with ExitStack() as stack:
        ends = [os.pidfd_open(process) for process in processes_with(str(company.home))]
        for end in ends:
            stack.callback(os.close, end)
        assert len(ends) >= 2
        assert registry.stop(signal.SIGKILL) == -signal.SIGKILL
        for end in ends:
            assert select.select([end], [], [], 30)[0] == [end]
    assert processes_with(str(company.home)) == []


def test_the_administrator_reads_what_was_written_and_the_teams_have_keys_of_their_own(company: Company) -> None:
    company.write("models/churn/note", b"seen")
    assert company.read("models/churn/note") == b"seen"
    assert company.keys("models/") == ["models/churn/note"]
    company.delete("models/churn/note")
    assert company.keys("models/") == []
    keys = {company.settings(repo)["AWS_ACCESS_KEY_ID"] for repo in ("artifact-registry", "repo-ml", "repo-api")}
    assert len(keys) == 3


def test_a_command_that_fails_is_told_with_its_code_and_words(company: Company) -> None:
    with pytest.raises(ProgramFailed, match=r"resolve churn@production ended with 3: .*no release of churn"):
        company.registry_json("resolve", "churn@production")


def test_a_quick_configuration_is_the_producers_own_but_for_what_takes_time(company: Company) -> None:
    source = company.checkout.producer / "configs" / "churn.yaml"
    own = yaml.safe_load(source.read_text())
    quick = yaml.safe_load(company.quick_config(7, lambda config: config.update(promote="candidate")).read_text())
    assert {name for name in own | quick if own.get(name) != quick.get(name)} == {
        *("seed", "data", "candidates", "cross_validation", "thresholds", "gates", "promote")
    }
    assert (quick["seed"], quick["promote"]) == (7, "candidate")
    assert Path(quick["data"]["path"]).samefile(source.parent / own["data"]["path"])
