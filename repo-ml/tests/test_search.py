from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import REPOSITORY, small_csv, small_document, write_project

from edustream_contracts.errors import InvalidInput
from edustream_contracts.exit_codes import USAGE
from edustream_ml import release
from edustream_ml.cli import main, parse_arguments
from edustream_ml.configuration import TrainingPlan, load_plan
from edustream_ml.dataset import load_dataset
from edustream_ml.progress import ProgressReport
from edustream_ml.release import write_release
from edustream_ml.search import tuning
from edustream_ml.search.draws import draw
from edustream_ml.search.settings import Search
from edustream_ml.search.state import Trial
from edustream_ml.search.tuning import Searched, search
from edustream_ml.selection import cross_validate, split
from edustream_ml.workflow import train

LOGISTIC = {"candidate": {"estimator": "logistic_regression"}, "vary": {"C": {"low": 0.001, "high": 10.0, "log": True}}}
BOOSTING = {
    "candidate": {"estimator": "histogram_gradient_boosting", "max_iter": 3},
    "vary": {"max_depth": {"low": 1, "high": 4}, "max_features": {"choices": [0.3, 1.0]}},
}
SECTION: dict[str, Any] = {"budget_s": 100.0, "trials": 6, "spaces": [LOGISTIC, BOOSTING]}


