"""A number says what its contract does to consumers, whether it was computed or stated."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import refusal

from edustream_contracts.canonical import canonical_json, sha256_hex
from edustream_contracts.compatibility import compare
from edustream_contracts.contract import ModelContract, contract_from
from edustream_contracts.errors import Conflict, GateRefused, InvalidInput, Rejected
from edustream_registry import layout
from edustream_registry.manifest import ReleaseFile
from edustream_registry.publishing import Publication, PublicationStatus
from edustream_registry.testing.simulator import RegistrySimulator, write_release
from edustream_registry.versioning import check_stated

Publish = Callable[..., Publication]
BREAKS = "{} breaks the contract of {}, which only a new major version may"
CHANGES = "{} changes the contract of {}, which a patch may not"
TENURE = "/input/properties/tenure/maximum"


def months(contract: ModelContract, maximum: int, **more: Any) -> ModelContract:
    """The contract with another greatest tenure: the higher it is, the wider is the input."""
    document = copy.deepcopy(json.loads(json.dumps(contract.document)))
    document["input"]["properties"]["tenure"]["maximum"] = maximum
    return contract_from(document | more)


@pytest.fixture
def publish(registry: RegistrySimulator, tmp_path: Path, contract: ModelContract) -> Publish:
    """Publish a new model whose contract admits a tenure of so many months; promote it to the channels named."""
    numbers = itertools.count()

    def release(maximum: int = 120, version: str = "auto", channels: tuple[str, ...] = (), **more: Any) -> Publication:
        directory = tmp_path / f"release-{next(numbers)}"
        written = write_release(directory, months(contract, maximum, **more), directory.name.encode())
        done = registry.publish(written, directory, version)
        for channel in channels:
            registry.promote("churn", done.manifest.version, channel)
        registry.store.calls.clear()
        return done

    return release


def number(publication: Publication) -> str:
    return publication.manifest.version


def refused(call: Callable[[], Any]) -> str:
    """What a refused version is told."""
    category, kind, message = refusal(call)
    assert (category, kind) == (GateRefused, "version"), message
    return message


# --- computed ---


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
    _rename(registry, wrong, "1.1.0")

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
    content = write_release(directory, months(_contract_of(registry, first), 480), b"counted")
    registry.publish(content, directory)
    calls = registry.store.calls

    def count(operation: str, part: str) -> int:
        return sum(done == operation and part in key for done, key in calls)

    assert count("get", "/channels/") == 20 * 3
    assert count("get", "/contract.json") == 2
    assert count("get", "/releases/") == 2
    assert (count("folders", "/channels/"), count("list", "/releases/"), count("list", "/yanked/")) == (1, 1, 1)


def test_the_same_digest_needs_no_contract(registry: RegistrySimulator, publish: Publish) -> None:
    _lose_contract(registry, publish(120, channels=("production",)))

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


# --- stated ---


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
        write_release(directory, months(_contract_of(registry, first), 240), b"counted"), directory, "1.1.0"
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


# --- contracts that cannot be compared ---


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        (None, "The file contract.json of churn is not in the registry"),
        (b"{}", "contract.json of churn@1.0.0 is no valid contract"),
        (b"x" * (1024 * 1024 + 1), "contract.json of churn@1.0.0 has 1048577 bytes; at most 1048576 are allowed"),
    ],
    ids=["missing", "no contract", "oversized"],
)
@pytest.mark.parametrize("version", ["auto", "1.0.1", "1.1.0"])
def test_a_contract_that_cannot_be_read_is_never_taken_for_the_same(
    registry: RegistrySimulator, publish: Publish, data: bytes | None, fact: str, version: str
) -> None:
    released = publish(120, channels=("production",))
    _lose_contract(registry, released) if data is None else _exchange_contract(registry, released, data)

    said = refused(lambda: publish(60, version))

    assert said.startswith("What a new release would do to the consumers of churn@1.0.0")
    assert fact in said
    assert "put its contract right by publishing churn@1.0.0 again, or yank it" in said
    assert registry.reader.versions("churn") == ["1.0.0"]
    assert number(publish(60, "2.0.0")) == "2.0.0"


def test_a_contract_with_a_changed_byte_is_never_taken_for_the_same(
    registry: RegistrySimulator, publish: Publish
) -> None:
    file = publish(120).manifest.content.file("contract.json")
    key = layout.file_key("churn", file.sha256, file.name)
    registry.memory.objects[key] = registry.memory.objects[key].replace(b"120", b"060")

    assert "has 5419 bytes with SHA-256" in refused(lambda: publish(60))


def test_the_contract_of_another_model_is_none(registry: RegistrySimulator, publish: Publish) -> None:
    released = publish(120, model="churn")
    foreign = months(_contract_of(registry, released), 120, model="fraud")
    _exchange_contract(registry, released, json.dumps(foreign.document).encode(), foreign.digest)

    assert "contract.json of churn@1.0.0 is the contract of 'fraud'" in refused(lambda: publish(60))


def test_a_served_release_that_was_deleted_admits_no_verdict(registry: RegistrySimulator, publish: Publish) -> None:
    publish(120, channels=("production",))
    publish(240)
    del registry.memory.objects[layout.manifest_key("churn", "1.0.0")]

    said = refused(lambda: publish(240))

    assert said.startswith("churn@1.0.0 (production) is not in the registry any more, so nothing says which contract")


def test_a_served_release_that_was_exchanged_admits_no_verdict(registry: RegistrySimulator, publish: Publish) -> None:
    first = publish(120, channels=("production",))
    payload = first.manifest.payload() | {"published_by": "somebody else"}
    registry.memory.objects[layout.manifest_key("churn", "1.0.0")] = registry.signer.sign(payload)

    assert "is not the one that was promoted" in refused(lambda: publish(120))


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"contract_digest": "0" * 64}, "holds the contract"),
        ({"model": "fraud"}, "holds a contract.json that is about the model churn"),
        ({"files": ()}, "has no contract.json"),
    ],
)
@pytest.mark.parametrize("version", ["auto", "1.0.0"])
def test_a_release_whose_own_contract_is_another_one_is_refused(
    registry: RegistrySimulator,
    contract: ModelContract,
    tmp_path: Path,
    change: dict[str, Any],
    fact: str,
    version: str,
) -> None:
    """The first one too, which is compared with nothing."""
    content = write_release(tmp_path, contract)
    kept = tuple(file for file in content.files if "files" not in change or file.name != "contract.json")

    category, kind, said = refusal(
        lambda: registry.publish(content.model_copy(update=change | {"files": kept}), tmp_path, version)
    )

    assert (category, kind) == (InvalidInput, "contract")
    assert fact in said
    assert not any(key.startswith("models/") for key in registry.memory.objects)


@pytest.mark.parametrize("change", [{"contract_format": 2}, {"input": {}}], ids=["format", "profile"])
def test_a_first_release_whose_contract_is_outside_the_profile_is_refused(
    registry: RegistrySimulator, contract: ModelContract, tmp_path: Path, change: dict[str, Any]
) -> None:
    content = write_release(tmp_path, contract)
    data = json.dumps(contract.document | change).encode()
    (tmp_path / "contract.json").write_bytes(data)
    files = (
        *(file for file in content.files if file.name != "contract.json"),
        ReleaseFile.of(tmp_path / "contract.json"),
    )
    content = content.model_copy(
        update={"files": files, "contract_digest": sha256_hex(canonical_json(json.loads(data)))}
    )

    assert refusal(lambda: registry.publish(content, tmp_path))[:2] == (InvalidInput, "contract")
    assert not any(key.startswith("models/") for key in registry.memory.objects)


# --- damage ---


def _contract_of(registry: RegistrySimulator, release: Publication) -> ModelContract:
    return contract_from(json.loads(registry.memory.objects[_contract_key(release)]))


def _contract_key(release: Publication) -> str:
    file = release.manifest.content.file("contract.json")
    return layout.file_key("churn", file.sha256, file.name)


def _lose_contract(registry: RegistrySimulator, release: Publication) -> None:
    del registry.memory.objects[_contract_key(release)]


def _exchange_contract(
    registry: RegistrySimulator, release: Publication, data: bytes, digest: str | None = None
) -> None:
    """Let a release have been published with a contract.json of these bytes."""
    payload = release.manifest.payload()
    stated = ReleaseFile(name="contract.json", size=len(data), sha256=sha256_hex(data))
    files = [file for file in payload["content"]["files"] if file["name"] != stated.name]
    payload["content"] |= {"files": [*files, stated.model_dump()]} | ({"contract_digest": digest} if digest else {})
    registry.memory.objects[layout.file_key("churn", stated.sha256, stated.name)] = data
    registry.memory.objects[layout.manifest_key("churn", release.manifest.version)] = registry.signer.sign(payload)
    for channel in registry.reader.channels("churn"):
        registry.promote("churn", release.manifest.version, channel)


def _rename(registry: RegistrySimulator, release: Publication, version: str) -> None:
    """Let a release have been published under another number."""
    payload = release.manifest.payload() | {"version": version}
    del registry.memory.objects[layout.manifest_key("churn", release.manifest.version)]
    registry.memory.objects[layout.manifest_key("churn", version)] = registry.signer.sign(payload)
