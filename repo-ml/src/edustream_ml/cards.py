"""Model card and data card, rendered from the same figures as `metrics.json`."""

from __future__ import annotations

from functools import partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from edustream_contracts.meaning import admitted
from edustream_contracts.metrics import reaches, relation
from edustream_ml.training import Training


def model_card(training: Training) -> str:
    """The model card (Mitchell and others, 2019) in Markdown."""
    thresholds = training.plan.configuration.thresholds
    return _render(
        "model_card.md.j2",
        training,
        metrics=[
            {
                "name": name,
                "value": value,
                "threshold": f"{relation(name)} {thresholds[name]:g}" if name in thresholds else "none",
                "kept": "" if name not in thresholds else "yes" if reaches(name, value, thresholds[name]) else "no",
            }
            for name, value in training.metrics.items()
        ],
    )


def data_card(training: Training) -> str:
    """The data card in Markdown: provenance, licence, columns, missing cells, known traps."""
    dataset = training.dataset
    names = [field.name for field in training.plan.contract.inputs]
    missing = {name: sum(row.get(name) is None for row in dataset.rows) for name in names}
    classes = {name: int((dataset.labels == name).sum()) for name in training.plan.classes}
    return _render("data_card.md.j2", training, missing=missing, classes=classes)


def _render(template: str, training: Training, **more: Any) -> str:
    environment = Environment(
        loader=PackageLoader("edustream_ml"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # The cards are Markdown, not HTML: escaping would change the texts.
        autoescape=False,  # noqa: S701
    )
    environment.filters["admitted"] = partial(admitted, unit=False)
    environment.filters["cell"] = _cell
    return environment.get_template(template).render(
        training=training, plan=training.plan, configuration=training.plan.configuration, **more
    )


def _cell(text: str) -> str:
    """A text that may stand in a Markdown table."""
    return " ".join(text.replace("|", "\\|").split())
