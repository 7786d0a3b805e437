"""Data outside the contract, through train_publish.py: refused before any training, row by row, nothing published."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Document, small_csv, small_document, write_project

from edustream_contracts import resources
from edustream_contracts.canonical import sha256_hex
from edustream_ml import cli
from edustream_registry.testing.simulator import RegistrySimulator

ENVIRON = {"REGISTRY_URL": "s3://models", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}
TENURE = "a whole number from 0 to 120 month is allowed (Whole months that the customer has been with the company)"


def csv_with(*cells: tuple[int, str, str]) -> str:
    """The small data set with other values in the cells (row from 1, column)."""
    lines = [line.split(",") for line in small_csv().splitlines()]
    for row, column, value in cells:
        lines[row][lines[0].index(column)] = value
    return "\n".join(map(",".join, lines)) + "\n"


def project(folder: Path, csv: str | bytes, document: Document | None = None) -> Path:
    """A repository whose configuration expects just these bytes."""
    document = document or small_document()
    document["data"]["sha256"] = sha256_hex(csv.encode() if isinstance(csv, str) else csv)
    return write_project(folder, document, csv)


class Producer:
    """Runs the producer on a registry that answers; says what it wrote to standard error."""

    def __init__(self, registry: RegistrySimulator, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._registry = registry
        self._folder = folder
        self._capsys = capsys

    def refusal(self, csv: str | bytes, document: Document | None = None) -> str:
        project(self._folder, csv, document)
        before = dict(self._registry.memory.objects)
        assert cli.main([], ENVIRON, self._folder) == 2
        said = self._capsys.readouterr()
        assert "Comparing the candidates" not in said.out
        assert self._registry.memory.objects == before
        assert not (self._folder / "releases").exists()
        return said.err


@pytest.fixture
def producer(
    registry: RegistrySimulator,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Producer:
    monkeypatch.setattr(cli, "open_author", lambda settings, who: registry.author)
    return Producer(registry, tmp_path, capsys)


@pytest.fixture
def contract_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another copy of the contracts, which this process reads from now on; the path of churn's."""
    documents = tmp_path / "documents"
    shutil.copytree(Path(str(resources.documents())), documents)
    monkeypatch.setattr(resources, "PACKAGED", documents)
    return documents / "models" / "churn" / "contract.json"


def change(path: Path, field: str, **keywords: Any) -> None:
    document = json.loads(path.read_bytes())
    spec = {**document["input"]["properties"][field], **keywords}
    document["input"]["properties"][field] = {name: value for name, value in spec.items() if value is not None}
    path.write_text(json.dumps(document), encoding="utf-8")


