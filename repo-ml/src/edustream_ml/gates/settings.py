"""The configuration's sections `thresholds`, the least that each metric must reach, and `gates`, all other demands."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from edustream_contracts.metrics import is_error, relation
from edustream_ml.section import InputColumn, Section, Text, given_contract
from edustream_ml.tasks import measured_metrics, outcome_of

# A model that answers the commonest class always reaches the share of that class: it says nothing about the model.
NO_GATE: Final = frozenset({"accuracy"})


def _metric(name: str, info: ValidationInfo) -> str:
    contract = given_contract(info)
    if contract is None:
        return name
    task = outcome_of(contract).task
    known = [metric for metric in measured_metrics(task) if metric not in NO_GATE]
    if name not in known:
        raise ValueError(f"{name!r} is no metric that a {task} model is held to; there are {', '.join(known)}")
    return name


def _can_be_kept(thresholds: dict[str, float]) -> dict[str, float]:
    """No score is above 1, and no error below 0."""
    for name, limit in thresholds.items():
        if not (limit >= 0 if is_error(name) else limit <= 1):
            bound = "an error is never below 0" if is_error(name) else "a score is never above 1"
            raise ValueError(f"no model keeps {relation(name)} {limit:g} as {name}: {bound}")
    return thresholds


MetricName = Annotated[str, AfterValidator(_metric)]
Thresholds = Annotated[dict[MetricName, float], Field(min_length=1), AfterValidator(_can_be_kept)]


def _category_column(name: str, info: ValidationInfo) -> str:
    contract = given_contract(info)
    fields = {field.name: field for field in contract.inputs} if contract else {}
    if name in fields and fields[name].kind != "boolean" and not fields[name].categories:
        raise ValueError(f"{name!r} has no listed categories in the contract, so it cannot be divided by them")
    return name


def _class(name: str, info: ValidationInfo) -> str:
    contract = given_contract(info)
    classes = outcome_of(contract).classes if contract else (name,)
    if name not in classes:
        known = ", ".join(classes) or "none, since it asks for a number"
        raise ValueError(f"{name!r} is no class of the contract; there are {known}")
    return name


CategoryColumn = Annotated[InputColumn, AfterValidator(_category_column)]
ClassName = Annotated[Text, AfterValidator(_class)]
Positive = Annotated[float, Field(gt=0)]
Rows = Annotated[int, Field(ge=1)]


class ChampionGate(Section):
    """No worse than the release that `channel` serves, on the same held-out rows.

    The lower end of the interval of the difference in the metric that chooses among the candidates must be at least
    -`margin`: a test of non-inferiority, which too few rows fail.
    """

    channel: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")] = "production"
    margin: Annotated[float, Field(ge=0)] = 0.01


class WorstSliceGate(Section):
    """The metric that chooses among the candidates, on the worst category of the columns that has enough rows."""

    columns: Annotated[tuple[CategoryColumn, ...], Field(min_length=1)]
    at_least: float
    rows_at_least: Rows = 50


class DisparateImpactGate(Section):
    """The lowest share of favourable answers among the categories of a column, divided by the highest."""

    column: CategoryColumn
    favourable: ClassName
    at_least: Annotated[float, Field(gt=0, le=1)] = 0.8
    rows_at_least: Rows = 50


class BusinessValueGate(Section):
    """What the decision about one row is worth on average; `payoffs` by true class, then by predicted class."""

    unit: Text
    payoffs: dict[ClassName, dict[ClassName, float]]
    at_least: float

    @field_validator("payoffs")
    @classmethod
    def _names_every_pair(
        cls, payoffs: dict[str, dict[str, float]], info: ValidationInfo
    ) -> dict[str, dict[str, float]]:
        contract = given_contract(info)
        classes = outcome_of(contract).classes if contract else ()
        if absent := [(is_, said) for is_ in classes for said in classes if said not in payoffs.get(is_, {})]:
            is_, said = absent[0]
            raise ValueError(f"has no payoff where {is_} is predicted as {said}")
        return payoffs


class LatencyGate(Section):
    """The median time in milliseconds that the exported model takes for one row, on the machine that trains."""

    at_most_ms: Positive


class SizeGate(Section):
    """The size of `model.onnx` in MiB."""

    at_most_mib: Positive


class Gates(Section):
    """Every demand beyond the thresholds; the champion's is always made, since every release replaces another one.

    `confidence` and `resamples` are those of all intervals, which are found by the bootstrap.
    """

    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 1000
    champion: ChampionGate = ChampionGate()
    worst_slice: WorstSliceGate | None = None
    disparate_impact: DisparateImpactGate | None = None
    business_value: BusinessValueGate | None = None
    latency: LatencyGate | None = None
    size: SizeGate | None = None
