"""The configuration's section `features`: what is computed from the contract's fields before an estimator sees them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from edustream_contracts.contract import ModelContract
from edustream_contracts.number_set import NumberSet
from edustream_contracts.tensor_range import FLOAT32_MAX
from edustream_contracts.value_set import Listed, admitted
from edustream_ml.features.dates import DatePart
from edustream_ml.section import InputColumn, NumericColumn, Section, Text, given_contract, refuse_duplicates


class Ratio(Section):
    """A feature: numerator / max(denominator, denominator_at_least)."""

    name: Text
    numerator: NumericColumn
    denominator: NumericColumn
    denominator_at_least: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _fits_a_tensor(self, info: ValidationInfo) -> Self:
        contract = given_contract(info)
        if contract and _largest(contract, self.numerator) / self.denominator_at_least > FLOAT32_MAX:
            raise ValueError(
                f"{self.name!r} may be beyond what a 32-bit number holds: raise denominator_at_least, or give "
                f"{self.numerator!r} closer bounds in the contract"
            )
        return self


class Count(Section):
    """A feature: in how many of the columns the value is one of those listed."""

    name: Text
    of: Annotated[dict[InputColumn, tuple[str | int, ...]], Field(min_length=1)]

    @field_validator("of")
    @classmethod
    def _values_exist(
        cls, of: dict[str, tuple[str | int, ...]], info: ValidationInfo
    ) -> dict[str, tuple[str | int, ...]]:
        contract = given_contract(info)
        fields = {field.name: field for field in contract.inputs} if contract else {}
        for name in of.keys() & fields.keys():
            allowed = fields[name].categories or ()
            if fields[name].is_numeric and (set(allowed) != {0, 1} or of[name] != (1,)):
                raise ValueError(f"{name!r} can be counted only where the contract allows it 0 and 1, and as [1]")
            if unknown := [value for value in of[name] if value not in allowed]:
                raise ValueError(f"{name!r} never has the value {unknown[0]!r}; the contract allows {list(allowed)}")
        return of


class Sum(Section):
    """A feature: the sum of numbers of one unit, e.g. the areas of all floors."""

    name: Text
    of: Annotated[tuple[NumericColumn, ...], Field(min_length=2)]

    @field_validator("of")
    @classmethod
    def _have_one_unit(cls, of: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        contract = given_contract(info)
        units = {field.unit for field in contract.inputs if field.name in of} if contract else set()
        if len(units) > 1:
            raise ValueError(f"{', '.join(of)} have different units, so their sum means nothing")
        refuse_duplicates(of, "addends")
        if contract and sum(_largest(contract, name) for name in of) > FLOAT32_MAX:
            raise ValueError(f"the sum of {', '.join(of)} may be beyond what a 32-bit number holds: give them bounds")
        return of


class Dates(Section):
    """Features of one column of ISO dates: the parts that are named; `days_since` counts from the day `since`."""

    column: InputColumn
    parts: Annotated[tuple[DatePart, ...], Field(min_length=1)]
    since: date | None = None

    @field_validator("column")
    @classmethod
    def _is_free_text(cls, column: str, info: ValidationInfo) -> str:
        contract = given_contract(info)
        if contract and column not in free_texts(contract):
            raise ValueError(f"{column!r} is no text without an enum in the contract, so it cannot hold dates")
        return column

    @model_validator(mode="after")
    def _counts_from_a_day(self) -> Self:
        refuse_duplicates(self.parts, "parts of a date")
        if ("days_since" in self.parts) != (self.since is not None):
            raise ValueError("days_since and since go together: name both, or none")
        return self


class RareCategories(Section):
    """Categories that fewer than so many training rows have share one column; in the named columns, or in all."""

    fewer_than: Annotated[int, Field(ge=2)]
    columns: tuple[InputColumn, ...] | None = None

    @field_validator("columns")
    @classmethod
    def _have_categories(cls, columns: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        _require_categories(columns or (), given_contract(info))
        return columns


class Features(Section):
    """Feature engineering beyond what the contract itself gives.

    `logarithms` are columns that linear candidates get as ln(1 + x). `target_encoding` names columns whose categories
    become the mean target of their rows. A column of texts becomes one kind of feature: its categories, grouped ones, a
    target encoding, or dates.
    """

    missing_values: dict[NumericColumn, float] = Field(default_factory=dict)
    ratios: tuple[Ratio, ...] = ()
    counts: tuple[Count, ...] = ()
    sums: tuple[Sum, ...] = ()
    logarithms: tuple[NumericColumn, ...] = ()
    dates: tuple[Dates, ...] = ()
    rare_categories: RareCategories | None = None
    target_encoding: tuple[InputColumn, ...] = ()

    @field_validator("logarithms")
    @classmethod
    def _are_not_negative(cls, columns: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        contract = given_contract(info)
        fields = {field.name: field for field in contract.inputs} if contract else {}
        for name in fields.keys() & set(columns):
            minimum = fields[name].minimum
            if minimum is None or minimum < 0:
                raise ValueError(f"{name!r} may be below 0: the contract's minimum is {minimum}")
        refuse_duplicates(columns, "logarithms")
        return columns

    @field_validator("target_encoding")
    @classmethod
    def _have_categories(cls, columns: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        _require_categories(columns, given_contract(info))
        return columns

    @model_validator(mode="after")
    def _names_differ(self, info: ValidationInfo) -> Self:
        names = [ratio.name for ratio in self.ratios] + [count.name for count in self.counts]
        names += [total.name for total in self.sums]
        refuse_duplicates(names, "derived features")
        contract = given_contract(info)
        fields = {field.name for field in contract.inputs} if contract else set()
        if taken := sorted(fields & set(names)):
            raise ValueError(f"{taken[0]!r} is an input field of the contract; a derived feature has a name of its own")
        return self

    @model_validator(mode="after")
    def _columns_have_one_use(self, info: ValidationInfo) -> Self:
        grouped = (self.rare_categories.columns if self.rare_categories else None) or ()
        counted = {name for count in self.counts for name in count.of}
        uses = [*(dates.column for dates in self.dates), *self.target_encoding, *grouped]
        if twice := sorted({name for name in uses if uses.count(name) > 1}):
            raise ValueError(f"{twice[0]!r} has two uses; a column of texts becomes one kind of feature")
        if both := sorted(counted & {*self.target_encoding, *grouped}):
            raise ValueError(f"the categories of {both[0]!r} are counted, so they cannot be grouped or encoded")
        contract = given_contract(info)
        unread = free_texts(contract) - {dates.column for dates in self.dates} if contract else set()
        if unread:
            raise ValueError(f"{min(unread)!r} is a text without an enum; name it under dates, or take it out")
        return self


def free_texts(contract: ModelContract) -> set[str]:
    """The input fields that are texts of which the contract lists no categories."""
    return {field.name for field in contract.inputs if not field.is_numeric and field.categories is None}


def _largest(contract: ModelContract, column: str) -> float:
    """How far from 0 a number of a column may be, in a 32-bit tensor."""
    allowed = admitted(contract.document["input"]["properties"][column]).body
    if isinstance(allowed, NumberSet):
        return min(max(abs(allowed.low), abs(allowed.high)), FLOAT32_MAX)
    return max((abs(float(value)) for value in allowed.values), default=0.0) if isinstance(allowed, Listed) else 1.0


def _require_categories(columns: Iterable[str], contract: ModelContract | None) -> None:
    fields = {field.name: field for field in contract.inputs} if contract else {}
    for name in columns:
        if name in fields and (fields[name].is_numeric or fields[name].categories is None):
            raise ValueError(f"{name!r} is no text with an enum in the contract")
