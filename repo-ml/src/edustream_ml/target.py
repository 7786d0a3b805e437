"""The configuration's section `target`: what is predicted, and on which scale a number is learned."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import ValidationInfo, field_validator, model_validator

from edustream_ml.section import Section, Text, given_contract
from edustream_ml.tasks import Task, outcome_of

Scale = Literal["linear", "log"]


class Target(Section):
    """The column to be predicted.

    `positive` is, of two classes, the one that is looked for; it may be left out where the contract promises the
    probability of one class alone. `scale` is that on which a number is learned and R2 is taken: `log` is the natural
    logarithm, for numbers above 0 whose errors grow with them. Answers are in the contract's unit on either.
    """

    column: Text
    positive: Text | None = None
    scale: Scale = "linear"

    @field_validator("column")
    @classmethod
    def _is_no_feature(cls, column: str, info: ValidationInfo) -> str:
        contract = given_contract(info)
        if contract and column in {field.name for field in contract.inputs}:
            raise ValueError(f"{column!r} is an input field of the contract, so it cannot be the target")
        return column

    @field_validator("positive")
    @classmethod
    def _is_the_contracts(cls, positive: str | None, info: ValidationInfo) -> str | None:
        contract = given_contract(info)
        if contract is None or positive is None:
            return positive
        outcome = outcome_of(contract)
        if outcome.task is not Task.BINARY:
            raise ValueError(f"{positive!r} is for two classes, and the contract asks for a {outcome.task} model")
        allowed = (outcome.promised,) if outcome.promised else outcome.classes
        if positive not in allowed:
            raise ValueError(f"{positive!r} is not {allowed[0]!r}, whose probability the contract promises")
        return positive

    @field_validator("scale")
    @classmethod
    def _is_of_a_number(cls, scale: Scale, info: ValidationInfo) -> Scale:
        contract = given_contract(info)
        if contract and scale != "linear" and outcome_of(contract).task is not Task.REGRESSION:
            raise ValueError(f"{scale!r} is for numbers, and the contract asks for one of several classes")
        return scale

    @model_validator(mode="after")
    def _says_which_class(self, info: ValidationInfo) -> Self:
        contract = given_contract(info)
        outcome = outcome_of(contract) if contract else None
        if outcome and outcome.task is Task.BINARY and not (self.positive or outcome.promised):
            raise ValueError(f"positive is missing: say which of {', '.join(outcome.classes)} is looked for")
        return self
