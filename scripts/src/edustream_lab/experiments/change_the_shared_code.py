"""Change the shared code: training and serving at once, for good and for ill; across a registry, release by release."""

from __future__ import annotations

import time
from typing import Any, Final

from edustream_lab.company import Company
from edustream_lab.experiment import Experiment
from edustream_lab.load import Load
from edustream_lab.monorepo import SHARED_CODE, Monorepo, MonorepoApi, changed_lines
from edustream_lab.processes import RUN_BUDGET_S
from edustream_lab.teller import Teller

PUBLISHING: Final = "Publishing"
"""What the data scientist's command prints when nothing is left but to publish."""
RATIO: Final = "charges_per_month_of_tenure"


def tell(company: Company, teller: Teller) -> None:
    """Tell it in a company whose registry holds churn@1.0.0."""
    row = company.example_row()
    _in_the_monorepo(company, teller, row)
    _across_the_registry(company, teller, row)


def _in_the_monorepo(company: Company, teller: Teller, row: dict[str, Any]) -> None:
    teller.step("monorepo")
    monorepo = Monorepo.write(company)
    monorepo.train()
    api = monorepo.start_api()
    api.wait()
    before = api.probability(row)
    teller.fact("monorepo-works", 0 < before < 1, before, probability=before)
    api.program.stop()

    teller.step("monorepo-change")
    lines = monorepo.edit(SHARED_CODE, "clip(lower=1)", "clip(lower=12)")
    model = monorepo.model.read_bytes()
    api = monorepo.start_api()
    api.wait()
    skewed = api.probability(row)
    teller.fact("one-line-for-both", lines == 1, lines)
    teller.fact("skew", skewed != before and monorepo.model.read_bytes() == model, skewed, before=before, after=skewed)
    teller.fact("no-warning", "Warning" not in api.program.output, api.program.output)

    teller.step("monorepo-retrain")
    trained = monorepo.train()
    trained_at = time.monotonic()
    teller.shows(trained.output)
    teller.fact("same-answer-until-restart", api.probability(row) == skewed)
    stopped_at = time.monotonic()
    api, load = _restarted(monorepo, api, row)
    answered_at = time.monotonic()
    seconds = answered_at - trained_at
    after = api.probability(row)
    teller.fact("consistent-again", after != skewed, after, probability=after)
    teller.fact("restart-fails-requests", load.failed > 0, load.statuses, failed=load.failed, seconds=seconds)
    api.program.stop()
    teller.measured("shared_code_lines", lines)
    teller.measured("shared_code_skew", abs(skewed - before))
    teller.measured("training_to_serving_monorepo_s", seconds)
    teller.measured("restart_monorepo_s", answered_at - stopped_at)
    teller.measured("new_model_requests_failed_monorepo", load.failed)


def _across_the_registry(company: Company, teller: Teller, row: dict[str, Any]) -> None:
    teller.step("multirepo")
    pinned = company.serving(cache="cache-pinned", model="churn@1.0.0")
    following = company.serving(cache="cache-following")
    before = pinned.predict(row).json()["probability"]
    teller.fact("both-answer-alike", following.predict(row).json()["probability"] == before, probability=before)

    teller.step("multirepo-change")
    old = company.quick_config(1).read_text()
    config = company.quick_config(1, _divide_by_a_year)
    lines = changed_lines(old, config.read_text())
    with Load(following.url, row) as load:
        training = company.start_training("--config", str(config))
        training.wait_for(lambda: PUBLISHING in training.output, "publishing", RUN_BUDGET_S)
        trained_at = time.monotonic()
        following.wait_until(lambda: following.version() == "1.0.1", "swapped to 1.0.1")
        seconds = time.monotonic() - trained_at
        done = training.finish()
        teller.shows("\n".join(done.output.splitlines()[-10:]))
        teller.fact("released", done.returncode == 0 and "1.0.1" in done.output, done, lines=lines)
        served = load.versions["1.0.1"]
        following.wait_until(lambda: load.versions["1.0.1"] > served, "answering from 1.0.1")
    after = following.predict(row).json()["probability"]
    teller.fact("new-preprocessing", after != before, after, probability=after)
    again = pinned.predict(row).json()["probability"]
    teller.fact("old-keeps-its-own", again == before and pinned.version() == "1.0.0", again, probability=again)
    teller.fact("no-request-failed", load.failed == 0, load.statuses, requests=load.statuses[200], seconds=seconds)
    teller.measured("configuration_lines", lines)
    teller.measured("training_to_serving_multirepo_s", seconds)
    teller.measured("new_model_requests_failed_multirepo", load.failed)

    teller.step("back")
    back = company.registry("rollback", "churn@production", "--reason", "the old preprocessing was better")
    teller.shows(back.output)
    following.wait_until(lambda: following.version() == "1.0.0", "back at 1.0.0")
    answer = following.predict(row).json()["probability"]
    teller.fact("both-go-back", answer == before, answer)
    pinned.stop()
    following.stop()


def _restarted(monorepo: Monorepo, api: MonorepoApi, row: dict[str, Any]) -> tuple[MonorepoApi, Load]:
    """Restart the API while requests keep coming, until it answers; what they met."""
    with Load(api.url, row) as load:
        api.program.stop()
        api = monorepo.start_api(api.port)
        api.wait()
        api.probability(row)
    return api, load


def _divide_by_a_year(config: dict[str, Any]) -> None:
    ratio = next(ratio for ratio in config["features"]["ratios"] if ratio["name"] == RATIO)
    ratio["denominator_at_least"] = 12


EXPERIMENT: Final = Experiment("change-the-shared-code", tell)
