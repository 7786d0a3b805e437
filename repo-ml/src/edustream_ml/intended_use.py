"""The configuration's section `card`: what only a person can say about a model and the people whom it concerns."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edustream_ml.section import InputColumn, Section, Text

Texts = Annotated[tuple[Text, ...], Field(min_length=1)]


class Card(Section):
    """What the model is for, what it is not for, what it cannot do, whom it may harm, and who may use it.

    `sensitive_columns` are those that tell a protected group, each with what is to be watched there.
    """

    intended_use: Text
    out_of_scope: Texts
    limits: Texts
    ethics: Texts
    sensitive_columns: dict[InputColumn, Text] = Field(default_factory=dict)
    licence: Text
