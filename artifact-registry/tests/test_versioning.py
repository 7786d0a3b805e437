"""A number that is computed says what its contract does to consumers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from changed_contracts import months
from conftest import refusal
from versioned_releases import TENURE, Publish, contract_of, lose_contract, number, refused, rename

from edustream_contracts.compatibility import compare
from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import InvalidInput, Rejected
from edustream_registry import layout
from edustream_registry.publishing import PublicationStatus
from edustream_registry.testing.simulator import RegistrySimulator, write_release


def test_the_first_release_is_1_0_0(publish: Publish) -> None:
    done = publish()

    assert (number(done), done.why) == ("1.0.0", "the first release")


@pytest.mark.parametrize(
    ("maximum", "following", "why"),
    [
        (120, "1.0.1", "same contract as 1.0.0"),
        (240, "1.1.0", f"compatible with 1.0.0: {TENURE}: "),
        (60, "2.0.0", f"breaks the contract of 1.0.0: {TENURE}: "),
    ],
)
def test_the_verdict_makes_the_number(
    publish: Publish, contract: ModelContract, maximum: int, following: str, why: str
) -> None:
    publish(120)

    done = publish(maximum)

    sentences = [reason.sentence for reason in compare(months(contract, 120), months(contract, maximum)).reasons]
    assert (number(done), done.why) == (following, why + "".join(sentences))


def test_one_reason_stands_for_all_of_the_same_weight(publish: Publish, contract: ModelContract) -> None:
    document = months(contract, 60).document
    document["input"]["properties"]["monthly_charges"]["maximum"] = 400
    publish(120)

    assert publish(60, **document).why.endswith(" And 1 more.")


def test_a_contract_that_only_reads_differently_is_a_patch(publish: Publish) -> None:
    publish(title="Customer churn")

    assert number(publish(title="Customers who leave")) == "1.0.1"


def test_the_reason_names_the_channels_that_serve_the_release(publish: Publish) -> None:
    publish(channels=("production", "canary"))

    assert publish().why == "same contract as 1.0.0 (canary, production)"


def test_what_a_channel_still_serves_counts_beside_the_highest_release(
    registry: RegistrySimulator, publish: Publish
) -> None:
    """1.1.0 broke 1.0.0 under a number that says otherwise, as clients did that compared with the last release only."""
    publish(120, channels=("production",))
    wrong = publish(60)
    rename(registry, wrong, "1.1.0")

    done = publish(60)

    assert number(done) == "2.0.0"
    assert done.why.startswith("breaks the contract of 1.0.0 (production): ")


def test_a_major_that_says_what_it_breaks_is_continued_while_the_old_one_is_served(publish: Publish) -> None:
    publish(120, channels=("production",))
    publish(60, channels=("canary",))

    assert number(publish(60)) == "2.0.1"
    assert number(publish(90)) == "2.1.0"
    assert number(publish(40)) == "3.0.0"


def test_no_number_below_the_highest_is_computed(publish: Publish) -> None:
    publish(120, channels=("production",))
    publish(60)

    assert number(publish(120)) == "2.1.0"


def test_fifty_channels_of_two_releases_cost_two_manifests_and_two_contracts(
    registry: RegistrySimulator, publish: Publish
) -> None:
    publish(120, channels=tuple(f"old-{index}" for index in range(25)))
    publish(240, channels=tuple(f"new-{index}" for index in range(25)))

    done = publish(480)

    assert number(done) == "1.2.0"
    assert done.why.startswith("compatible with 1.1.0 (new-0, new-1, new-10 and 22 more): ")


def test_the_requests_of_a_computed_version(registry: RegistrySimulator, publish: Publish, tmp_path: Path) -> None:
    first = publish(120, channels=tuple(f"old-{index}" for index in range(10)))
    publish(240, channels=tuple(f"new-{index}" for index in range(10)))
    directory = tmp_path / "counted"
    content = write_release(directory, months(contract_of(registry, first), 480), b"counted")
    registry.publish(content, directory)
    calls = registry.store.calls

    def count(operation: str, part: str) -> int:
        return sum(done == operation and part in key for done, key in calls)

    assert count("get", "/channels/") == 20 * 3
    assert count("get", "/contract.json") == 2
    assert count("get", "/releases/") == 2
    assert (count("folders", "/channels/"), count("list", "/releases/"), count("list", "/yanked/")) == (1, 1, 1)


def test_the_same_digest_needs_no_contract(registry: RegistrySimulator, publish: Publish) -> None:
    lose_contract(registry, publish(120, channels=("production",)))

    assert number(publish(120)) == "1.0.1"


def test_the_same_content_again_is_found_below_what_others_released_since(
    registry: RegistrySimulator, content: Any, release_dir: Path, publish: Publish
) -> None:
    registry.publish(content, release_dir)
    publish(240)

    again = registry.publish(content, release_dir)

    assert (again.status, number(again)) == (PublicationStatus.IDENTICAL, "1.0.0")


# --- numbers that were used ---


def test_a_damaged_manifest_that_need_not_be_compared_stops_nobody(
    registry: RegistrySimulator, publish: Publish
) -> None:
    publish(120)
    publish(240)
    registry.memory.objects[layout.manifest_key("churn", "1.0.0")] = b"{}"

    assert number(publish(240)) == "1.1.1"
    registry.memory.objects[layout.manifest_key("churn", "1.1.1")] = b"{}"
    assert "churn@1.1.1 cannot be verified" in refused(lambda: publish(240))


@pytest.mark.parametrize("channels", [(), ("production",)], ids=["highest", "served"])
@pytest.mark.parametrize("version", ["auto", "1.2.0", "1.0.1"], ids=["auto", "above", "below"])
def test_a_damaged_manifest_that_has_to_be_compared_is_a_gate_that_a_next_major_passes(
    registry: RegistrySimulator, publish: Publish, version: str, channels: tuple[str, ...]
) -> None:
    publish(120)
    publish(240, channels=channels)
    registry.memory.objects[layout.manifest_key("churn", "1.1.0")] = b"{}"

    said = refused(lambda: publish(60, version))

    served = version == "auto" and channels
    assert f"churn@1.1.0{' (production)' if served else ''} cannot be verified (" in said
    assert "nothing says which contract its consumers rely on" in said
    assert "state the next major version, which needs no comparison" in said
    assert number(publish(60, "2.0.0")) == "2.0.0"


def test_a_damaged_manifest_whose_number_would_be_continued_is_a_gate(
    registry: RegistrySimulator, publish: Publish
) -> None:
    publish(120, channels=("production",))
    publish(120)
    registry.yank("churn", "1.0.1")
    registry.memory.objects[layout.manifest_key("churn", "1.0.1")] = b"{}"

    assert "churn@1.0.1 cannot be verified" in refused(lambda: publish(120))


def test_a_yanked_release_binds_nobody(registry: RegistrySimulator, publish: Publish) -> None:
    publish(120)
    publish(240, channels=("production",))
    registry.yank("churn", "1.1.0")

    assert number(publish(120)) == "1.0.1"


def test_the_number_of_a_yanked_release_is_passed_over(registry: RegistrySimulator, publish: Publish) -> None:
    publish(120)
    for _ in range(3):
        publish(240)
    for version in ("1.1.0", "1.1.1", "1.1.2"):
        registry.yank("churn", version)

    assert number(publish(240)) == "1.1.3"
    assert number(publish(480)) == "1.2.0"


def test_a_yanked_release_counts_where_its_number_would_be_continued(
    registry: RegistrySimulator, publish: Publish
) -> None:
    publish(120)
    publish(480)
    registry.yank("churn", "1.1.0")

    assert number(publish(240)) == "2.0.0"


def test_where_every_release_was_yanked_the_highest_counts(registry: RegistrySimulator, publish: Publish) -> None:
    publish(120, channels=("production",))
    registry.yank("churn", "1.0.0")

    assert number(publish(120)) == "1.0.1"
    registry.yank("churn", "1.0.1")
    assert number(publish(60)) == "2.0.0"


@pytest.mark.parametrize(("maximum", "following"), [(120, "1.3.1"), (240, "2.0.0")])
def test_a_number_that_only_a_tombstone_holds_is_never_continued(
    registry: RegistrySimulator, publish: Publish, maximum: int, following: str
) -> None:
    publish(120, "1.3.0")
    publish(240)
    registry.yank("churn", "1.4.0")
    del registry.memory.objects[layout.manifest_key("churn", "1.4.0")]

    assert number(publish(maximum)) == following


def test_where_every_manifest_was_deleted_the_next_major_is_safe(registry: RegistrySimulator, publish: Publish) -> None:
    publish(120, "1.3.0")
    registry.yank("churn", "1.3.0")
    del registry.memory.objects[layout.manifest_key("churn", "1.3.0")]

    done = publish(120)

    assert number(done) == "2.0.0"
    assert done.why == "1.3.0 has a tombstone and no manifest any more, so that its contract counts as another one"


def test_a_tombstone_that_nobody_signed_is_no_proof(registry: RegistrySimulator, publish: Publish) -> None:
    publish(120)
    registry.memory.objects[layout.tombstone_key("churn", "1.0.0")] = b"{}"

    assert refusal(lambda: publish(60))[:2] == (Rejected, "malformed")


def test_a_number_too_long_to_be_one_is_never_made(publish: Publish) -> None:
    publish(120, f"{'9' * 60}.0.0")

    assert refusal(lambda: publish(60))[0] is InvalidInput


# --- prereleases ---


@pytest.mark.parametrize(("maximum", "following"), [(120, "1.0.1"), (240, "1.1.0"), (60, "2.0.0"), (40, "2.0.0")])
def test_a_served_prerelease_binds_nobody(publish: Publish, maximum: int, following: str) -> None:
    publish(120, channels=("production",))
    publish(60, "2.0.0-rc.1", channels=("canary",))

    assert number(publish(maximum)) == following


def test_the_first_release_after_prereleases_is_the_one_that_they_announced(publish: Publish) -> None:
    publish(120, "2.0.0-rc.1", channels=("canary",))
    publish(60, "2.0.0-rc.2")

    done = publish(240)

    assert (number(done), done.why) == ("2.0.0", "the release that 2.0.0-rc.2 announced")


def test_a_prerelease_has_to_announce_a_right_number(publish: Publish) -> None:
    publish(120)

    assert "publish it as 2.0.0, which" in refused(lambda: publish(60, "1.1.0-rc.1"))
    assert number(publish(60, "2.0.0-rc.1")) == "2.0.0-rc.1"
    assert number(publish(40, "2.0.0-rc.2")) == "2.0.0-rc.2"
    assert number(publish(240, "1.1.0-rc.1")) == "1.1.0-rc.1"
