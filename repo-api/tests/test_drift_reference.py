"""From a profile to bins: whatever a row holds lies in one bin of each field, and what is odd is told."""

from __future__ import annotations

import json
from collections import Counter
from sys import getrefcount
from typing import Any

import numpy as np
import pytest
from consumers import ConsumerBench
from drifting import drawn, profile, release
from edustream_contracts.contract import ModelContract, contract_from
from edustream_registry.release_documents import MAX_BYTES, PROFILE

from edustream_api.drift.reference import MAX_BINS, NoReference, ProfileUnusable, Reference, Values, read_reference
from edustream_api.loading import ServedModel


def reference_of(contract: ModelContract, **changes: Any) -> Reference:
    return read_reference(json.dumps(profile(**changes)).encode(), contract)


def counted(reference: Reference, name: str, values: list[Any]) -> dict[str, int]:
    (field,) = (field for field in reference.fields if field.name == name)
    counts = field.bins.count(Counter(values))
    assert counts.sum() == len(values)
    assert len(field.bins.labels) == len(counts) == len(field.counts)
    return {label: count for label, count in zip(field.bins.labels, counts.tolist(), strict=True) if count}


def numeric(edges: list[float], counts: list[int], missing: int = 0) -> dict[str, Any]:
    return {"kind": "numeric", "edges": edges, "counts": counts, "missing": missing}


def categorical(categories: list[Any], counts: list[int], missing: int = 0) -> dict[str, Any]:
    return {"kind": "categorical", "categories": categories, "counts": counts, "missing": missing}


def test_numbers_lie_between_edges_beyond_them_or_are_missing(contract: ModelContract) -> None:
    values = [-1, 0, 9.99, 10, 59.5, 60, 10**9, None, None]
    assert counted(reference_of(contract), "tenure", values) == {
        "below 0": 1,
        "0 to 10": 2,
        "10 to 20": 1,
        "50 to 60": 1,
        "60 or more": 2,
        "missing": 2,
    }


def test_categories_that_the_profile_never_saw_have_a_bin_of_their_own(contract: ModelContract) -> None:
    values = ["One year", "Ten years", "Ten years", "", None]
    assert counted(reference_of(contract), "contract", values) == {'"One year"': 1, "other": 3, "missing": 1}


def test_numbers_and_booleans_may_be_categories(contract: ModelContract) -> None:
    features = {"female": categorical([0, 1], [2000, 4000])}
    assert counted(reference_of(contract, features=features), "female", [1, 1.0, 0, True]) == {"0": 1, "1": 3}


def test_texts_without_listed_categories_are_other_on_both_sides(contract: ModelContract) -> None:
    reference = reference_of(contract, features={"contract": categorical([], [], missing=1000)})
    (field, _) = reference.fields
    assert (field.bins.labels, field.counts.tolist()) == (["other", "missing"], [5000, 1000])


def test_all_fields_of_a_row_and_of_its_answer_are_counted(contract: ModelContract) -> None:
    reference = reference_of(contract)
    assert [(field.name, field.answered) for field in reference.fields] == [
        ("tenure", False),
        ("contract", False),
        ("probability", True),
    ]
    rows = drawn(contract.example(), 200)
    values = Values(reference)
    # Rows of which one lacks a field are counted as all others.
    values.add([*rows[1:], {}], [{"prediction": "No", "probability": 0.2} for _ in rows])
    assert [part.sum() for part in reference.split(values.binned())] == [200, 200, 200]
    assert values.binned()[reference.ends[0] - 1] == 1
    assert reference.without["female"] == reference.without["prediction"] == "The profile does not describe it."


def test_a_prediction_of_categories_is_the_label(contract: ModelContract) -> None:
    reference = reference_of(contract, prediction=categorical(["No", "Yes"], [4000, 2000]))
    assert counted(reference, "prediction", ["Yes", "No", "Yes"]) == {'"No"': 1, '"Yes"': 2}


def test_a_prediction_of_numbers_is_that_of_the_only_number(contract: ModelContract) -> None:
    output = json.loads(json.dumps(contract.document["output"]))
    del output["properties"]["probability"]
    output |= {"required": ["prediction"], "examples": [{"prediction": 3.5}]}
    output["properties"]["prediction"] = {"type": "number", "description": "How many"}
    regression = contract_from({**contract.document, "output": output})
    assert counted(reference_of(regression), "prediction", [0.3]) == {"0.273885 to 0.383433": 1}


def test_many_bins_are_made_fewer_and_lose_no_row(contract: ModelContract) -> None:
    features = {
        "tenure": numeric([float(edge) for edge in range(999)], [1] * 1000, missing=3),
        "contract": categorical([f"kind {number}" for number in range(1000)], [number % 7 for number in range(1000)]),
    }
    reference = reference_of(contract, features=features)
    tenure, kinds, _ = reference.fields
    assert len(tenure.counts) <= MAX_BINS + 1
    assert (tenure.counts.sum(), tenure.counts[0], tenure.counts[-1]) == (1003, 1, 3)
    # One row lies in each bin of the profile, so as many as there are profile bins in each of these.
    values = [-1, *range(999), *[None] * 3]
    assert tenure.bins.count(Counter(values)).tolist() == tenure.counts.tolist()
    assert len(kinds.counts) == MAX_BINS + 2
    assert kinds.counts[:MAX_BINS].tolist() == [6] * MAX_BINS
    assert kinds.counts.sum() == 6000


