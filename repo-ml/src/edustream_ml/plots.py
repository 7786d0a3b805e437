"""Plots of the figures in `metrics.json`: as PNG files, and as SVG that takes its colours from the page around it.

Neither holds a date or a program's name, so that equal figures have equal bytes.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO, StringIO
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from edustream_ml.metric_titles import metric_title
from edustream_ml.tasks import Task

DPI: Final = 120
SIZE_INCHES: Final = (6.0, 4.5)
INK: Final = "#24292f"
REFERENCE: Final = "#8a8a8a"
SERIES: Final = ("#1f5fa8", "#b3470f", "#23803a", "#7a3fc8", "#8d6708", "#0b7a7c", "#b92c70", "#555e68")
# What the colours are called in the page's style sheet, which has other values for them on a dark ground.
VARIABLES: Final = {INK: "--ink", REFERENCE: "--muted"} | {
    colour: f"--series-{number}" for number, colour in enumerate(SERIES)
}
STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": REFERENCE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}
SHOWN_COLUMNS: Final = 20
SHOWN_NAME: Final = 32
FEW_VALUES: Final = 3
SHOWN_TICK: Final = 12

Document = Mapping[str, Any]
Draw = Callable[..., None]
"""Draws onto axes what the argument `document` holds."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot that can be drawn: its title, what it shows in words, and how tall it is in inches."""

    title: str
    description: str
    draw: Callable[[Axes], None]
    width: float = SIZE_INCHES[0]
    height: float = SIZE_INCHES[1]

    def png(self) -> bytes:
        """The plot with its title as a PNG file on white."""
        with mpl.rc_context({**mpl.rcParamsDefault, **STYLE}):
            figure, axes = self._figure(DPI)
            FigureCanvasAgg(figure)
            axes.set_title(self.title)
            _spell_out(figure, axes)
            _lay_out(figure)
            image = BytesIO()
            figure.savefig(image, format="png", metadata={"Software": None})
        return image.getvalue()

    def svg(self, name: str) -> str:
        """The plot as an `<svg>` element without a title, on no ground; `name` sets its ids apart from other plots'."""
        with mpl.rc_context({**mpl.rcParamsDefault, **STYLE, "svg.hashsalt": name}):
            figure, _ = self._figure(FigureCanvasSVG.fixed_dpi)
            FigureCanvasSVG(figure)
            image = StringIO()
            unsaid = {"Date": None, "Creator": None, "Format": None, "Type": None}
            with warnings.catch_warnings():
                # The texts remain texts, which the reader's own fonts draw.
                warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
                _lay_out(figure)
                figure.savefig(image, format="svg", metadata=unsaid, transparent=True)
        drawn = image.getvalue()
        drawn = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", drawn[drawn.index("<svg") :])
        for colour, variable in VARIABLES.items():
            drawn = drawn.replace(colour, f"var({variable})")
        return drawn.strip()

    def _figure(self, dpi: int) -> tuple[Figure, Axes]:
        figure = Figure(figsize=(self.width, self.height), dpi=dpi)
        axes = figure.add_subplot()
        self.draw(axes)
        return figure, axes


def released_plots(document: Document) -> dict[str, Plot]:
    """The plots that a release holds as files, by name."""
    curves: dict[str, tuple[Draw, str, str]] = {
        "roc": (
            _roc,
            "ROC curve",
            "The share of a class that is found, over the share of the others that is taken for it.",
        ),
        "precision_recall": (
            _precision_recall,
            "Precision and recall",
            "How many of the rows that are taken for a class are of it, over the share of the class that is found.",
        ),
        "calibration": (
            _calibration,
            "Calibration",
            "How often a class occurs among rows of like probability; on the diagonal, as often as promised.",
        ),
    }
    residuals: dict[str, tuple[Draw, str, str]] = {
        "predicted": (
            _predicted,
            "Observed over predicted",
            "Means of rows with neighbouring predictions; on the diagonal, the prediction is right on average.",
        ),
        "residuals": (
            _residuals,
            "Residuals",
            "Observed minus predicted, for rows with neighbouring predictions: the median, the middle half, and the "
            "range of most rows.",
        ),
        "residual_histogram": (
            _residual_histogram,
            "Distribution of the residuals",
            "How many rows are off by how much.",
        ),
    }
    of_the_task = residuals if document["task"] == Task.REGRESSION else curves
    shown = len(document["inspection"]["importance"][:SHOWN_COLUMNS])
    return {
        **{
            name: Plot(f"{title}, held-out rows", description, partial(draw, document=document))
            for name, (draw, title, description) in of_the_task.items()
        },
        "feature_importance": Plot(
            "Permutation importance, held-out rows",
            "What the model loses when a column is shuffled; the lines are one standard deviation over the repeats.",
            partial(_importance, document=document),
            height=1.0 + 0.22 * shown,
        ),
    }


