from __future__ import annotations

import json
import linecache
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from contract_drafts import AWKWARD_TEXT, PATTERNS, awkward_contract, contract_of, contracts, near
from hypothesis import HealthCheck, assume, given, settings
from pydantic import BaseModel, ValidationError

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import InvalidInput
from edustream_registry.generated_types.fields import row_types
from edustream_registry.generated_types.preamble import BASE_MODEL
from edustream_registry.generated_types.python_module import python_module


def load(contract: ModelContract) -> ModuleType:
    """The generated module, with its source where `inspect` finds it."""
    source = python_module(contract, ["test"])
    name = f"generated_{contract.digest}"
    module = ModuleType(name)
    file = f"<{name}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    module.__dict__["__file__"] = file
    sys.modules[name] = module
    try:
        exec(compile(source, file, "exec"), module.__dict__)
    finally:
        del sys.modules[name], linecache.cache[file]
    return module


def input_class(contract: ModelContract) -> type[BaseModel]:
    found: type[BaseModel] = getattr(load(contract), row_types(contract)[0].name)
    assert issubclass(found, BaseModel)
    return found


def accepts(model: type[BaseModel], row: dict[str, Any]) -> BaseModel | None:
    try:
        return model.model_validate(row)
    except ValidationError:
        return None


def accepts_json(model: type[BaseModel], text: str) -> BaseModel | None:
    try:
        return model.model_validate_json(text)
    except ValidationError:
        return None


def rows(contract: ModelContract) -> Iterator[dict[str, Any]]:
    """The example, and it with each field absent, and with each field set to each value worth a trial."""
    example = contract.example()
    yield example
    yield example | {"another": 1}
    yield {}
    for name, spec in contract.input_schema["properties"].items():
        yield {key: value for key, value in example.items() if key != name}
        for value in near(spec):
            yield example | {name: value}


def beyond_doubles(row: dict[str, Any]) -> bool:
    """Whether a number has more digits than a double, so that two programs may read and write it differently."""
    return any(isinstance(value, int | float) and abs(value) > 2**53 for value in row.values())


def as_text(row: dict[str, Any]) -> str | None:
    """The row as JSON, where it is JSON."""
    if any(isinstance(value, float) and not math.isfinite(value) for value in row.values()) or "\ud800" in row.values():
        return None
    return json.dumps(row)


def assert_exact(contract: ModelContract) -> None:
    """The generated class accepts a row if and only if the contract does, and gives back what it accepted."""
    model = input_class(contract)
    for row in rows(contract):
        # Half of a surrogate pair is no text (RFC 7493, 2.1); a validator looks past it unless it measures the text.
        expected = contract.input_validator.is_valid(row) and "\ud800" not in row.values()
        accepted = accepts(model, row)
        assert (accepted is not None) == expected, row
        if (text := as_text(row)) is not None:
            assert (accepts_json(model, text) is not None) == expected, text
        if accepted is not None:
            dumped = accepted.model_dump()
            assert contract.input_validator.is_valid(dumped) or beyond_doubles(row)
            assert {name: value for name, value in dumped.items() if name in row} == row
            assert all(dumped[name] is None for name in dumped.keys() - row.keys())


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(contracts())
def test_the_module_accepts_exactly_what_the_contract_accepts(contract: ModelContract | None) -> None:
    assume(contract is not None)
    assert contract is not None
    assert_exact(contract)


