"""The configuration's section `leakage`: which suspects are none, and why."""

from __future__ import annotations

from pydantic import Field

from edustream_ml.section import InputColumn, Section, Text


class Leakage(Section):
    """Columns that the check suspects and that are known when a prediction is asked for, each with the reason."""

    accepted: dict[InputColumn, Text] = Field(default_factory=dict)
