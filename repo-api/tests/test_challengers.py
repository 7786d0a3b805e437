from __future__ import annotations

import pytest
from edustream_contracts.errors import InvalidInput
from edustream_registry.names import Reference

from edustream_api.challenger import settings as challengers

ONE = [Reference.parse("churn@production")]
TWO = [*ONE, Reference.parse("housing@^1")]


def test_with_one_model_a_channel_is_enough() -> None:
    assert challengers.shadows(["candidate"], ONE) == {"churn": Reference.parse("churn@candidate")}
    assert challengers.splits(["candidate=0.5"], ONE)["churn"] == (Reference.parse("churn@candidate"), 0.5)


def test_each_of_several_models_has_one() -> None:
    found = challengers.splits(["churn@candidate=5", "housing@2.0.0=20"], TWO)
    assert {model: (str(one.challenger), one.percent) for model, one in found.items()} == {
        "churn": ("churn@candidate", 5.0),
        "housing": ("housing@2.0.0", 20.0),
    }
    assert list(challengers.shadows(["housing@^2"], TWO)) == ["housing"]


@pytest.mark.parametrize(
    ("texts", "fact"),
    [
        (["candidate"], "'candidate' does not say which release is wanted"),
        (["weather@candidate"], "weather is not served; there are: churn, housing"),
        (["churn@production"], "EDUSTREAM_SHADOW has churn@production, which is the champion itself"),
        (["churn@candidate", "churn@^2"], r"churn@candidate and churn@\^2, two challengers of churn"),
    ],
)
def test_what_is_no_challenger_is_named(texts: list[str], fact: str) -> None:
    with pytest.raises(InvalidInput, match=fact):
        challengers.shadows(texts, TWO)


@pytest.mark.parametrize("text", ["candidate", "candidate=0", "candidate=100", "candidate=x", "candidate=nan", "=5"])
def test_what_is_no_share_is_named(text: str) -> None:
    with pytest.raises(InvalidInput, match=f"EDUSTREAM_SPLIT has '{text}', which names no share"):
        challengers.splits([text], ONE)


def test_two_shares_of_one_model_are_refused() -> None:
    with pytest.raises(InvalidInput, match="EDUSTREAM_SPLIT has churn@candidate and churn@next, two challengers"):
        challengers.splits(["candidate=5", "next=5"], ONE)
