from __future__ import annotations

import re

import pytest
import semver
from hypothesis import given
from hypothesis import strategies as st

from edustream_contracts.errors import InvalidInput
from edustream_registry.names import (
    MAX_FILE_NAME,
    MAX_VERSION,
    Reference,
    VersionRange,
    channel_of,
    exact_release,
    file_name,
    is_version,
    model_name,
    parse_version,
)

MODELS = st.from_regex(r"[a-z][a-z0-9-]{0,62}", fullmatch=True)
CORES = st.tuples(*[st.integers(0, 10**9)] * 3).map(lambda parts: ".".join(map(str, parts)))
VERSIONS = CORES | st.tuples(CORES, st.integers(0, 99)).map(lambda pair: f"{pair[0]}-rc.{pair[1]}")
RANGES = st.tuples(
    st.sampled_from("^~"), st.lists(st.integers(0, 10**6), min_size=1, max_size=3).map(lambda n: ".".join(map(str, n)))
).map("".join)
HOSTILE = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "a\\b",
    "/a",
    "a\0b",
    "a\n",
    "a b",
    "é",
    "\uff41",
    "a\u202eb",
    "%2e%2e",
    "a" * 200,
    "-a",
]


@pytest.mark.parametrize("name", [*HOSTILE, "A", "1a", "a.b", "a_b", "a" * 64])
def test_hostile_model_names_are_refused_with_the_name(name: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(repr(name))) as caught:
        model_name(name)

    assert caught.value.kind == "argument"


@pytest.mark.parametrize("name", [*HOSTILE, ".hidden", "a..b", "a.", "a/../b", "C:x", "a" * (MAX_FILE_NAME + 1)])
def test_hostile_file_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="is no name for a file"):
        file_name(name)


@pytest.mark.parametrize("name", ["model.onnx", "model_card.md", "a", "A-1.tar.gz", "x" * MAX_FILE_NAME])
def test_plain_file_names(name: str) -> None:
    assert file_name(name) == name


@given(st.text(max_size=20))
def test_no_accepted_file_name_leads_out_of_its_folder(name: str) -> None:
    try:
        accepted = file_name(name)
    except InvalidInput:
        return
    assert re.fullmatch(r"[A-Za-z0-9._-]+", accepted)
    assert accepted not in {".", ".."}
    assert ".." not in accepted


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "1.2",
        "v1.2.3",
        "1.2.3\n",
        " 1.2.3",
        "01.2.3",
        "1.2.3.4",
        "1.2.x",
        "",
        "1.٢.3",
        "1.2.3-",
        "1.2.3-01",
        "../1",
    ],
)
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no semantic version"):
        parse_version(text)
    assert not is_version(text)


def test_build_metadata_is_refused() -> None:
    with pytest.raises(InvalidInput, match="carries build metadata"):
        parse_version("1.2.3+linux")


def test_a_version_longer_than_the_schema_allows_is_refused() -> None:
    with pytest.raises(InvalidInput, match=f"more than {MAX_VERSION} characters"):
        parse_version("1.0.0-" + "a" * MAX_VERSION)


@given(VERSIONS)
def test_versions_round_trip(text: str) -> None:
    assert str(parse_version(text)) == text
    assert is_version(text)


@pytest.mark.parametrize(
    ("text", "low", "above"),
    [
        # The tables of npm's semver: caret and tilde ranges.
        ("^1.2.3", "1.2.3", "2.0.0"),
        ("^0.2.3", "0.2.3", "0.3.0"),
        ("^0.0.3", "0.0.3", "0.0.4"),
        ("^1.2", "1.2.0", "2.0.0"),
        ("^0.1", "0.1.0", "0.2.0"),
        ("^0.0", "0.0.0", "0.1.0"),
        ("^1", "1.0.0", "2.0.0"),
        ("^0", "0.0.0", "1.0.0"),
        ("~1.2.3", "1.2.3", "1.3.0"),
        ("~1.2", "1.2.0", "1.3.0"),
        ("~1", "1.0.0", "2.0.0"),
        ("~0.2.3", "0.2.3", "0.3.0"),
        ("~0", "0.0.0", "1.0.0"),
    ],
)
def test_ranges_mean_what_npm_means(text: str, low: str, above: str) -> None:
    wanted = VersionRange(text)

    assert tuple(map(str, wanted.bounds)) == (low, above)
    assert wanted.admits(parse_version(low))
    assert not wanted.admits(parse_version(above))
    assert not wanted.admits(parse_version(f"{above}-rc.1"))


def test_order_is_of_numbers_not_of_letters() -> None:
    assert VersionRange("^1.9.0").admits(parse_version("1.10.0"))
    assert not VersionRange("^1.10.0").admits(parse_version("1.9.0"))


@given(RANGES, VERSIONS)
def test_a_range_admits_exactly_the_plain_versions_between_its_bounds(text: str, version: str) -> None:
    wanted = VersionRange(text)
    parsed: semver.Version = parse_version(version)
    low, above = wanted.bounds

    assert wanted.admits(parsed) == (low <= parsed < above and not parsed.prerelease)


@pytest.mark.parametrize(
    "text", ["2", ">=2", "^", "^x", "^2.x", "^2\n", "^٢", "^02", "^2.1.0-rc.1", "^2.1.0.0", "~-1", "^" + "9" * 5000]
)
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no version range") as caught:
        VersionRange(text)

    assert caught.value.kind == "reference"


@given(MODELS, MODELS | VERSIONS | RANGES)
def test_references_round_trip(model: str, wanted: str) -> None:
    reference = Reference.parse(f"{model}@{wanted}")

    assert str(reference) == f"{model}@{wanted}"
    assert reference.model == model
    assert [reference.channel, reference.version, reference.versions].count(None) == 2


@pytest.mark.parametrize("text", ["", "churn", "churn@", "@", "@production"])
def test_an_incomplete_reference_is_answered_with_examples(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"write .*@production|is no name"):
        Reference.parse(text)


@pytest.mark.parametrize("text", ["a@b@c", "churn@../x", "../x@production", "churn@PROD", "churn@²", "churn@ 1.0.0"])
def test_hostile_references(text: str) -> None:
    with pytest.raises(InvalidInput):
        Reference.parse(text)


def test_exact_releases_and_channels_are_told_apart() -> None:
    assert exact_release("churn@2.1.0") == ("churn", "2.1.0")
    assert channel_of("churn@production") == ("churn", "production")
    with pytest.raises(InvalidInput, match=r"names no exact version.\nNext: write it like churn@2.1.0"):
        exact_release("churn@production")
    with pytest.raises(InvalidInput, match="names no channel"):
        channel_of("churn@^2")
