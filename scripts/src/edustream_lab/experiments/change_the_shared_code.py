"""Change the shared code: training and serving at once, for good and for ill; across a registry, release by release."""

from __future__ import annotations

import json
import time
from math import isclose
from typing import Any, Final

from edustream_lab.company import CONSUMER_BUDGET_S, POLL_INTERVAL_S, Company
from edustream_lab.experiment import Experiment
from edustream_lab.load import Load
from edustream_lab.monorepo import FITTED, SHARED_CODE, Monorepo, changed_lines
from edustream_lab.processes import RUN_BUDGET_S, ProgramFailed
from edustream_lab.teller import Teller

PROVING: Final = ("Evaluating", "Exporting", "Holding", "Writing", "Replaying")
"""How the stages are announced that follow the fitting and precede `PUBLISHING`."""
PUBLISHING: Final = "Publishing"
TRAINED_ON: Final = "trained_on.py"
RATIO: Final = "charges_per_month_of_tenure"
CHANGED: Final = "charges_per_month"
"""The number that the shared code computes otherwise after the change."""


def tell(company: Company, teller: Teller) -> None:
    """Tell it in a company whose registry holds churn@1.0.0."""
    row = company.example_row()
    monorepo_s = _in_the_monorepo(company, teller, row)
    _across_the_registry(company, teller, row, monorepo_s)


def _in_the_monorepo(company: Company, teller: Teller, row: dict[str, Any]) -> float:
    """How many seconds it takes there from the end of fitting to the first answer."""
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
    unlike = _unlike_in_training(monorepo)
    teller.fact("one-line-for-both", lines == 1, lines, shared_code_lines=lines)
    teller.measured("shared_code_lines", lines)
    teller.fact(
        "skew",
        skewed != before and unlike == [CHANGED] and monorepo.model.read_bytes() == model,
        {"answer": skewed, "unlike in training": unlike},
        before=before,
        after=skewed,
        shared_code_skew=abs(skewed - before),
    )
    teller.measured("shared_code_skew", abs(skewed - before))
    warned = any(word in api.program.output for word in ("Warning", "Error"))
    teller.fact("no-warning", not warned, api.program.output)

    teller.step("monorepo-retrain")
    with Load(api.url, row) as load:
        training = monorepo.start_training()
        training.wait_for(lambda: FITTED in training.output, FITTED, RUN_BUDGET_S)
        fitted_at = time.monotonic()
        trained = training.finish()
        held = api.probability(row)
        stopped_at = time.monotonic()
        api.program.stop()
        api = monorepo.start_api(api.port)
        api.wait()
        after = api.probability(row)
        answered_at = time.monotonic()
    teller.shows(trained.output)
    teller.fact("same-answer-until-restart", held == skewed and monorepo.model.read_bytes() != model, held)
    unlike = _unlike_in_training(monorepo)
    teller.fact("consistent-again", after != skewed and not unlike, unlike, probability=after)
    seconds = answered_at - fitted_at
    teller.fact("serving-monorepo", trained.returncode == 0, trained, training_to_serving_monorepo_s=seconds)
    teller.measured("training_to_serving_monorepo_s", seconds)
    restart_s = answered_at - stopped_at
    teller.fact("restart-answers-nobody", load.failed > 0, load.statuses, restart_monorepo_s=restart_s)
    teller.measured("restart_monorepo_s", restart_s)
    api.program.stop()
    return seconds


def _across_the_registry(company: Company, teller: Teller, row: dict[str, Any], monorepo_s: float) -> None:
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
        training.wait_for(lambda: PROVING[0] in training.output, "done with fitting", RUN_BUDGET_S)
        fitted_at = time.monotonic()
        training.wait_for(lambda: PUBLISHING in training.output, "publishing", RUN_BUDGET_S)
        proved_at = time.monotonic()
        following.program.wait_for(lambda: load.versions["1.0.1"] > 0, "answering from 1.0.1", CONSUMER_BUDGET_S)
        answered_at = time.monotonic()
        done = training.finish()
    teller.shows("\n".join(done.output.splitlines()[-10:]))
    released = done.returncode == 0 and "churn@1.0.1 is released" in done.output
    teller.fact("released", released and lines == 1, done, configuration_lines=lines)
    teller.measured("configuration_lines", lines)
    answer = following.predict(row).json()
    after = answer["probability"]
    teller.fact("new-preprocessing", after != before and answer["model_version"] == "1.0.1", answer, probability=after)
    again = pinned.predict(row).json()["probability"]
    teller.fact("old-keeps-its-own", again == before and pinned.version() == "1.0.0", again, probability=again)
    seconds, proving_s = answered_at - fitted_at, proved_at - fitted_at
    teller.fact("slower", seconds > monorepo_s, seconds, training_to_serving_multirepo_s=seconds)
    teller.measured("training_to_serving_multirepo_s", seconds)
    announced = [line for line in done.output.splitlines() if any(f"] {stage}" in line for stage in PROVING)]
    teller.fact(
        "where-the-time-goes",
        len(announced) == len(PROVING),
        announced,
        proving_s=proving_s,
        publishing_to_serving_s=seconds - proving_s,
        poll_ms=round(1000 * float(POLL_INTERVAL_S)),
    )
    teller.measured("proving_s", proving_s)
    teller.measured("publishing_to_serving_s", seconds - proving_s)
    failed = round(100 * load.failed / load.statuses.total(), 3)
    teller.fact("no-request-failed", failed == 0, load.statuses, new_model_failed_multirepo_percent=0)
    teller.measured("new_model_failed_multirepo_percent", 0)

    teller.step("back")
    back = company.registry("rollback", "churn@production", "--reason", "the old preprocessing was better")
    teller.shows(back.output)
    following.wait_until(lambda: following.version() == "1.0.0", "back at 1.0.0")
    answer = following.predict(row).json()["probability"]
    teller.fact("both-go-back", answer == before, answer)
    pinned.stop()
    following.stop()


def _unlike_in_training(monorepo: Monorepo) -> list[str]:
    """The numbers of which the model was trained on other values than the shared code computes now."""
    done = monorepo.run_beside_training(TRAINED_ON).finish()
    if done.returncode:
        raise ProgramFailed(f"{TRAINED_ON} ended with {done.returncode}:\n{done.output}")
    means = json.loads(done.output.splitlines()[-1])
    return [name for name, (kept, now) in means.items() if not isclose(kept, now, rel_tol=1e-9)]


def _divide_by_a_year(config: dict[str, Any]) -> None:
    ratio = next(ratio for ratio in config["features"]["ratios"] if ratio["name"] == RATIO)
    ratio["denominator_at_least"] = 12


EXPERIMENT: Final = Experiment("change-the-shared-code", tell)
