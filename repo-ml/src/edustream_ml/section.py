"""What every section of the configuration is made of, and what each may ask of the contract while it is checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from edustream_contracts.contract import ModelContract


class Section(BaseModel):
    """A frozen part of the configuration that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def given_contract(info: ValidationInfo) -> ModelContract | None:
    """The contract that the configuration is checked against; None where the model that it names has none."""
    return info.context["contract"] if info.context else None


def refuse_duplicates(names: Sequence[str], what: str) -> None:
    """Raise `ValueError` that names the first of the names that occurs twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two {what} are called {twice[0]!r}; give each its own name")


def _input_column(name: str, info: ValidationInfo) -> str:
    contract = given_contract(info)
    if contract and name not in {field.name for field in contract.inputs}:
        raise ValueError(f"{name!r} is no input field of the contract")
    return name


def _numeric_column(name: str, info: ValidationInfo) -> str:
    contract = given_contract(info)
    if contract and name not in contract.numeric:
        raise ValueError(f"{name!r} is no numeric input field of the contract; there are {', '.join(contract.numeric)}")
    return name


InputColumn = Annotated[str, AfterValidator(_input_column)]
NumericColumn = Annotated[str, AfterValidator(_numeric_column)]
Text = Annotated[str, Field(min_length=1)]