@pytest.mark.prove
@settings(max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(contracts())
def test_the_module_accepts_exactly_what_the_contract_accepts_at_length(contract: ModelContract | None) -> None:
    assume(contract is not None)
    assert contract is not None
    assert_exact(contract)


def test_the_released_model(contract: ModelContract) -> None:
    assert_exact(contract)


def test_awkward_names_and_texts() -> None:
    contract = awkward_contract()
    model = input_class(contract)
    row = contract.example()

    accepted = model.model_validate(row)

    assert python_module(contract, []).replace("\n", "").isprintable()
    assert model.__name__ == "A1ClassInput"
    assert accepted.model_dump() == row | {"nothing": None}
    assert accepted.model_dump_json() == model.model_validate_json(json.dumps(row)).model_dump_json()
    described = model.model_json_schema()["properties"]["class"]["description"]
    assert [line.rstrip() for line in AWKWARD_TEXT.splitlines()] == described.splitlines()
    assert accepts(model, row | {"class_": None}) is None
    assert accepts(model, {name: value for name, value in row.items() if name != "False"}) is None


def test_a_row_is_not_changed_after_it_was_checked(contract: ModelContract) -> None:
    row = input_class(contract).model_validate(contract.example())

    with pytest.raises(ValidationError):
        row.tenure = -1  # type: ignore[attr-defined]


def test_long_lists_and_small_fields_are_laid_out() -> None:
    fields = {
        "many": {"type": "string", "enum": [f"category number {number}" for number in range(9)], "description": "d"},
        "anything": {"type": "number", "description": "d"},
        "switch": {"type": "boolean", "const": True, "description": "d"},
    }
    contract = contract_of(fields, list(fields), {"many": "category number 1", "anything": 1, "switch": True})
    source = python_module(contract, [])

    assert '    many: Literal[\n        "category number 0",\n        "category number 1",\n' in source
    assert "    anything: Number\n" in source
    assert "    switch: Annotated[Literal[True], _one_of(True)]\n" in source
    assert max(map(len, source.splitlines())) <= 120
    assert_exact(contract)


def test_every_pattern_in_the_dialect_of_its_engine() -> None:
    fields = {
        f"p{number}": {"type": "string", "pattern": pattern, "description": "d"}
        for number, pattern in enumerate(PATTERNS)
    }
    contract = contract_of(fields, [], {})

    assert "import re\n" in python_module(contract, [])
    assert_exact(contract)


def test_whole_numbers_between_bounds_that_are_none() -> None:
    bounds = [{"minimum": 0.5}, {"exclusiveMinimum": 0.5}, {"maximum": 3.5}, {"exclusiveMaximum": 3.5}]
    bounds += [{"minimum": 1}, {"exclusiveMinimum": 1}, {"maximum": 3.0}, {"exclusiveMaximum": 3.0}]
    fields = {
        f"{kind}{number}": {"type": kind, "description": "d", **bound}
        for kind in ("integer", "number")
        for number, bound in enumerate(bounds)
    }

    assert_exact(contract_of(fields, [], {}))


def test_no_public_attribute_of_pydantic_is_forgotten() -> None:
    assert {name for name in dir(BaseModel) if not name.startswith("_")} <= BASE_MODEL


def test_what_people_read(contract: ModelContract) -> None:
    schema = input_class(contract).model_json_schema()["properties"]

    assert schema["tenure"] == {
        "description": "Whole months that the customer has been with the company\n\n"
        "A whole number.\nUnit: month.\nRange: at least 0, at most 120.",
        "maximum": 120,
        "minimum": 0,
        "title": "Tenure",
        "type": "integer",
    }
    assert schema["monthly_charges"]["maximum"] == 500


def test_the_same_contract_gives_the_same_bytes(contract: ModelContract) -> None:
    assert python_module(contract, ["a"]) == python_module(
        ModelContract(json.loads(json.dumps(contract.document))), ["a"]
    )


def test_a_pattern_that_no_engine_reads_in_the_same_way() -> None:
    spec = {"type": "string", "pattern": r"^(.)\1$", "description": "Twice the same"}
    contract = contract_of({"twice": spec}, ["twice"], {"twice": "aa"})

    with pytest.raises(InvalidInput) as caught:
        python_module(contract, [])

    [problem] = caught.value.problems
    assert (caught.value.kind, problem.pointer) == ("contract", "/input/properties/twice/pattern")
    assert problem.message == r"has '\\1$' at character 5"


# The type checker reads pydantic itself, which takes seconds the first time.
CACHE = Path(__file__).parent.parent / ".mypy_cache" / "generated"

RIGHT = """
from awkward_types import A1ClassInput
from churn_types import ChurnInput, ChurnOutput

def months(row: ChurnInput) -> int:
    return row.tenure

def keyword(row: A1ClassInput) -> str | None:
    return row.class_

answer = ChurnOutput(prediction="Yes", probability=0.5)
text: str = answer.prediction
"""
WRONG = """
from churn_types import ChurnOutput

ChurnOutput(prediction="Yes")
ChurnOutput(prediction="Maybe", probability=0.5)
ChurnOutput(prediction="Yes", probability="0.5")
ChurnOutput(prediction="Yes", probability=0.5, other=1)
"""


def test_a_type_checker_reads_it(tmp_path: Path, contract: ModelContract) -> None:
    (tmp_path / "churn_types.py").write_text(python_module(contract, []))
    (tmp_path / "awkward_types.py").write_text(python_module(awkward_contract(), []))
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(WRONG)
    checked = [name.name for name in tmp_path.glob("*.py")]

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(CACHE), *checked],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    found = [line.split(": ", 2)[0] for line in done.stdout.splitlines() if ": error: " in line]
    assert found == [f"wrong.py:{line}" for line in (4, 5, 6, 7)], done.stdout + done.stderr
