"""Draws the results of the benchmark: `plot.py serving.json serving.png`, in the producer's environment."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

OURS, OTHERS, MISSED = "#1f6f8b", "#b8c4cc", "#c8553d"


def throughput(axes: Axes, rates: dict[str, float]) -> None:
    """Requests a second of every server, the fastest at the top, on a logarithmic scale."""
    names = sorted(rates, key=rates.__getitem__)
    bars = axes.barh(names, [rates[name] for name in names])
    for name, bar in zip(names, bars, strict=True):
        bar.set_color(OURS if name.startswith("POST") else OTHERS)
        axes.annotate(
            f"{rates[name]:,.0f}",
            (rates[name], bar.get_y() + bar.get_height() / 2),
            (4, 0),
            va="center",
            textcoords="offset points",
        )
    axes.set(xscale="log", xlabel="requests/s", title="One row a request, one server core, 8 connections")
    axes.set_xlim(min(rates.values()) / 5, max(rates.values()) * 4)


def tails(axes: Axes, latencies: dict[str, dict[str, float]]) -> None:
    """Percentiles of latencies at a constant rate."""
    for label, percentiles in latencies.items():
        axes.plot(list(percentiles), list(percentiles.values()), marker="o", label=label)
    axes.set(ylabel="ms", ylim=(0, None), title="Latency of POST /predict at half of the peak load")
    axes.grid(axis="y", color="#e4e8eb")
    axes.legend(frameon=False)


def targets(axes: Axes, figures: list[dict[str, Any]]) -> None:
    """How far each ratio is from its target: to the right of the line it is met."""
    aimed = [row for row in figures if row["target"] != ">= 0"][::-1]
    margins = [_margin(row) for row in aimed]
    places = range(len(aimed))
    axes.hlines(places, 1, margins, color=OTHERS)
    axes.scatter(margins, places, color=[OURS if row["met"] else MISSED for row in aimed], zorder=3)
    labels = [f"{row['name']}\n{row['ratio']:g}, target {row['target']}" for row in aimed]
    axes.set_yticks(list(places), labels, fontsize=8)
    axes.axvline(1, color="#444444", linewidth=1)
    axes.set(xscale="log", xlabel="times better than the target", title="Every target")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")


def _margin(row: dict[str, Any]) -> float:
    sign, bound = row["target"].split()
    return row["ratio"] / float(bound) if sign == ">=" else float(bound) / row["ratio"]


def main(source: str, target: str) -> None:
    """Three panels; those without data are left out."""
    results = json.loads(Path(source).read_text())
    panels = [
        (throughput, results["throughput"]),
        (tails, results["latencies_ms"]),
        (targets, results["figures"]),
    ]
    shown = [(draw, data) for draw, data in panels if data]
    heights = [0.3 * len(data) + 1 if draw is not tails else 3.5 for draw, data in shown]
    heights = [1.5 * height if draw is targets else height for (draw, _), height in zip(shown, heights, strict=True)]
    figure, axes = plt.subplots(
        len(shown), 1, figsize=(10, sum(heights)), height_ratios=heights, layout="constrained", squeeze=False
    )
    for place, (draw, data) in zip(axes.flat, shown, strict=True):
        draw(place, data)
        place.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
