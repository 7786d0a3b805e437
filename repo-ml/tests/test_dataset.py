from __future__ import annotations

from pathlib import Path

import pytest
from conftest import small_csv, small_document, write_project

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.errors import InvalidInput
from edustream_ml.configuration import TrainingPlan, load_plan
from edustream_ml.dataset import load_dataset


def refused(tmp_path: Path, csv: str) -> InvalidInput:
    document = small_document()
    document["data"]["sha256"] = sha256_hex(csv.encode())
    with pytest.raises(InvalidInput) as caught:
        load_dataset(load_plan(write_project(tmp_path, document, csv)))
    assert caught.value.kind == "data"
    return caught.value


def pointers(error: InvalidInput) -> list[str]:
    return [problem.pointer for problem in error.problems]


def test_rows_are_what_json_would_give(small_plan: TrainingPlan) -> None:
    dataset = load_dataset(small_plan)
    assert len(dataset) == 600
    assert dataset.rows[0] == {**small_plan.contract.example()}
    assert [type(dataset.rows[0][name]) for name in ("tenure", "monthly_charges")] == [int, float]
    assert dataset.labels[0] == "No"
    assert sum(row["total_charges"] is None for row in dataset.rows) == 1


def test_every_kind_of_violation_is_reported_with_its_row_and_line(tmp_path: Path) -> None:
    lines = small_csv().splitlines()
    lines[1] = lines[1].replace("DSL", "Carrier pigeon")
    lines[3] = lines[3].replace(",2,1,", ",200,1,").replace("53.85,", "1e999,")
    lines[4] = lines[4].replace("No,0,", "Perhaps,0,", 1)
    error = refused(tmp_path, "\n".join(lines))
    found = {problem.pointer: problem.message for problem in error.problems}
    assert "200" in found["row 3 (line 4), tenure"]
    assert "1e999" in found["row 3 (line 4), monthly_charges"]
    assert "Carrier pigeon" in found["row 1 (line 2), internet_service"]
    assert "'Perhaps' (rows 4)" in found["column churn"]
    assert "Violations of the contract: 3, in 2 rows." in error.fact


def test_many_violations_are_counted_and_the_first_are_shown(tmp_path: Path) -> None:
    error = refused(tmp_path, small_csv().replace("Month-to-month", "Monthly"))
    assert "the first 20 are shown" in error.fact
    assert sum(pointer.startswith("row ") for pointer in pointers(error)) == 20
    assert error.problems[0].pointer == "column contract"
    assert "breaks the contract" in error.problems[0].message


def test_missing_extra_and_target_columns_are_named_without_repeating_it_for_each_row(tmp_path: Path) -> None:
    header, rest = small_csv().split("\n", 1)
    error = refused(tmp_path, header.replace("tenure", "seniority").replace("churn", "left") + "\n" + rest)
    assert pointers(error) == ["column tenure", "column churn", "column left", "column seniority"]


def test_a_row_is_located_also_after_a_quoted_line_break(tmp_path: Path) -> None:
    lines = small_csv().splitlines()
    lines[1] = lines[1].replace("Electronic check", '"Electronic\ncheck"')
    lines[2] = lines[2].replace(",34,", ",-1,")
    assert "row 2 (line 4), tenure" in pointers(refused(tmp_path, "\n".join(lines)))


def test_other_bytes_than_the_configured_ones_are_refused(tmp_path: Path) -> None:
    path = write_project(tmp_path)
    data = tmp_path / "data" / "telco_churn.csv"
    data.write_bytes(data.read_bytes() + b"\n")
    with pytest.raises(InvalidInput, match=r"data\.sha256 expects"):
        load_dataset(load_plan(path))


def test_one_class_alone_cannot_be_learned(tmp_path: Path) -> None:
    lines = small_csv().splitlines()
    csv = "\n".join([lines[0], *(line for line in lines[1:] if line.startswith("No,"))])
    error = refused(tmp_path, csv)
    assert error.problems[0].message == "has 0 rows of class 'Yes'; at least 10 are needed"


@pytest.mark.parametrize(
    ("csv", "fact"),
    [
        ("a,b\n", "a header line and no rows"),
        ("a,a\n1,2\n", "two columns called 'a'"),
        ("a,b\n1,2,3\n", "no UTF-8 CSV file"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, csv: str, fact: str) -> None:
    assert fact in refused(tmp_path, csv).fact


def test_an_empty_file_and_another_encoding_are_refused(small_plan: TrainingPlan, tmp_path: Path) -> None:
    path = write_project(tmp_path)
    for data, fact in ((b"", "is empty"), ("größe\n1\n".encode("latin-1"), "no UTF-8 CSV file")):
        (tmp_path / "data" / "telco_churn.csv").write_bytes(data)
        with pytest.raises(InvalidInput, match=fact):
            load_dataset(load_plan(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = write_project(tmp_path)
    (tmp_path / "data" / "telco_churn.csv").unlink()
    with pytest.raises(InvalidInput, match=r"telco_churn\.csv cannot be read"):
        load_dataset(load_plan(path))


def test_none_and_na_are_texts(tmp_path: Path) -> None:
    csv = small_csv().replace("Bank transfer (automatic)", "None").replace("Mailed check", "NA")
    found = [problem.message for problem in refused(tmp_path, csv).problems]
    assert any('"None"' in message for message in found)
    assert any('"NA"' in message for message in found)