def candidate_plot(document: Document) -> Plot:
    """Every candidate's score on every fold."""
    return Plot(
        "Cross-validation of every candidate",
        "Each dot is one fold, each bar the mean.",
        partial(_candidates, document=document),
        height=1.0 + 0.4 * len(document["candidates"]),
    )


def dependence_plots(document: Document) -> dict[str, Plot]:
    """One small plot for each column whose partial dependence is known, all on the same scale."""
    effects = [effect for one in document["inspection"]["partial_dependence"] for effect in one["effects"]]
    lowest = min((value for effect in effects for value in effect["low"]), default=0.0)
    highest = max((value for effect in effects for value in effect["high"]), default=1.0)
    margin = 0.05 * (highest - lowest or 1.0)
    limits = (lowest - margin, highest + margin)
    return {
        dependence["column"]: Plot(
            dependence["column"],
            f"The mean answer where every row has the same {dependence['column']}, and where most answers lie.",
            partial(_dependence, dependence=dependence, limits=limits),
            width=4.0,
            height=3.0,
        )
        for dependence in document["inspection"]["partial_dependence"]
    }


def _roc(axes: Axes, document: Document) -> None:
    axes.plot([0, 1], [0, 1], color=REFERENCE, linestyle="--", label="chance")
    for curve, colour in zip(document["inspection"]["curves"], SERIES, strict=False):
        line = curve["roc"]
        axes.plot(line["x"], line["y"], color=colour, label=f"{_short(curve['name'])} (area {curve['roc_auc']:.3f})")
    axes.set(xlabel="False positive rate", ylabel="True positive rate", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(loc="lower right")


def _precision_recall(axes: Axes, document: Document) -> None:
    for curve, colour in zip(document["inspection"]["curves"], SERIES, strict=False):
        line = curve["precision_recall"]
        label = f"{_short(curve['name'])} (average precision {curve['average_precision']:.3f})"
        axes.axhline(curve["share"], color=colour, linestyle="--", linewidth=0.8)
        axes.plot(line["x"], line["y"], color=colour, label=label)
    axes.plot([], [], color=REFERENCE, linestyle="--", linewidth=0.8, label="chance")
    axes.set(xlabel="Recall", ylabel="Precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(loc="best")


def _calibration(axes: Axes, document: Document) -> None:
    axes.plot([0, 1], [0, 1], color=REFERENCE, linestyle="--", label="perfect")
    for curve, colour in zip(document["inspection"]["curves"], SERIES, strict=False):
        bins = [found for found in curve["calibration"] if found["rows"]]
        promised = [found["mean_probability"] for found in bins]
        observed = [found["positive_share"] for found in bins]
        axes.plot(promised, observed, color=colour, marker="o", markersize=4, label=_short(curve["name"]))
    axes.set(xlabel="Mean probability in the bin", ylabel="Share of the class", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axes.legend(loc="upper left")


def _predicted(axes: Axes, document: Document) -> None:
    bands = document["inspection"]["residuals"]["bands"]
    predicted = [band["mean_predicted"] for band in bands]
    observed = [band["mean_observed"] for band in bands]
    ends = [min(predicted + observed), max(predicted + observed)]
    axes.plot(ends, ends, color=REFERENCE, linestyle="--", label="perfect")
    axes.plot(predicted, observed, color=SERIES[0], marker="o", markersize=4, label="mean of the rows")
    axes.set(xlabel="Predicted", ylabel="Observed")
    axes.legend(loc="upper left")


def _residuals(axes: Axes, document: Document) -> None:
    bands = document["inspection"]["residuals"]["bands"]
    predicted = [band["mean_predicted"] for band in bands]
    for low, high, alpha, label in (("q05", "q95", 0.15, "most rows"), ("q25", "q75", 0.3, "middle half")):
        lows, highs = [band[low] for band in bands], [band[high] for band in bands]
        axes.fill_between(predicted, lows, highs, color=SERIES[0], alpha=alpha, linewidth=0, label=label)
    axes.axhline(0, color=REFERENCE, linestyle="--", linewidth=0.8)
    axes.plot(predicted, [band["q50"] for band in bands], color=SERIES[0], marker="o", markersize=4, label="median")
    axes.set(xlabel="Predicted", ylabel="Observed minus predicted")
    axes.legend(loc="best")


def _residual_histogram(axes: Axes, document: Document) -> None:
    found = document["inspection"]["residuals"]
    axes.stairs(found["counts"], found["edges"], fill=True, color=SERIES[0])
    axes.axvline(0, color=REFERENCE, linestyle="--", linewidth=0.8)
    axes.set(xlabel="Observed minus predicted", ylabel="Rows")


def _importance(axes: Axes, document: Document) -> None:
    shown = document["inspection"]["importance"][:SHOWN_COLUMNS][::-1]
    axes.barh(
        range(len(shown)),
        [importance["mean"] for importance in shown],
        xerr=[importance["std"] for importance in shown],
        color=SERIES[0],
        error_kw={"ecolor": REFERENCE},
    )
    axes.set_yticks(range(len(shown)), [_short(importance["column"]) for importance in shown], fontsize=8)
    axes.axvline(0, color=REFERENCE, linewidth=0.8)
    axes.set(xlabel=f"Loss of {metric_title(document['selection_metric'])} when the column is shuffled")
    axes.margins(y=0.02)


def _candidates(axes: Axes, document: Document) -> None:
    shown = document["candidates"][::-1]
    for number, candidate in enumerate(shown):
        colour = SERIES[0] if candidate["name"] == document["chosen"] else REFERENCE
        folds = [fold[document["selection_metric"]] for fold in candidate["folds"]]
        axes.scatter(folds, [number] * len(folds), color=colour, s=14, alpha=0.6)
        axes.plot([candidate["mean"]] * 2, [number - 0.3, number + 0.3], color=colour, linewidth=2)
    axes.set_yticks(range(len(shown)), [_short(candidate["name"]) for candidate in shown])
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set(xlabel=f"{metric_title(document['selection_metric'])} on a fold", ylim=(-0.6, len(shown) - 0.4))


def _dependence(axes: Axes, dependence: Mapping[str, Any], limits: tuple[float, float]) -> None:
    values = dependence["values"]
    is_numeric = len(values) > FEW_VALUES and not any(isinstance(value, str) for value in values)
    places = values if is_numeric else list(range(len(values)))
    for effect, colour in zip(dependence["effects"], SERIES, strict=False):
        label = _short(effect["answer"])
        if is_numeric:
            axes.plot(places, effect["mean"], color=colour, label=label)
            axes.fill_between(places, effect["low"], effect["high"], color=colour, alpha=0.15, linewidth=0)
        else:
            axes.vlines(places, effect["low"], effect["high"], color=colour, alpha=0.3, linewidth=5)
            axes.plot(places, effect["mean"], color=colour, marker="o", markersize=4, linestyle="none", label=label)
    if is_numeric:
        axes.xaxis.set_major_locator(MaxNLocator(6))
    else:
        axes.set_xticks(places, [_tick(value) for value in values], fontsize=7)
        if len(values) > FEW_VALUES or max(map(len, map(str, values))) > SHOWN_TICK:
            axes.tick_params(axis="x", labelrotation=30)
    axes.set(ylabel="Mean answer", ylim=limits)
    if len(dependence["effects"]) > 1:
        axes.legend(fontsize=7)


def _lay_out(figure: Figure) -> None:
    """Make room for what stands around the axes. A figure that does so itself is drawn twice when it is saved."""
    ConstrainedLayoutEngine().execute(figure)


def _spell_out(figure: Figure, axes: Axes) -> None:
    r"""Write what the font cannot draw, e.g. Chinese letters, as its code points: \u5ba2 in place of an empty box."""
    for axis in (axes.xaxis, axes.yaxis):
        labels = [label.get_text() for label in axis.get_ticklabels()]
        if any(map(_missing, labels)):
            axis.set_ticks(axis.get_ticklocs(), labels=list(map(_spelled, labels)))
    for text in figure.findobj(Text):
        if _missing(text.get_text()):
            text.set_text(_spelled(text.get_text()))


@cache
def _drawn() -> frozenset[int]:
    """The code points that the plots' font can draw."""
    return frozenset(get_font(findfont(STYLE["font.sans-serif"][0])).get_charmap())


def _missing(text: str) -> bool:
    return not _drawn().issuperset(map(ord, text.replace("\n", "")))


def _spelled(text: str) -> str:
    return "".join(
        letter if letter == "\n" or ord(letter) in _drawn() else letter.encode("ascii", "backslashreplace").decode()
        for letter in text
    )


def _tick(value: float | str) -> str:
    return _short(value) if isinstance(value, str) else f"{value:g}"


def _short(name: str) -> str:
    # A dollar sign would begin a formula.
    cut = name if len(name) <= SHOWN_NAME else name[: SHOWN_NAME - 1] + "…"
    return cut.replace("$", r"\$")