@pytest.mark.parametrize(
    ("distribution", "why"),
    [
        (numeric([1.0, 2.0], [1, 2]), "has 2 edges and 2 counts"),
        (numeric([2.0, 1.0], [1, 2, 3]), "not finite and ascending"),
        (numeric([1.0, 1.0], [1, 2, 3]), "not finite and ascending"),
        (numeric([1.0], [6000, 1]), "counts 6001 rows; the whole profile has 6000"),
        (numeric([1.0], [0, 0]), "counts no row"),
        (categorical(["a", "b"], [1]), "has 2 categories and 1 counts"),
        (categorical([1, 1.0], [1, 2]), "has a category twice"),
    ],
)
def test_a_field_whose_profile_is_odd_has_no_reference_and_harms_no_other(
    contract: ModelContract, distribution: dict[str, Any], why: str
) -> None:
    features = {**profile()["features"], "female": distribution}
    reference = reference_of(contract, features=features)
    assert why in reference.without["female"]
    assert "tenure" not in reference.without


def test_a_text_has_no_profile_of_numbers(contract: ModelContract) -> None:
    reference = reference_of(contract, features={"contract": numeric([1.0], [3, 3])})
    assert reference.without["contract"] == "Its profile is one of numbers, and the field is none."


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{", "is no JSON"),
        (b'{"profile_format": 2}', "is no valid profile document"),
        (json.dumps(profile(rows=6 * 2**52)).encode(), "rows; at most"),
        (json.dumps(profile(features={}, prediction=numeric([0.5], [1, 0, 0]))).encode(), "describes no field"),
    ],
)
def test_what_is_no_profile_is_told(contract: ModelContract, data: bytes, why: str) -> None:
    with pytest.raises(ProfileUnusable, match=why):
        read_reference(data, contract)


def served(bench: ConsumerBench) -> ServedModel:
    serving = bench.keeper().start().serving
    assert serving is not None
    return serving


def test_a_release_brings_its_reference(bench: ConsumerBench) -> None:
    release(bench, "1.0.0")
    reference = served(bench).reference
    assert isinstance(reference, Reference)
    assert reference.rows == 6000
    assert [np.sum(field.counts) for field in reference.fields] == [6000] * 3


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"no profile", "profile.json is no JSON"),
        (b" " * (MAX_BYTES[PROFILE] + 1), f"profile.json has {MAX_BYTES[PROFILE] + 1} bytes; at most"),
    ],
)
def test_a_release_whose_profile_is_unusable_serves_all_the_same(
    bench: ConsumerBench, document: bytes, why: str
) -> None:
    release(bench, "1.0.0", document)
    reference = served(bench).reference
    assert isinstance(reference, NoReference)
    assert why in reference.reason


def test_a_release_without_a_profile_says_so(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    assert served(bench).reference == NoReference("The release has no profile.json.")


def test_a_damaged_copy_of_a_profile_stops_no_start_in_an_outage(bench: ConsumerBench) -> None:
    release(bench, "1.0.0")
    served(bench)
    (copied,) = (bench.directory / "cache" / "files").rglob(PROFILE)
    copied.write_bytes(b"{}")
    bench.registry.store.cut_off = True
    reference = served(bench).reference
    assert isinstance(reference, NoReference)
    assert PROFILE in reference.reason


def test_rows_that_lack_a_field_are_counted_among_those_that_do_not(contract: ModelContract) -> None:
    reference = reference_of(contract)
    values = Values(reference)
    whole = contract.example()
    for row in (whole, {}, whole):
        values.add([row], [{"prediction": "No", "probability": 0.2}])
    values.add([{}], [{}])
    assert [part.sum() for part in reference.split(values.binned())] == [4, 4, 4]
    assert [int(values.binned()[end - 1]) for end in reference.ends] == [2, 2, 1]


def of_free_texts(contract: ModelContract) -> ModelContract:
    """The same, but that callers may write any text as the contract, and the model any as the prediction."""
    document = json.loads(json.dumps(contract.document))
    for side, name in (("input", "contract"), ("output", "prediction")):
        del document[side]["properties"][name]["enum"]
        document[side]["properties"][name]["type"] = "string"
    return contract_from(document)


@pytest.mark.parametrize(
    "features", [{"tenure": profile()["features"]["tenure"]}, {}], ids=["beside a number", "alone"]
)
def test_of_free_texts_nothing_but_their_counts_is_kept(contract: ModelContract, features: dict[str, Any]) -> None:
    listed = {"contract": categorical(["One year", "Two year"], [4000, 2000])}
    reference = reference_of(
        of_free_texts(contract), features={**features, **listed}, prediction=categorical(["No"], [6000])
    )
    kinds, label = (field for field in reference.fields if field.name in ("contract", "prediction"))
    texts = [f"{number} {'long ' * 1000}" for number in range(200)]
    before = [getrefcount(text) for text in texts]
    values = Values(reference)

    def asked_of(text: str, prediction: str) -> None:
        rows = [{"tenure": 3, "contract": text}, {"tenure": 3, "contract": "One year"}]
        values.add(rows, [{"prediction": prediction}, {"prediction": prediction}])

    for number in range(200):
        asked_of(texts[number], "No" if number < 50 else texts[number])
    values.add([{"tenure": 3, "contract": None}, {"tenure": 3}], [{"prediction": None}, {}])
    assert [getrefcount(text) for text in texts] == before
    counts = dict(zip([field.name for field in reference.fields], reference.split(values.binned()), strict=True))
    asked = Counter([*texts, *["One year"] * 200, None, None])
    answered = Counter([*["No"] * 100, *texts[50:] * 2, None, None])
    assert counts["contract"].tolist() == kinds.bins.count(asked).tolist() == [200, 0, 200, 2]
    assert counts["prediction"].tolist() == label.bins.count(answered).tolist() == [100, 300, 2]


def test_only_free_texts_are_looked_at_one_by_one(contract: ModelContract) -> None:
    assert [field.free_text for field in reference_of(contract).fields] == [False, False, False]
    assert [field.free_text for field in reference_of(of_free_texts(contract)).fields] == [False, True, False]
