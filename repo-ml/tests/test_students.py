from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.contract import load_contract
from edustream_ml.csv_table import open_csv
from edustream_ml.row_validation import validate_rows
from edustream_ml.students.best_possible import BestPossible
from edustream_ml.students.cancellation import Relation, cancellation_probability
from edustream_ml.students.command import main
from edustream_ml.students.file import CHUNK, Drift, students, write_students

ROWS = 20_000


@pytest.fixture(scope="module")
def drawn() -> pd.DataFrame:
    return pd.concat(students(ROWS, seed=42), ignore_index=True)


@pytest.mark.parametrize("drift", list(Drift))
def test_every_student_keeps_to_the_contract(tmp_path: Path, drift: Drift) -> None:
    written = write_students(tmp_path / "students.csv", ROWS, seed=1, drift=drift)
    contract = load_contract("edustream")
    file = open_csv(written.path.read_bytes(), "students.csv")
    table = file.table()
    assert table.column_names == [*(field.name for field in contract.inputs), "cancelled"]
    assert table.num_rows == ROWS
    assert validate_rows(table, contract, file.rows).problems == []


def test_equal_options_give_equal_bytes_and_another_seed_other_students(tmp_path: Path) -> None:
    digests = [write_students(tmp_path / "students.csv", 300, seed).sha256 for seed in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]
    assert digests[2] == sha256_hex((tmp_path / "students.csv").read_bytes())
    assert [path.name for path in tmp_path.iterdir()] == ["students.csv"]


def test_the_first_students_are_the_same_however_many_there_are(drawn: pd.DataFrame) -> None:
    chunks = list(students(CHUNK + 10, seed=42))
    assert [len(chunk) for chunk in chunks] == [CHUNK, 10]
    pd.testing.assert_frame_equal(chunks[0][:ROWS], drawn)
    assert not chunks[1].equals(chunks[0][:10])


def test_students_cancel_as_often_as_their_true_probability_says(drawn: pd.DataFrame) -> None:
    cancelled = (drawn["cancelled"] == "Yes").to_numpy()
    probability = drawn["probability"].to_numpy()
    for low, high in ((0.0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1.0)):
        inside = (probability >= low) & (probability < high)
        error = np.sqrt((probability[inside] * (1 - probability[inside])).sum()) / inside.sum()
        assert cancelled[inside].mean() == pytest.approx(probability[inside].mean(), abs=4 * error)


def test_the_probability_is_a_function_of_the_columns_as_they_are_written(tmp_path: Path, drawn: pd.DataFrame) -> None:
    written = write_students(tmp_path / "students.csv", ROWS, seed=42)
    read = pd.read_csv(written.path)
    np.testing.assert_array_equal(cancellation_probability(read), drawn["probability"])
    assert not np.array_equal(cancellation_probability(read, Relation.CHANGED), drawn["probability"])


def test_the_best_possible_auc_is_that_of_all_pairs() -> None:
    probability = np.array([0.1, 0.1, 0.4, 0.85])
    won = sum(p * (1 - q) * (1.0 if p > q else 0.5 if p == q else 0.0) for p in probability for q in probability)
    best = BestPossible()
    best.add(probability[:3])
    best.add(probability[3:])
    assert best.roc_auc == pytest.approx(won / (probability.sum() * (1 - probability).sum()), abs=1e-12)
    assert best.share == pytest.approx(probability.mean(), abs=1e-12)


def test_the_labels_reach_the_best_possible_auc_and_nothing_surpasses_it(drawn: pd.DataFrame) -> None:
    best = BestPossible()
    best.add(drawn["probability"].to_numpy())
    cancelled = drawn["cancelled"] == "Yes"
    assert roc_auc_score(cancelled, drawn["probability"]) == pytest.approx(best.roc_auc, abs=0.01)
    assert 0.8 < best.roc_auc < 0.9
    for name in ("days_since_visit", "support_tickets", "monthly_price", "months_subscribed"):
        assert roc_auc_score(cancelled, drawn[name]) < best.roc_auc


def test_without_positives_there_is_no_best_auc() -> None:
    best = BestPossible()
    best.add(np.zeros(3))
    assert np.isnan(best.roc_auc)


def test_a_planted_drift_of_the_inputs_begins_where_it_is_asked_for(drawn: pd.DataFrame) -> None:
    moved = pd.concat(students(ROWS, 42, Drift.INPUTS, drift_from=12_000), ignore_index=True)
    pd.testing.assert_frame_equal(moved[:12_000], drawn[:12_000])
    after, before = moved[12_000:], drawn[12_000:]
    assert after["hours_last_month"].mean() < 0.8 * before["hours_last_month"].mean()
    assert after["monthly_price"].mean() == pytest.approx(1.25 * before["monthly_price"].mean(), rel=0.01)
    np.testing.assert_array_equal(cancellation_probability(after), after["probability"])


def test_a_planted_drift_of_the_relation_leaves_the_inputs_as_they_are(drawn: pd.DataFrame) -> None:
    moved = pd.concat(students(ROWS, 42, Drift.RELATION, drift_from=12_000), ignore_index=True)
    inputs = list(drawn.columns[:-2])
    pd.testing.assert_frame_equal(moved[inputs], drawn[inputs])
    np.testing.assert_array_equal(moved["probability"][:12_000], drawn["probability"][:12_000])
    after = moved[12_000:]
    np.testing.assert_array_equal(cancellation_probability(after, Relation.CHANGED), after["probability"])


def test_a_drift_that_begins_after_the_last_student_changes_nothing(tmp_path: Path) -> None:
    plain = write_students(tmp_path / "plain.csv", 200, 3)
    assert write_students(tmp_path / "late.csv", 200, 3, Drift.INPUTS, drift_from=200).sha256 == plain.sha256


def test_the_command_writes_the_file_and_says_what_the_configuration_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "some.csv"
    assert main(["--rows", "500", "--seed", "7", "--out", str(out)], tmp_path) == 0
    said = capsys.readouterr().out
    assert sha256_hex(out.read_bytes()) in said
    assert f"{write_students(out, 500, 7).best_roc_auc:.6f}" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--rows", "0"], "--rows is 0"),
        (["--seed", "-1"], "--seed is -1"),
        (["--drift-from", "-1"], "--drift-from is -1"),
        (["--out", "missing/students.csv"], "cannot be written to missing/students.csv: No such file or directory"),
    ],
)
def test_a_wrong_option_is_refused_with_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(options, tmp_path) == 2
    assert said in capsys.readouterr().err
