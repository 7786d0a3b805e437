from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from edustream_contracts.errors import InvalidInput

from edustream_api.settings import RULES, ConsumerSettings


def test_defaults() -> None:
    settings = ConsumerSettings.from_environ({})
    assert settings == ConsumerSettings()
    assert (settings.model, settings.host, settings.port) == (("churn@production",), "127.0.0.1", 8000)


def test_every_field_has_a_rule() -> None:
    assert set(RULES) == {field.name for field in fields(ConsumerSettings)}


def test_survives_the_environment() -> None:
    settings = ConsumerSettings(
        model=("churn@^2", "fraud@1.0.0"),
        port=0,
        wait=True,
        workers=3,
        poll_interval_s=0.5,
        cache_dir=Path("there"),
        max_rows=7,
    )
    settings = replace(settings, consumer="api", sends=("tenure", "partner"), reads=("probability",))
    settings = replace(settings, shadow=("churn@candidate",), split=("churn@next=5", "fraud@^2=0.5"), shadow_sample=1.0)
    assert ConsumerSettings.from_environ(settings.to_environ()) == settings
    assert ConsumerSettings.from_environ({"EDUSTREAM_SENDS": " tenure , partner,"}).sends == ("tenure", "partner")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "65536"),
        ("PORT", ""),
        ("WAIT", "perhaps"),
        ("WORKERS", "0"),
        ("POLL_INTERVAL_S", "nan"),
        ("POLL_INTERVAL_S", "0"),
        ("STALENESS_BUDGET_S", "-1"),
        ("MODEL", " "),
        ("CACHE_DIR", ""),
        ("CONSUMER", "No Name"),
        ("NEEDS_LIFETIME_S", "59"),
        ("SHADOW_SAMPLE", "0"),
        ("SHADOW_SAMPLE", "1.1"),
        ("SPLIT_KEY", "x split key"),
    ],
)
def test_names_the_variable_the_value_and_what_is_expected(name: str, value: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ConsumerSettings.from_environ({f"EDUSTREAM_{name}": value})
    (problem,) = caught.value.problems
    assert problem.pointer == f"EDUSTREAM_{name}"
    assert repr(value) in problem.message
    assert "expected" in problem.message


def test_names_all_mistakes_at_once() -> None:
    with pytest.raises(InvalidInput, match="3 settings are wrong"):
        ConsumerSettings.from_environ({"EDUSTREAM_PORT": "x", "EDUSTREAM_WAIT": "x", "EDUSTREAM_WORKERS": "x"})


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"EDUSTREAM_DRIFT_WINDOW": "1000", "EDUSTREAM_DRIFT_MIN_ROWS": "901"}, "EDUSTREAM_DRIFT_MIN_ROWS"),
        (
            {"EDUSTREAM_WORKERS": "64", "EDUSTREAM_DRIFT_WINDOW": "2000", "EDUSTREAM_DRIFT_MIN_ROWS": "1999"},
            "EDUSTREAM_DRIFT_MIN_ROWS",
        ),
        ({"EDUSTREAM_DRIFT_PSI_MINOR": "0.5"}, "EDUSTREAM_DRIFT_PSI_MINOR"),
    ],
)
def test_names_settings_that_contradict_each_other(environ: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ConsumerSettings.from_environ(environ)
    assert [problem.pointer for problem in caught.value.problems] == [named]


def test_as_many_rows_may_be_asked_for_as_the_window_of_all_workers_is_sure_to_hold() -> None:
    environ = {"EDUSTREAM_WORKERS": "64", "EDUSTREAM_DRIFT_WINDOW": "2000", "EDUSTREAM_DRIFT_MIN_ROWS": "1998"}
    assert ConsumerSettings.from_environ(environ).drift_min_rows == 1998
    with pytest.raises(InvalidInput, match=r"is 1999; expected: at most 1998, which .* of 64 workers .* is 2000"):
        ConsumerSettings.from_environ({**environ, "EDUSTREAM_DRIFT_MIN_ROWS": "1999"})
