"""Who answers whom: stable, monotone, independent of how a row is spelt, and never nobody."""

from __future__ import annotations

import json
from typing import Any

import pytest
from challenged import challenge
from consumers import ConsumerBench
from edustream_contracts.contract import ModelContract, contract_from
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from edustream_api.challenger.split import CHALLENGER, CHAMPION, TO_CHAMPION, Choice, Split, content_key
from edustream_api.keeper import Keeper
from edustream_api.worker_files import WorkerFiles

ALONE = WorkerFiles(None, "split")
KEYS = [f"caller-{number}".encode() for number in range(20_000)]


@pytest.fixture
def keepers(bench: ConsumerBench) -> tuple[Keeper, Keeper]:
    challenge(bench)
    champion, challenger = bench.keeper(), bench.keeper("churn@candidate")
    champion.start()
    challenger.start()
    return champion, challenger


def split_of(keepers: tuple[Keeper, Keeper], percent: float = 5.0) -> Split:
    return Split(*keepers, percent, "X-Split-Key", ALONE)


def scope(**headers: str) -> dict[str, Any]:
    return {"headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]}


def test_the_place_of_a_key_is_the_documented_hash(keepers: tuple[Keeper, Keeper]) -> None:
    split = split_of(keepers)
    for key in KEYS[:100]:
        place = xxh3_64_intdigest(key, seed=xxh3_64_intdigest(b"churn@candidate"))
        assert split.meets_challenger(key) == (place / 2**64 < 0.05)


@pytest.mark.parametrize("percent", [0.5, 5.0, 50.0, 95.0])
def test_the_share_is_the_one_that_is_set(keepers: tuple[Keeper, Keeper], percent: float) -> None:
    met = sum(map(split_of(keepers, percent).meets_challenger, KEYS))
    deviation = (len(KEYS) * percent / 100 * (1 - percent / 100)) ** 0.5
    assert abs(met - len(KEYS) * percent / 100) < 4 * deviation


def test_a_higher_percentage_moves_callers_only_to_the_challenger(keepers: tuple[Keeper, Keeper]) -> None:
    before: set[bytes] = set()
    for percent in (1.0, 5.0, 5.1, 30.0, 99.0):
        after = set(filter(split_of(keepers, percent).meets_challenger, KEYS))
        assert before < after
        before = after


def test_another_channel_draws_other_callers(bench: ConsumerBench, keepers: tuple[Keeper, Keeper]) -> None:
    first = set(filter(split_of(keepers, 50.0).meets_challenger, KEYS))
    other = Split(keepers[0], bench.keeper("churn@next"), 50.0, "x-split-key", ALONE)
    both = sum(map(other.meets_challenger, first)) / len(first)
    assert both == pytest.approx(0.5, abs=0.03)


def test_the_key_is_the_header_then_the_api_key_then_the_row(keepers: tuple[Keeper, Keeper]) -> None:
    split = split_of(keepers)
    admitted = {"state": {"api_key": "shop"}}
    assert split.key({**scope(x_split_key="anna"), **admitted}, b"{}") == b"anna"
    assert split.key({**scope(), **admitted}, b"{}") == b"shop"
    assert split.key(scope(), b'{"b": 1, "a": "x"}') == b'{"a":"x","b":1}'


JSON_VALUES = st.one_of(st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.floats(-1e6, 1e6), st.text())


@given(st.dictionaries(st.text(), JSON_VALUES, min_size=1), st.randoms())
def test_a_row_has_one_key_however_it_is_spelt(row: dict[str, Any], random: Any) -> None:
    names = list(row)
    random.shuffle(names)
    spelt = {name: float(row[name]) if type(row[name]) is int else row[name] for name in names}
    expected = content_key(json.dumps(row).encode())
    assert content_key(json.dumps(spelt, indent=2, ensure_ascii=False).encode()) == expected
    assert content_key(json.dumps({"rows": [spelt, {}]}).encode()) == expected


@pytest.mark.parametrize(
    "body", [b"", b"no json", b"[1]", b"3", b'{"rows": []}', b'{"rows": 3}', b'{"a": 1e300}', b'{"a": 123456789e20}']
)
def test_any_body_has_a_key(body: bytes) -> None:
    assert isinstance(content_key(body), bytes)


def met(split: Split) -> bytes:
    return next(filter(split.meets_challenger, KEYS))


def test_a_challenger_that_is_yanked_loses_its_callers_and_wins_them_back(
    bench: ConsumerBench, keepers: tuple[Keeper, Keeper]
) -> None:
    split = split_of(keepers)
    key = met(split)
    assert split.choose(key).side == CHALLENGER
    bench.registry.yank("churn", "1.1.0")
    keepers[1].poll()
    assert split.choose(key) == Choice(CHAMPION, None, "NO_RELEASE")
    bench.release("1.1.1", promote=False)
    bench.registry.promote("churn", "1.1.1", "candidate")
    keepers[1].poll()
    assert split.choose(key).side == CHALLENGER


def test_nobody_answers_in_the_place_of_a_champion_that_is_not_served(
    bench: ConsumerBench, keepers: tuple[Keeper, Keeper]
) -> None:
    split = split_of(keepers)
    bench.registry.yank("churn", "1.0.0")
    keepers[0].poll()
    assert split.choose(met(split)) == TO_CHAMPION


@pytest.fixture
def narrow(bench: ConsumerBench) -> ModelContract:
    """A contract that breaks the champion's."""
    document = json.loads(json.dumps(bench.contract.document))
    document["input"]["properties"]["tenure"]["maximum"] = 119
    return contract_from(document)


def test_a_challenger_whose_contract_breaks_the_champions_answers_nobody(
    bench: ConsumerBench, narrow: ModelContract
) -> None:
    bench.release("1.0.0")
    golden = bench.golden(-0.05)[:2]
    bench.release("2.0.0", contract=narrow, golden=golden, promote=False)
    bench.registry.promote("churn", "2.0.0", "candidate")
    champion = bench.keeper()
    challenger = bench.keeper("churn@candidate", pin=narrow)
    champion.start()
    challenger.start()
    assert challenger.snapshot.serving is not None
    split = split_of((champion, challenger))
    assert [split.choose(met(split)) for _ in range(2)] == [Choice(CHAMPION, None, "contract")] * 2


def test_whether_a_contract_fits_is_looked_up_of_each_challenger_and_each_champion(
    bench: ConsumerBench, narrow: ModelContract
) -> None:
    bench.release("1.0.0")
    bench.release("1.1.0", promote=False)
    bench.release("2.0.0", contract=narrow, golden=bench.golden(-0.05)[:2], promote=False)
    bench.registry.promote("churn", "1.1.0", "candidate")
    champion, challenger = bench.keeper(pin=narrow), bench.keeper("churn@candidate", pin=narrow)
    champion.start()
    challenger.start()
    split = split_of((champion, challenger))
    assert split.choose(met(split)).side == CHALLENGER
    for keeper, version, channel, side in (
        (challenger, "2.0.0", "candidate", CHAMPION),
        (champion, "2.0.0", "production", CHALLENGER),
        (champion, "1.0.0", "production", CHAMPION),
        (challenger, "1.1.0", "candidate", CHALLENGER),
    ):
        bench.registry.promote("churn", version, channel)
        keeper.poll()
        assert split.choose(met(split)).side == side


def test_what_workers_counted_is_added_up(keepers: tuple[Keeper, Keeper], tmp_path: Any) -> None:
    split = Split(*keepers, 5.0, "x-split-key", WorkerFiles(tmp_path, "split.churn"))
    split.answered(CHAMPION, 200)
    split.fell_back("contract")
    split.show()
    (shown,) = tmp_path.glob("*.json")
    shown.rename(tmp_path / "split.churn.1.json")
    split.answered(CHAMPION, 422)
    counts = split.counts()
    assert counts.answered == {(CHAMPION, 200): 2, (CHAMPION, 422): 1, (CHALLENGER, 200): 0}
    assert counts.fallbacks == {"contract": 2}
    assert len(split.pollers()) == 1


def test_what_is_nested_more_deeply_than_is_written_has_its_bytes_for_a_key() -> None:
    body = b'{"tenure": ' + b"[" * 300 + b"]" * 300 + b"}"
    assert content_key(body) == body


def test_what_an_inference_request_is_called_moves_it_to_no_other_side() -> None:
    inputs = [{"name": "numeric", "shape": [1, 1], "datatype": "FP32", "data": [1]}]
    key = content_key(json.dumps({"inputs": inputs}).encode())
    for other in ({"id": "7"}, {"parameters": {"a": 1}}, {"outputs": [{"name": "label"}]}):
        assert content_key(json.dumps({**other, "inputs": inputs}).encode()) == key
    changed = [{**inputs[0], "data": [2]}]
    assert content_key(json.dumps({"inputs": changed}).encode()) != key
