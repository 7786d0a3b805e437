"""What the data scientist decides: one YAML file, checked as a whole against its own rules and the contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.contract import Field as ContractField
from edustream_contracts.contract import ModelContract, contract_names, load_contract
from edustream_contracts.errors import InvalidInput, Problem
from edustream_ml.candidates import HistogramGradientBoosting, LogisticRegression, RandomForest

PREDICTION: Final = "prediction"
PROBABILITY: Final = "probability"

MetricName = Literal[
    "cross_validation_roc_auc",
    "roc_auc",
    "average_precision",
    "f1",
    "brier_score",
    "log_loss",
    "expected_calibration_error",
]


def _contract(info: ValidationInfo) -> ModelContract | None:
    return info.context["contract"] if info.context else None


def _input_column(name: str, info: ValidationInfo) -> str:
    contract = _contract(info)
    if contract and name not in {field.name for field in contract.inputs}:
        raise ValueError(f"{name!r} is no input field of the contract")
    return name


def _numeric_column(name: str, info: ValidationInfo) -> str:
    contract = _contract(info)
    if contract and name not in contract.numeric:
        raise ValueError(f"{name!r} is no numeric input field of the contract; there are {', '.join(contract.numeric)}")
    return name


def _refuse_duplicates(names: list[str], what: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two {what} are called {twice[0]!r}; give each its own name")


InputColumn = Annotated[str, AfterValidator(_input_column)]
NumericColumn = Annotated[str, AfterValidator(_numeric_column)]
Text = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A frozen part of the configuration that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Data(Section):
    """The data set: where it is, which bytes are meant, and what people must know about it."""

    path: Text
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    title: Text
    source: Text
    licence: Text
    known_traps: tuple[Text, ...] = ()


class Target(Section):
    """The column to be predicted, and the class whose probability is given."""

    column: Text
    positive: Text

    @field_validator("column")
    @classmethod
    def _is_no_feature(cls, column: str, info: ValidationInfo) -> str:
        contract = _contract(info)
        if contract and column in {field.name for field in contract.inputs}:
            raise ValueError(f"{column!r} is an input field of the contract, so it cannot be the target")
        return column

    @field_validator("positive")
    @classmethod
    def _is_the_contracts(cls, positive: str, info: ValidationInfo) -> str:
        contract = _contract(info)
        expected = output_field(contract, PROBABILITY).for_class if contract else positive
        if positive != expected:
            raise ValueError(f"{positive!r} is not {expected!r}, whose probability the contract promises")
        return positive


class Ratio(Section):
    """A feature: numerator / max(denominator, denominator_at_least)."""

    name: Text
    numerator: NumericColumn
    denominator: NumericColumn
    denominator_at_least: Annotated[float, Field(gt=0)]


class Count(Section):
    """A feature: in how many of the columns the value is one of those listed."""

    name: Text
    of: Annotated[dict[InputColumn, tuple[str | int, ...]], Field(min_length=1)]

    @field_validator("of")
    @classmethod
    def _values_exist(
        cls, of: dict[str, tuple[str | int, ...]], info: ValidationInfo
    ) -> dict[str, tuple[str | int, ...]]:
        contract = _contract(info)
        fields = {field.name: field for field in contract.inputs} if contract else {}
        for name in of.keys() & fields.keys():
            allowed = fields[name].categories or ()
            if fields[name].is_numeric and (set(allowed) != {0, 1} or of[name] != (1,)):
                raise ValueError(f"{name!r} can be counted only where the contract allows it 0 and 1, and as [1]")
            if unknown := [value for value in of[name] if value not in allowed]:
                raise ValueError(f"{name!r} never has the value {unknown[0]!r}; the contract allows {list(allowed)}")
        return of


class Features(Section):
    """Feature engineering beyond what the contract itself gives."""

    missing_values: dict[NumericColumn, float] = {}
    ratios: tuple[Ratio, ...] = ()
    counts: tuple[Count, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        _refuse_duplicates(
            [ratio.name for ratio in self.ratios] + [count.name for count in self.counts], "derived features"
        )
        return self


class CrossValidation(Section):
    """Repeated stratified k-fold cross-validation."""

    folds: Annotated[int, Field(ge=2, le=20)] = 5
    repeats: Annotated[int, Field(ge=1, le=20)] = 3


class Calibration(Section):
    """How calibration is measured: the number of equally wide bins of the probability."""

    bins: Annotated[int, Field(ge=2, le=50)] = 10


class Card(Section):
    """What only the data scientist can say about the model."""

    intended_use: Text
    limits: Annotated[tuple[Text, ...], Field(min_length=1)]


Candidate = Annotated[
    LogisticRegression | RandomForest | HistogramGradientBoosting,
    Field(discriminator="estimator"),
]


class Configuration(Section):
    """Everything that decides about a training run, apart from the contract and the code."""

    model: str
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    data: Data
    target: Target
    dropped_columns: dict[Text, Text] = {}
    features: Features = Features()
    candidates: tuple[Candidate, ...]
    cross_validation: CrossValidation = CrossValidation()
    held_out_fraction: Annotated[float, Field(gt=0.0, le=0.5)] = 0.2
    calibration: Calibration = Calibration()
    thresholds: Annotated[dict[MetricName, float], Field(min_length=1)]
    card: Card

    @field_validator("model")
    @classmethod
    def _has_a_contract(cls, model: str, info: ValidationInfo) -> str:
        if model not in contract_names():
            raise ValueError(f"{model!r} has no contract; there are contracts for {', '.join(contract_names())}")
        contract = _contract(info)
        if contract and len(output_field(contract, PREDICTION).categories or ()) != 2:
            raise ValueError(f"the contract of {model!r} has no two classes; only binary models can be trained")
        return model

    @field_validator("dropped_columns")
    @classmethod
    def _keeps_the_features(cls, dropped: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        contract = _contract(info)
        needed = {field.name for field in contract.inputs} if contract else set()
        if both := sorted(dropped.keys() & needed):
            raise ValueError(f"{both[0]!r} is an input field of the contract and cannot be dropped")
        return dropped

    @field_validator("candidates")
    @classmethod
    def _names_differ(cls, candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        # Field(min_length=1) would also complain of every candidate that is wrong in itself.
        if not candidates:
            raise ValueError("names no candidate")
        _refuse_duplicates([candidate.label for candidate in candidates], "candidates")
        return candidates


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A checked configuration with the contract that it trains for, and the file that it came from."""

    configuration: Configuration
    contract: ModelContract
    path: Path
    sha256: str

    @property
    def data_path(self) -> Path:
        """The data file; a relative path is meant from the configuration's folder."""
        return self.path.parent / self.configuration.data.path

    @property
    def classes(self) -> tuple[str, str]:
        """The negative and the positive class."""
        positive = self.configuration.target.positive
        (negative,) = (name for name in output_field(self.contract, PREDICTION).categories or () if name != positive)
        return str(negative), positive


