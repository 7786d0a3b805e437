"""A number that is stated says no less than its contract does to consumers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from changed_contracts import months
from conftest import refusal
from versioned_releases import BREAKS, CHANGES, TENURE, Publish, contract_of, number, refused

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Conflict
from edustream_registry import layout
from edustream_registry.testing.simulator import RegistrySimulator, write_release
from edustream_registry.versioning import check_stated


def test_the_first_release_may_have_any_number(publish: Publish) -> None:
    done = publish(120, "0.3.1")

    assert (number(done), done.why) == ("0.3.1", "the first release")


def test_a_number_that_says_less_than_the_contract_does_is_refused_with_the_right_one(
    registry: RegistrySimulator, publish: Publish
) -> None:
    publish(120)
    before = dict(registry.memory.objects)

    said = refused(lambda: publish(60, "1.1.0"))

    assert said.splitlines()[0] == f"churn@1.1.0 is refused: {BREAKS.format('1.1.0', '1.0.0')}."
    assert said.splitlines()[1].startswith(f"  - {TENURE}: tenure ")
    shown, _, row = said.splitlines()[2].partition(": {")
    assert shown == f"  - counterexample of {TENURE}"
    example = json.loads("{" + row)
    assert 60 < example["tenure"] <= 120
    assert said.splitlines()[-1] == "Next: publish it as 2.0.0, which is what --version auto takes."
    assert registry.memory.objects == before


def test_a_patch_with_a_wider_contract_is_refused(publish: Publish) -> None:
    publish(120)

    said = refused(lambda: publish(240, "1.0.1"))

    assert CHANGES.format("1.0.1", "1.0.0") in said
    assert TENURE in said
    assert said.endswith("Next: publish it as 1.1.0.")


@pytest.mark.parametrize(
    ("maximum", "version", "why"),
    [
        (120, "1.7.0", "same contract as 1.0.0"),
        (120, "1.0.7", "same contract as 1.0.0"),
        (120, "5.0.0", "the first release of major version 5"),
        (240, "3.0.0", "the first release of major version 3"),
        (60, "2.0.0", "the first release of major version 2"),
    ],
)
def test_more_than_needed_may_be_stated(publish: Publish, maximum: int, version: str, why: str) -> None:
    publish(120)

    done = publish(maximum, version)

    assert (number(done), done.why) == (version, why)


def test_the_other_minors_of_major_0_are_one_line(publish: Publish) -> None:
    """`^0` admits all of them."""
    publish(120, "0.1.0")

    assert "publish it as 1.0.0" in refused(lambda: publish(60, "0.2.0"))
    assert number(publish(240)) == "0.2.0"


def test_a_backport_joins_its_own_major(publish: Publish) -> None:
    publish(120, "1.4.0")
    publish(60, "2.0.0")

    assert number(publish(120, "1.4.1")) == "1.4.1"
    assert number(publish(240, "1.5.0")) == "1.5.0"
    said = refused(lambda: publish(480, "1.5.1"))
    assert CHANGES.format("1.5.1", "1.5.0") in said
    assert said.endswith("Next: publish it as 1.6.0.")


def test_a_backport_that_breaks_its_major_is_refused(publish: Publish) -> None:
    publish(120, "1.4.0")
    publish(60, "2.0.0")

    assert "Next: publish it as 3.0.0, which" in refused(lambda: publish(40, "1.5.0"))


@pytest.mark.parametrize(
    ("maximum", "version", "objections"),
    [
        (480, "1.0.1", [(CHANGES, "1.0.1", "1.0.0"), (BREAKS, "1.1.0", "1.0.1")]),
        (240, "1.0.1", [(CHANGES, "1.0.1", "1.0.0")]),
        (120, "1.1.1", [(BREAKS, "1.1.1", "1.1.0")]),
        (480, "1.1.1", [(CHANGES, "1.1.1", "1.1.0"), (BREAKS, "1.2.0", "1.1.1")]),
    ],
)
def test_a_release_in_between_has_to_fit_both_neighbours(
    publish: Publish, maximum: int, version: str, objections: list[tuple[str, str, str]]
) -> None:
    publish(120)
    publish(240)
    publish(240, "1.2.0")

    said = refused(lambda: publish(maximum, version)).splitlines()[0]

    facts = "; ".join(does.format(later, earlier) for does, later, earlier in objections)
    assert said == f"churn@{version} is refused: {facts}."


def test_a_number_before_the_first_of_its_major_has_to_fit_it(publish: Publish) -> None:
    publish(120, "1.1.0")
    publish(60, "2.1.0")

    said = refused(lambda: publish(240, "1.0.0"))
    assert BREAKS.format("1.1.0", "1.0.0") in said
    assert said.endswith("Next: publish it as 1.2.0.")
    assert CHANGES.format("2.1.0", "2.1.0-rc.1") in refused(lambda: publish(40, "2.1.0-rc.1"))
    assert number(publish(40, "2.0.0")) == "2.0.0"


@pytest.mark.parametrize("version", ["0.9.0", "2.0.0", "2.9.9-rc.1"])
def test_a_lower_number_has_to_continue_a_major(publish: Publish, version: str) -> None:
    publish(120)
    publish(60, "3.0.0")

    said = refused(lambda: publish(60, version))

    assert said == (
        f"churn@{version} is lower than 3.0.0, and continues no major version that was released.\n"
        "Next: publish it as 3.0.1, which is what --version auto takes."
    )


def test_yanked_neighbours_do_not_count_and_their_numbers_stay_used(
    registry: RegistrySimulator, publish: Publish
) -> None:
    publish(120)
    publish(480)
    registry.yank("churn", "1.1.0")

    assert refusal(lambda: publish(240, "1.1.0"))[:2] == (Conflict, "release_exists")
    assert number(publish(240, "1.2.0")) == "1.2.0"


def test_the_requests_of_a_stated_version(registry: RegistrySimulator, publish: Publish, tmp_path: Path) -> None:
    first = publish(120, channels=tuple(f"channel-{index}" for index in range(10)))
    for _ in range(5):
        publish(120)
    directory = tmp_path / "counted"
    registry.publish(
        write_release(directory, months(contract_of(registry, first), 240), b"counted"), directory, "1.1.0"
    )
    keys = [key for operation, key in registry.store.calls if operation == "get"]

    assert not [key for key in keys if "/channels/" in key]
    # What 1.1.0 holds is asked for twice: is it published already, and whose is it after the create.
    assert [key for key in keys if "/releases/" in key] == [
        layout.manifest_key("churn", "1.1.0"),
        layout.manifest_key("churn", "1.0.5"),
    ]
    assert sum(key.endswith("contract.json") for key in keys) == 1


def test_a_stated_version_can_be_checked_before_there_is_a_model(
    registry: RegistrySimulator, publish: Publish, contract: ModelContract
) -> None:
    publish(120)

    assert "publish it as 1.1.0" in refused(lambda: check_stated(registry.reader, months(contract, 240), "1.0.1"))
    check_stated(registry.reader, months(contract, 240), "1.1.0")
    check_stated(registry.reader, months(contract, 120), "1.0.0")
    with pytest.raises(Conflict, match=r"churn@1\.0\.0 was released by tester at .* with another contract"):
        check_stated(registry.reader, months(contract, 60), "1.0.0")
    assert registry.reader.versions("churn") == ["1.0.0"]
