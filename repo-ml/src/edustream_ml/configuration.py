"""What the data scientist decides: one YAML file, checked as a whole against its own rules and the contract."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import Field, ValidationError, ValidationInfo, field_validator

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.contract import ModelContract, contract_names, load_contract
from edustream_contracts.errors import InvalidInput, Problem
from edustream_ml.candidates import Candidate
from edustream_ml.features.settings import Features
from edustream_ml.gates.settings import Gates, Thresholds
from edustream_ml.intended_use import Card
from edustream_ml.leakage.settings import Leakage
from edustream_ml.search.settings import Search
from edustream_ml.section import Section, Text, given_contract, refuse_duplicates
from edustream_ml.target import Target
from edustream_ml.tasks import Outcome, Task, outcome_of

PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Data(Section):
    """The data set: where it is, which bytes are meant, and what people must know about it."""

    path: Text
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    title: Text
    source: Text
    licence: Text
    known_traps: tuple[Text, ...] = ()


class CrossValidation(Section):
    """Repeated k-fold cross-validation; stratified where classes are predicted."""

    folds: Annotated[int, Field(ge=2, le=20)] = 5
    repeats: Annotated[int, Field(ge=1, le=20)] = 3


class Calibration(Section):
    """How calibration is measured: the number of equally wide bins of the probability."""

    bins: Annotated[int, Field(ge=2, le=50)] = 10


class Configuration(Section):
    """Everything that decides about a training run, apart from the contract and the code."""

    model: str
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    data: Data
    target: Target
    dropped_columns: Annotated[dict[Text, Text], Field(default_factory=dict)]
    features: Features = Features()
    candidates: tuple[Candidate, ...]
    cross_validation: CrossValidation = CrossValidation()
    held_out_fraction: Annotated[float, Field(gt=0.0, le=0.5)] = 0.2
    calibration: Calibration = Calibration()
    thresholds: Thresholds
    gates: Gates = Gates()
    leakage: Leakage = Leakage()
    search: Search | None = None
    card: Card

    @field_validator("model")
    @classmethod
    def _has_a_contract(cls, model: str) -> str:
        if model not in contract_names():
            raise ValueError(f"{model!r} has no contract; there are contracts for {', '.join(contract_names())}")
        return model

    @field_validator("dropped_columns")
    @classmethod
    def _keeps_the_features(cls, dropped: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        contract = given_contract(info)
        needed = {field.name for field in contract.inputs} if contract else set()
        if both := sorted(dropped.keys() & needed):
            raise ValueError(f"{both[0]!r} is an input field of the contract and cannot be dropped")
        return dropped

    @field_validator("candidates")
    @classmethod
    def _names_differ(cls, candidates: tuple[Candidate, ...], info: ValidationInfo) -> tuple[Candidate, ...]:
        # Field(min_length=1) would also complain of every candidate that is wrong in itself.
        if not candidates:
            raise ValueError("names no candidate")
        refuse_duplicates([candidate.label for candidate in candidates], "candidates")
        contract = given_contract(info)
        task = outcome_of(contract).task if contract else None
        if task and (unfit := [candidate.label for candidate in candidates if task not in candidate.tasks]):
            raise ValueError(f"{unfit[0]!r} is no candidate for a {task} model")
        return candidates


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A checked configuration with the contract that it trains for, and the file that it came from.

    `given_data` is the data file where that is another than the configuration's.
    """

    configuration: Configuration
    contract: ModelContract
    path: Path
    sha256: str
    given_data: Path | None = None

    def with_data(self, path: Path) -> TrainingPlan:
        """The plan on another data file, whose digest is taken as it is.

        Raises `InvalidInput` (kind `data`) where it cannot be read, or has a name that no command could hold unquoted.
        """
        if not PLAIN_NAME.fullmatch(path.name):
            raise InvalidInput(
                "data",
                f"The data set {path} has no plain name, so the manifest's command could not name it.",
                remedy="rename it: letters, digits, and in between them . _ -",
            )
        try:
            digest = sha256_hex(path.read_bytes())
        except OSError as error:
            raise InvalidInput(
                "data",
                f"The data set {path} cannot be read: {error.strerror}.",
                remedy="name an existing file with --data.",
            ) from error
        data = self.configuration.data.model_copy(
            update={
                "path": str(path.resolve()),
                "sha256": digest,
                "title": f"{path.name}, given in place of {self.configuration.data.title}",
                "source": "Named on the command line; where these rows come from is not known here.",
                "licence": "not stated",
            }
        )
        return replace(self, configuration=self.configuration.model_copy(update={"data": data}), given_data=path)

    @property
    def data_path(self) -> Path:
        """The data file; a relative path is meant from the configuration's folder."""
        return self.path.parent / self.configuration.data.path

    @property
    def outcome(self) -> Outcome:
        """What the contract asks for."""
        return outcome_of(self.contract)

    @property
    def task(self) -> Task:
        """The kind of question that the contract asks."""
        return self.outcome.task

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes in the order of the columns of probabilities: sorted; none for a regression."""
        return self.outcome.classes

    @property
    def positive(self) -> str:
        """Of a binary model, the class that is looked for."""
        positive = self.configuration.target.positive or self.outcome.promised
        if self.task is not Task.BINARY or positive is None:
            raise ValueError(f"a {self.task} model has no positive class")
        return positive

    @property
    def negative(self) -> str:
        """Of a binary model, the other class."""
        (negative,) = (name for name in self.classes if name != self.positive)
        return negative


class _UniqueKeyLoader(yaml.SafeLoader):
    """Safe YAML whose keys are unique, as YAML demands; PyYAML would silently take the last of two.

    A day that no calendar has is a mistake with its line.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                said = f"the key {key.value!r} occurs twice"
                raise yaml.constructor.ConstructorError(None, None, said, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_yaml_timestamp(self, node: yaml.ScalarNode) -> Any:
        try:
            return super().construct_yaml_timestamp(node)
        except ValueError as error:
            said = f"{node.value} is no day: {error}"
            raise yaml.constructor.ConstructorError(None, None, said, node.start_mark) from error


_UniqueKeyLoader.add_constructor("tag:yaml.org,2002:timestamp", _UniqueKeyLoader.construct_yaml_timestamp)


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
