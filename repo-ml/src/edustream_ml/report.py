"""The report of a release: one HTML page that needs nothing else, made from `metrics.json` and the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edustream_ml.configuration import TrainingPlan
from edustream_ml.plots import Document, Plot, candidate_plot, dependence_plots, released_plots
from edustream_ml.rendering import templates

REPORT: Final = "report.html"
LISTED_COLUMNS: Final = 100
"""Columns whose importance is listed, so that a page stays small however wide a data set is."""


def report_page(document: Document, plan: TrainingPlan) -> str:
    """The page as HTML; equal arguments give equal bytes.

    Args:
        document: the content of `metrics.json`.
        plan: what was to be trained.
    """
    plots = released_plots(document)
    page = templates().get_template("report.html.j2")
    return page.render(
        found=document,
        plan=plan,
        configuration=plan.configuration,
        intervals=document["inspection"]["bootstrap"]["intervals"],
        importance=document["inspection"]["importance"][:LISTED_COLUMNS],
        confusion=_shaded(document["held_out"]["confusion_matrix"]),
        refused=[gate["name"] for gate in document["gates"] if gate["kept"] is False],
        slice_metrics=sorted({name for part in document["slices"] for name in part["metrics"]}),
        answer_plots={name: plot for name, plot in plots.items() if name != "feature_importance"},
        importance_plot=plots["feature_importance"],
        candidate_plot=candidate_plot(document),
        dependence_plots=list(dependence_plots(document).values()),
        inline=_Inline(),
    )


class _Inline:
    """Draws plots into the page, each with ids of its own."""

    def __init__(self) -> None:
        self._drawn = 0

    def __call__(self, plot: Plot) -> str:
        self._drawn += 1
        return plot.svg(f"plot{self._drawn}")


def _shaded(confusion: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The rows of the confusion matrix, each cell with its share of the row, by which it is shaded."""
    if confusion is None:
        return []
    return [
        {
            "name": name,
            "cells": [{"rows": rows, "share": round(rows / max(sum(counts), 1), 2)} for rows in counts],
        }
        for name, counts in zip(confusion["classes"], confusion["counts"], strict=True)
    ]