def output_field(contract: ModelContract, name: str) -> ContractField:
    """The output field `name` of a contract. Raises `InvalidInput` (kind `contract`) when it has none."""
    for field in contract.outputs:
        if field.name == name:
            return field
    raise InvalidInput(
        "contract",
        f"The contract of {contract.model} promises no output {name!r}.",
        remedy="train a model whose answer has prediction and probability.",
    )


class _UniqueKeyLoader(yaml.SafeLoader):
    """Safe YAML whose keys are unique, as YAML demands; PyYAML would silently take the last of two."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                said = f"the key {key.value!r} occurs twice"
                raise yaml.constructor.ConstructorError(None, None, said, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_plan(path: Path) -> TrainingPlan:
    """Read a configuration and the contract of its model.

    Raises `InvalidInput` (kind `configuration`) that names every mistake by its dotted path.
    """
    try:
        text = path.read_bytes()
        document = _UniqueKeyLoader(text).get_single_data()
    except OSError as error:
        raise InvalidInput(
            "configuration",
            f"The configuration {path} cannot be read: {error.strerror}.",
            remedy="name an existing file with --config.",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _invalid(path, [Problem("(document)", f"is no YAML: {' '.join(str(error).split())}")]) from error
    if not isinstance(document, Mapping):
        raise _invalid(path, [Problem("(document)", f"is {type(document).__name__}, not a mapping of names to values")])
    model = document.get("model")
    contract = load_contract(model) if isinstance(model, str) and model in contract_names() else None
    try:
        configuration = Configuration.model_validate(document, context={"contract": contract})
    except ValidationError as error:
        raise _invalid(path, [_problem(details) for details in error.errors()]) from error
    return TrainingPlan(configuration, load_contract(configuration.model), path, sha256_hex(text))


def _problem(details: Any) -> Problem:
    message = str(details["msg"]).removeprefix("Value error, ")
    given = details["input"]
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) and repr(given) not in message else ""
    return Problem(
        ".".join(str(part) for part in details["loc"] if part != "[key]") or "(document)", f"{message}{shown}"
    )


def _invalid(path: Path, problems: list[Problem]) -> InvalidInput:
    count = f"{len(problems)} mistake{'s' if len(problems) > 1 else ''}"
    return InvalidInput(
        "configuration",
        f"The configuration {path} has {count}.",
        remedy="correct the file; configs/churn.yaml is a complete example.",
        problems=problems,
    )