@pytest.fixture
def plan(tmp_path: Path) -> TrainingPlan:
    return load_plan(write_project(tmp_path, {**small_document(), "search": SECTION}))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The hyper-parameters of every trial that is really measured; its value is a function of them alone."""
    found: list[dict[str, Any]] = []

    def folds(training: object, plan: TrainingPlan, candidate: Any) -> list[dict[str, float]]:
        found.append(candidate.hyper_parameters)
        value = candidate.C / 10 if hasattr(candidate, "C") else candidate.max_features / candidate.max_depth
        return [{plan.task.selection_metric: value}] * plan.configuration.cross_validation.repeats

    monkeypatch.setattr(tuning, "cross_validate", folds)
    return found


def ticking(seconds: float) -> Callable[[], float]:
    """A clock by which each trial takes so many seconds: it is read when a trial begins and when it ends."""
    now = [0.0]

    def clock() -> float:
        now[0] += seconds
        return now[0]

    return clock


def searched(plan: TrainingPlan, report: ProgressReport, directory: Path | None = None, **arguments: Any) -> Searched:
    settings = plan.configuration.search
    assert settings
    training = split(load_dataset(plan), plan).training
    arguments = {"clock": ticking(1.0), **arguments}
    return search(training, plan, settings, report, directory, **arguments)


def with_search(plan: TrainingPlan, **changes: Any) -> TrainingPlan:
    section = Search.model_validate({**SECTION, **changes})
    return replace(plan, configuration=plan.configuration.model_copy(update={"search": section}))


def parameters(result: Searched) -> list[Any]:
    return [trial.parameters for trial in result.trials]


def test_the_spaces_take_turns_and_the_best_of_each_competes(
    plan: TrainingPlan, report: ProgressReport, measured: list[dict[str, Any]]
) -> None:
    result = searched(plan, report)
    assert [trial.space for trial in result.trials] == [0, 1, 0, 1, 0, 1]
    assert [winner.label for winner in result.winners] == [
        "logistic_regression (searched)",
        "histogram_gradient_boosting (searched)",
    ]
    logistic: list[Any] = [trial.parameters["C"] for trial in result.trials if trial.space == 0]
    assert result.winners[0].hyper_parameters["C"] == max(logistic)
    assert result.winners[1].hyper_parameters["max_iter"] == 3
    assert result.document()["trials"] == 6
    assert result.document()["best"][0]["trials"] == 3


def test_the_seed_decides_the_trials_and_their_order(
    plan: TrainingPlan, report: ProgressReport, measured: list[dict[str, Any]]
) -> None:
    first, again = searched(plan, report), searched(plan, report)
    assert parameters(first) == parameters(again)
    other = replace(plan, configuration=plan.configuration.model_copy(update={"seed": 7}))
    assert parameters(searched(other, report)) != parameters(first)


def test_a_search_that_was_killed_goes_on_as_if_it_had_not_been(
    plan: TrainingPlan,
    report: ProgressReport,
    measured: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = searched(plan, report)
    measured.clear()
    folds = vars(tuning)["cross_validate"]

    def interrupted(*arguments: Any) -> Any:
        if len(measured) == 4:
            raise KeyboardInterrupt
        return folds(*arguments)

    monkeypatch.setattr(tuning, "cross_validate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        searched(plan, report, tmp_path)
    monkeypatch.setattr(tuning, "cross_validate", folds)
    (state,) = tmp_path.glob("churn-*.jsonl")
    with state.open("a") as file:
        file.write('{"search_format": 1, "numb')
    resumed = searched(plan, report, tmp_path)
    assert len(measured) == 6
    assert parameters(resumed) == parameters(whole)
    assert resumed.winners == whole.winners
    assert parameters(searched(plan, report, tmp_path)) == parameters(whole)
    assert len(measured) == 6


def test_the_budget_ends_the_search_and_a_larger_one_goes_on(
    plan: TrainingPlan, report: ProgressReport, measured: list[dict[str, Any]], tmp_path: Path
) -> None:
    small = searched(with_search(plan, budget_s=2.5), report, tmp_path)
    assert len(small.trials) == 3
    again = searched(with_search(plan, budget_s=2.5), report, tmp_path)
    assert again.trials == small.trials
    larger = searched(with_search(plan, budget_s=4.5), report, tmp_path)
    assert larger.trials[:3] == small.trials
    assert len(larger.trials) == len(measured) == 5


def test_a_stated_number_of_trials_does_a_search_again_whatever_the_budget(
    plan: TrainingPlan, report: ProgressReport, measured: list[dict[str, Any]], tmp_path: Path
) -> None:
    whole = searched(plan, report, tmp_path)
    short = searched(with_search(plan, budget_s=0.1), report, trials=4)
    assert parameters(short) == parameters(whole)[:4]
    assert searched(plan, report, tmp_path, trials=4).trials == whole.trials[:4]


def test_other_data_or_ranges_never_go_on_with_a_state(
    plan: TrainingPlan, report: ProgressReport, measured: list[dict[str, Any]], tmp_path: Path
) -> None:
    searched(plan, report, tmp_path)
    searched(with_search(plan, spaces=[LOGISTIC]), report, tmp_path)
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    assert len(measured) == 12


def test_other_code_or_libraries_never_go_on_with_a_state(
    plan: TrainingPlan,
    report: ProgressReport,
    measured: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    states = tmp_path / "states"
    searched(plan, report, states)
    monkeypatch.setattr(tuning, "version", lambda library: "0.1")
    searched(plan, report, states)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "features.py").write_text("ANOTHER = True")
    monkeypatch.setattr(tuning, "CODE", tmp_path / "code")
    searched(plan, report, states)
    assert len(list(states.glob("*.jsonl"))) == 3
    assert len(measured) == 18


def test_a_damaged_state_is_named(
    plan: TrainingPlan, report: ProgressReport, measured: list[dict[str, Any]], tmp_path: Path
) -> None:
    searched(plan, report, tmp_path)
    (state,) = tmp_path.glob("*.jsonl")
    lines = state.read_text().splitlines(keepends=True)
    state.write_text("".join([lines[0], "no JSON\n", *lines[2:]]))
    with pytest.raises(InvalidInput, match=r"is damaged in line 2"):
        searched(plan, report, tmp_path)
    state.write_bytes(lines[0].encode() + b"\xff\n")
    with pytest.raises(InvalidInput, match=r"is damaged in line 2"):
        searched(plan, report, tmp_path)
    state.write_text("".join(lines[1:]))
    with pytest.raises(InvalidInput, match=r"is damaged in line 1"):
        searched(plan, report, tmp_path)


def test_every_trial_is_in_the_state_when_the_next_one_begins(
    plan: TrainingPlan, report: ProgressReport, measured: list[dict[str, Any]], tmp_path: Path
) -> None:
    result = searched(plan, report, tmp_path)
    (state,) = tmp_path.glob("*.jsonl")
    lines = [json.loads(line) for line in state.read_text().splitlines()]
    assert [line["number"] for line in lines] == [trial.number for trial in result.trials]
    assert lines[0]["parameters"] == result.trials[0].parameters


def test_the_draws_learn_from_the_trials_before_them() -> None:
    space = Search.model_validate({**SECTION, "spaces": [LOGISTIC]}).spaces[0]
    uniform = [draw(space, [], 1, number)["C"] for number in range(40)]
    trials: list[Trial] = []
    for number in range(40):
        drawn = draw(space, trials, 1, number)
        trials.append(Trial(number, 0, drawn, -abs(np.log10(drawn["C"])), 1.0))
    learned: list[Any] = [trial.parameters["C"] for trial in trials[20:]]
    assert np.median(np.abs(np.log10(learned))) < np.median(np.abs(np.log10(uniform))) / 2


def test_a_search_measures_real_candidates_on_the_training_rows_alone(
    plan: TrainingPlan, report: ProgressReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def watched(training: Any, plan: TrainingPlan, candidate: Any) -> Any:
        seen.append(len(training))
        return cross_validate(training, plan, candidate)

    monkeypatch.setattr(tuning, "cross_validate", watched)
    result = searched(plan, report, trials=2)
    assert seen == [480, 480]
    assert all(0.5 < trial.value < 1 for trial in result.trials)


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({**LOGISTIC, "vary": {"depth": {"low": 1, "high": 2}}}, "has no hyper-parameter 'depth'"),
        ({**LOGISTIC, "vary": {"C": {"low": 0, "high": 2.0}}}, "C cannot be 0"),
        ({**LOGISTIC, "vary": {"C": {"low": 2.0, "high": 2.0}}}, "is not below high"),
        ({**LOGISTIC, "vary": {"C": {"low": -1.0, "high": 2.0, "log": True}}}, "is not above 0"),
        ({**BOOSTING, "vary": {"max_features": {"choices": [0.5, 1.5]}}}, "max_features cannot be 1.5"),
        ({"candidate": {"estimator": "ridge"}, "vary": {"alpha": {"low": 0.1, "high": 2.0}}}, "is no candidate for a"),
    ],
)
def test_a_space_that_could_draw_nonsense_is_refused_before_any_training(
    tmp_path: Path, space: dict[str, Any], said: str
) -> None:
    document = {**small_document(), "search": {**SECTION, "spaces": [space]}}
    with pytest.raises(InvalidInput) as refused:
        load_plan(write_project(tmp_path, document, small_csv()))
    messages = [problem.message for problem in refused.value.problems if problem.pointer.startswith("search")]
    assert any(said in message for message in messages)


def test_a_run_with_a_search_says_how_to_do_it_again(
    tmp_path: Path, report: ProgressReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "release_files", lambda training: {"model.onnx": training.onnx})
    document = {**small_document(), "search": {**SECTION, "trials": 3, "spaces": [LOGISTIC]}}
    document["candidates"] = [{"estimator": "histogram_gradient_boosting", "max_iter": 2}]
    plan = load_plan(write_project(tmp_path, document))
    first = train(plan, report, search_directory=tmp_path / "searches", refused_too=True)
    told = first.report()["search"]
    assert told["trials"] == 3
    assert told["best"][0]["candidate"] == "logistic_regression (searched)"
    assert first.candidates[-1].candidate.hyper_parameters["C"] == told["best"][0]["hyper_parameters"]["C"]
    content = write_release(first, tmp_path / "release", tmp_path)
    assert content.rebuild.command == "python train_publish.py --config configs/churn.yaml --trials 3"
    hurried = with_search(plan, spaces=[LOGISTIC], budget_s=0.001)
    again = train(hurried, report, search_trials=3, refused_too=True)
    assert again.onnx == first.onnx


def test_the_search_that_the_readme_shows_is_one() -> None:
    (shown,) = re.findall(
        r"```yaml\n(search:.+?)```", (REPOSITORY / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert Search.model_validate(yaml.safe_load(shown)["search"]).trials == 60


def test_a_number_of_trials_that_is_none_is_a_wrong_argument(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ("0", "x"):
        with pytest.raises(SystemExit) as ended:
            parse_arguments(["--trials", text], tmp_path)
        assert ended.value.code == USAGE
        assert f"{text} is no number of trials: 1 is the least" in capsys.readouterr().err
    assert parse_arguments(["--trials", "23"], tmp_path).trials == 23


def test_trials_without_a_search_are_a_wrong_argument(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--dry-run", "--trials", "3"], {}, repository) == USAGE
    assert "--trials 3 was given, and churn.yaml has no section search" in capsys.readouterr().err
