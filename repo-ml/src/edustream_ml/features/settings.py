"""The configuration's section `features`: what is computed from the contract's fields before an estimator sees them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from edustream_ml.section import InputColumn, NumericColumn, Section, Text, given_contract, refuse_duplicates


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
        contract = given_contract(info)
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

    missing_values: Annotated[dict[NumericColumn, float], Field(default_factory=dict)]
    ratios: tuple[Ratio, ...] = ()
    counts: tuple[Count, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        refuse_duplicates(
            [ratio.name for ratio in self.ratios] + [count.name for count in self.counts], "derived features"
        )
        return self