def test_every_kind_of_violation_ends_the_program_with_exit_2_and_its_row(repository: Path) -> None:
    project(
        repository,
        csv_with(
            (3, "tenure", "500"),
            (4, "monthly_charges", "-0.5"),
            (5, "internet_service", "Carrier pigeon"),
            (6, "tenure", ""),
            (7, "tenure", "12.5"),
            (8, "tenure", "twelve"),
            (9, "female", "2"),
            (10, "contract", ""),
        ),
    )
    command = [sys.executable, "train_publish.py", "--dry-run", "--out", str(repository / "out")]
    done = subprocess.run(command, cwd=repository, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    for line in (
        "Violations of the contract: 8, in 8 rows.",
        "column tenure: breaks the contract 4 times",
        f"row 3 (line 4), tenure: is 500 month; {TENURE}",
        "row 4 (line 5), monthly_charges: is -0.5 USD/month; a number from 0 to 500 USD/month is allowed",
        'row 5 (line 6), internet_service: is "Carrier pigeon"; one of "DSL", "Fiber optic", "No" is allowed',
        f"row 6 (line 7), tenure: is null; {TENURE}",
        f"row 7 (line 8), tenure: is 12.5 month; {TENURE}",
        f'row 8 (line 9), tenure: is "twelve"; {TENURE}',
        "row 9 (line 10), female: is 2; one of 0, 1 is allowed",
        'row 10 (line 11), contract: is null; one of "Month-to-month", "One year", "Two year" is allowed',
        "Next: correct the data, or have both teams widen the contract",
    ):
        assert line in done.stderr
    assert not (repository / "out").exists()


@pytest.mark.parametrize("value", ["1e3", "120.5", "121", "-1", "NaN", "inf", "0x10", "١٢", " 12", "1,2", "True"])
def test_no_spelling_of_a_wrong_number_passes(producer: Producer, value: str) -> None:
    cell = f'"{value}"' if "," in value else value
    said = producer.refusal(csv_with((2, "tenure", cell)))
    assert "Violations of the contract: 1, in 1 row." in said
    assert "row 2 (line 3), tenure: is " in said


def test_a_missing_column_is_named_beside_the_rows_at_fault(producer: Producer) -> None:
    said = producer.refusal(csv_with((1, "tenure", "-1")).replace("contract,", "kontrakt,", 1))
    assert "column contract: is missing from the file" in said
    assert "column kontrakt: is neither in the contract nor the target" in said
    assert "row 1 (line 2), tenure: is -1 month" in said


def test_a_value_that_the_configuration_would_fill_in_is_refused_all_the_same(producer: Producer) -> None:
    document = small_document()
    document["features"]["missing_values"] = {"tenure": 0.0, "total_charges": 0.0}
    said = producer.refusal(csv_with((2, "tenure", ""), (3, "total_charges", "")), document)
    assert f"row 2 (line 3), tenure: is null; {TENURE}" in said
    assert "total_charges: is null" not in said


def test_a_field_of_the_contract_cannot_be_dropped(producer: Producer) -> None:
    document = small_document()
    document["dropped_columns"] = {"tenure": "it breaks the contract"}
    said = producer.refusal(csv_with((2, "tenure", "500")), document)
    assert "dropped_columns: 'tenure' is an input field of the contract and cannot be dropped" in said


def test_what_a_dropped_column_holds_is_nobody_s_business(producer: Producer) -> None:
    document = small_document()
    document["dropped_columns"] = {"note": "free text"}
    header, *rows = csv_with((2, "tenure", "500")).splitlines()
    said = producer.refusal("\n".join([f"{header},note", *(f"{row},1e999" for row in rows)]), document)
    assert "Violations of the contract: 1, in 1 row." in said


def test_a_contract_that_is_narrower_than_the_data_refuses_them(producer: Producer, contract_on_disk: Path) -> None:
    change(contract_on_disk, "tenure", maximum=60)
    said = producer.refusal(small_csv())
    assert "the first 20 are shown" in said
    assert "month; a whole number from 0 to 60 month is allowed" in said


def test_a_field_that_the_data_lack_refuses_them(producer: Producer, contract_on_disk: Path) -> None:
    document = json.loads(contract_on_disk.read_bytes())
    document["input"]["properties"]["age"] = {"type": "integer", "description": "Age", "x-unit": "year"}
    document["input"]["required"].append("age")
    for example in document["input"]["examples"]:
        example["age"] = 40
    contract_on_disk.write_text(json.dumps(document), encoding="utf-8")
    assert "column age: is missing from the file" in producer.refusal(small_csv())


def test_a_number_that_the_contract_admits_and_no_tensor_holds_is_refused(
    producer: Producer, contract_on_disk: Path
) -> None:
    change(contract_on_disk, "total_charges", maximum=None)
    said = producer.refusal(csv_with((4, "total_charges", "1e39")))
    assert "row 4 (line 5), total_charges: is 1e+39 USD; the model takes 32-bit numbers, up to 3.4e38" in said


def test_another_encoding_is_refused_with_the_line_of_the_first_wrong_byte(producer: Producer) -> None:
    said = producer.refusal(csv_with((3, "payment_method", "Überweisung")).encode("latin-1"))
    assert "The data set telco_churn.csv is no UTF-8 CSV file: line 4 holds the byte 0xdc, which is none there." in said
    assert "Next: export it again as CSV: UTF-8" in said
    assert "no UTF-8 CSV file: line 1 holds the byte 0xff" in producer.refusal(small_csv().encode("utf-16"))


def test_two_columns_of_one_name_are_refused(producer: Producer) -> None:
    said = producer.refusal(small_csv().replace("partner,", "tenure,", 1))
    assert "The data set telco_churn.csv has two columns called 'tenure'." in said


def test_a_target_with_one_class_is_refused(producer: Producer) -> None:
    header, *rows = small_csv().splitlines()
    said = producer.refusal("\n".join([header, *(row for row in rows if row.startswith("No,"))]))
    assert "column churn: has 0 rows of class 'Yes'; at least 10 are needed" in said


@pytest.mark.parametrize("value", ["inf", "-inf", "Infinity", "1e999", "-1e400"])
def test_an_infinite_value_is_refused_with_its_row(producer: Producer, value: str) -> None:
    said = producer.refusal(csv_with((7, "monthly_charges", value)))
    assert f'row 7 (line 8), monthly_charges: is "{value}"; a number from 0 to 500 USD/month is allowed' in said


def test_a_date_where_a_number_is_meant_is_refused_with_its_row(producer: Producer) -> None:
    said = producer.refusal(csv_with((7, "tenure", "2024-01-31")))
    assert f'row 7 (line 8), tenure: is "2024-01-31"; {TENURE}' in said


def test_a_date_that_is_no_field_needs_a_reason(producer: Producer) -> None:
    header, *rows = small_csv().splitlines()
    csv = "\n".join([f"{header},joined", *(f"{row},31/01/2024" for row in rows)])
    said = producer.refusal(csv)
    assert "column joined: is neither in the contract nor the target; give a reason in dropped_columns" in said


def test_two_rows_are_too_few(producer: Producer) -> None:
    said = producer.refusal("".join(small_csv().splitlines(keepends=True)[:3]))
    assert "column churn: has 2 rows of class 'No'; at least 10 are needed" in said
    assert "column churn: has 0 rows of class 'Yes'; at least 10 are needed" in said


def test_no_rows_and_an_empty_file_are_refused(producer: Producer) -> None:
    header = small_csv().splitlines(keepends=True)[0]
    assert "The data set telco_churn.csv has a header line and no rows." in producer.refusal(header)
    assert "The data set telco_churn.csv is empty." in producer.refusal(b"")


def test_one_value_of_another_type_in_row_900_000_is_found(producer: Producer) -> None:
    header, *rows = small_csv().splitlines()
    wrong = rows[0].replace("29.85,29.85", "29.85,n/a")
    many = "\n".join(rows[1:501])
    csv = "\n".join([header, *[many] * 1799, *rows[1:500], wrong, many])
    said = producer.refusal(csv)
    assert "Violations of the contract: 1, in 1 row." in said
    assert "column total_charges: breaks the contract 1 time" in said
    allowed = "a number from 0 to 60000 USD or null is allowed"
    assert f'row 900000 (line 900001), total_charges: is "n/a"; {allowed}' in said


def test_a_change_of_the_contract_during_the_training_is_noticed(
    registry: RegistrySimulator,
    producer: Producer,
    contract_on_disk: Path,
    tmp_path: Path,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
    small_training: Any,
) -> None:
    def trained(*arguments: Any, **options: Any) -> Any:
        change(contract_on_disk, "tenure", maximum=60)
        return small_training

    monkeypatch.setattr(cli, "train", trained)
    write_project(tmp_path)
    before = dict(registry.memory.objects)
    assert cli.main([], ENVIRON, tmp_path) == 8
    assert "without the training code, refuses the release: contract.json of" in capsys.readouterr().err
    assert registry.memory.objects == before
