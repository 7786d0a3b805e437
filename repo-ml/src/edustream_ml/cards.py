"""Model card and data card in Markdown, made from `metrics.json` and the configuration alone."""

from __future__ import annotations

from functools import partial
from typing import Any

from edustream_contracts.meaning import admitted
from edustream_ml.columns import optional_fields
from edustream_ml.configuration import TrainingPlan
from edustream_ml.plots import Document, released_plots
from edustream_ml.rendering import templates


def model_card(document: Document, plan: TrainingPlan) -> str:
    """The model card (Mitchell and others, 2019) of the model that `document`, a `metrics.json`, is about."""
    slice_metrics = sorted({name for part in document["slices"] for name in part["metrics"]})
    (chosen,) = (one for one in document["candidates"] if one["name"] == document["chosen"])
    return _render(
        "model_card.md.j2",
        document,
        plan,
        chosen=chosen,
        slice_metrics=slice_metrics,
        plots=released_plots(document),
        absent=_absent(plan),
    )


def data_card(document: Document, plan: TrainingPlan) -> str:
    """The data card: provenance, licence, columns, missing cells, sensitive columns, known traps."""
    return _render("data_card.md.j2", document, plan)


def _render(template: str, document: Document, plan: TrainingPlan, **more: Any) -> str:
    environment = templates()
    environment.filters["admitted"] = partial(admitted, unit=False)
    environment.filters["cell"] = _cell
    return environment.get_template(template).render(
        found=document, plan=plan, configuration=plan.configuration, **more
    )


def _absent(plan: TrainingPlan) -> dict[str, bool]:
    """Of which kinds of fields a row may lack a value; dates are told apart."""
    optional = optional_fields(plan.contract)
    dates = {dates.column for dates in plan.configuration.features.dates}
    fields = [field for field in plan.contract.inputs if field.nullable or field.name in optional]
    numbers = [field.name for field in fields if field.is_numeric]
    return {
        "numbers": bool(set(numbers) - plan.configuration.features.missing_values.keys()),
        "texts": bool({field.name for field in fields} - {*numbers, *dates}),
    }


def _cell(text: Any) -> str:
    """A text that may stand in a Markdown table."""
    return " ".join(str(text).replace("|", "\\|").split())
