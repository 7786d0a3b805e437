"""The configuration's section `search`: which hyper-parameters are varied, and how long."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from edustream_ml.candidates import Candidate
from edustream_ml.section import Section, Text, given_contract, refuse_duplicates
from edustream_ml.tasks import outcome_of

Value = int | float | bool | str | None


class Interval(Section):
    """All numbers from `low` to `high`, both included; whole ones where both are. `log` draws orders of magnitude."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _holds_numbers(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low {self.low} is not above 0, and log draws orders of magnitude")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether whole numbers alone are drawn."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def edges(self) -> tuple[Value, ...]:
        """Values of which all are valid if every value that may be drawn is."""
        return (self.low, self.high)


class Choices(Section):
    """The values that are listed."""

    choices: Annotated[tuple[Value, ...], Field(min_length=2)]

    @property
    def edges(self) -> tuple[Value, ...]:
        """Values of which all are valid if every value that may be drawn is."""
        return self.choices


class Space(Section):
    """A candidate with its fixed hyper-parameters, and the ranges of those that are varied."""

    candidate: Candidate
    vary: Annotated[dict[Text, Interval | Choices], Field(min_length=1)]

    @model_validator(mode="after")
    def _admits_every_value(self) -> Self:
        known = type(self.candidate).model_fields.keys() - {"estimator", "name"}
        for name, values in self.vary.items():
            if name not in known:
                raise ValueError(f"{self.candidate.estimator} has no hyper-parameter {name!r}")
            for value in values.edges:
                self._require(name, value)
        return self

    def _require(self, name: str, value: Value) -> None:
        try:
            self.with_values({name: value})
        except ValidationError as error:
            said = "; ".join(str(details["msg"]) for details in error.errors())
            raise ValueError(f"{name} cannot be {value!r}: {said}") from error

    def with_values(self, values: dict[str, Any]) -> Candidate:
        """The candidate with these hyper-parameters, under the name of its space."""
        given = {**self.candidate.model_dump(), **values, "name": self.label}
        return type(self.candidate).model_validate(given)

    @property
    def label(self) -> str:
        """What the best candidate of this space is called in reports."""
        return f"{self.candidate.label} (searched)"


class Search(Section):
    """How the search goes: at most `trials`, and none is begun when `budget_s` seconds of trials are over."""

    budget_s: Annotated[float, Field(gt=0)]
    trials: Annotated[int, Field(ge=1, le=10_000)] = 100
    spaces: Annotated[tuple[Space, ...], Field(min_length=1)]

    @field_validator("spaces")
    @classmethod
    def _fit_the_task(cls, spaces: tuple[Space, ...], info: ValidationInfo) -> tuple[Space, ...]:
        refuse_duplicates([space.label for space in spaces], "spaces of the search")
        contract = given_contract(info)
        task = outcome_of(contract).task if contract else None
        if task and (unfit := [space.candidate.label for space in spaces if task not in space.candidate.tasks]):
            raise ValueError(f"{unfit[0]!r} is no candidate for a {task} model")
        return spaces
