"""What people read of a release, for each kind of model: two classes, several, and a number."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from typing import Any

import pandas as pd
import pytest
import yaml
from conftest import REPOSITORY
from shown_numbers import PageText, unaccounted

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.contract import contract_from
from edustream_ml.cards import data_card, model_card
from edustream_ml.configuration import TrainingPlan, load_plan
from edustream_ml.data_summary import MOST_CATEGORIES, summarise
from edustream_ml.figures import exact, shown
from edustream_ml.metric_titles import metric_meaning, metric_title
from edustream_ml.plots import Plot, released_plots
from edustream_ml.progress import ProgressReport
from edustream_ml.report import report_page
from edustream_ml.tasks import METRICS, Task, measured_metrics
from edustream_ml.training import Training
from edustream_ml.workflow import train

FLOORS = {"churn": {"roc_auc": 0.55}, "plans": {"macro_f1": 0.3}, "housing": {"r2": 0.05}}
ROWS = 400
LARGEST_PAGE_BYTES = 1 << 20
SLICED = {"churn": ("female", 0.51), "plans": ("female", 0.3), "housing": ("Central_Air", 0.01)}

Document = dict[str, Any]


@dataclass(frozen=True)
class Written:
    """A metrics.json, its plan, and what is made from both."""

    document: Document
    plan: TrainingPlan
    page: str
    model_card: str
    data_card: str

    @property
    def sources(self) -> tuple[Any, ...]:
        return told(self.document), self.plan.configuration.model_dump(mode="json"), self.plan.contract.document

    @property
    def texts(self) -> dict[str, str]:
        return {
            "report.html": PageText(self.page).text,
            "model_card.md": self.model_card,
            "data_card.md": self.data_card,
        }


def told(document: Document) -> Document:
    """What may be told in words: all but the points of the curves, which would account for many a number."""
    curves = [
        {name: value for name, value in curve.items() if name not in ("roc", "precision_recall")}
        for curve in document["inspection"]["curves"]
    ]
    return {**document, "inspection": {**document["inspection"], "curves": curves}}


@pytest.fixture(scope="module", params=FLOORS)
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, report: ProgressReport
) -> Written:
    """What is written about a model that is trained in a moment."""
    folder = tmp_path_factory.mktemp(request.param)
    configuration = yaml.safe_load((REPOSITORY / "configs" / f"{request.param}.yaml").read_text(encoding="utf-8"))
    source = REPOSITORY / "configs" / configuration["data"]["path"]
    data = b"".join(source.read_bytes().splitlines(keepends=True)[: ROWS + 1])
    (folder / source.name).write_bytes(data)
    configuration["data"] |= {"path": source.name, "sha256": sha256_hex(data)}
    configuration["candidates"] = [
        {"estimator": "histogram_gradient_boosting", "max_iter": 5, "name": name} for name in ("one | <b>", "two")
    ]
    configuration["cross_validation"] = {"folds": 2, "repeats": 1}
    configuration["thresholds"] = FLOORS[request.param]
    column, at_least = SLICED[request.param]
    sliced = {"columns": [column], "at_least": at_least, "rows_at_least": 5}
    configuration["gates"] = {"resamples": 100, "worst_slice": sliced}
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    plan = load_plan(path)
    document = json.loads(json.dumps(train(plan, report, refused_too=True).report()))
    return Written(document, plan, report_page(document, plan), model_card(document, plan), data_card(document, plan))


def test_no_number_that_people_read_differs_from_metrics_json_or_the_plan(written: Written) -> None:
    for name, text in written.texts.items():
        assert unaccounted(text, *written.sources) == set(), name


def test_a_number_that_differs_would_be_found(written: Written) -> None:
    _, *plan = written.sources
    changed = copy.deepcopy(written.document)
    changed["metrics"] = {name: value * 1.01 + 0.0113 for name, value in written.document["metrics"].items()}
    changed["held_out"]["rows"] += 1
    changed["data"] = {}
    for name, text in written.texts.items():
        assert unaccounted(text, changed, *plan), name
    changed = copy.deepcopy(written.document)
    for one in changed["inspection"]["importance"]:
        one["mean"] += 0.0117
    assert unaccounted(written.texts["report.html"], changed, *plan)


def test_a_single_metric_that_differs_would_be_found(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    """One at a time: the number that a text then shows must be found there as one that nothing accounts for."""
    monkeypatch.setattr(Plot, "svg", lambda plot, name: "")
    for name in METRICS[written.plan.task]:
        changed = copy.deepcopy(written.document)
        changed["metrics"][name] = changed["metrics"][name] * 1.01 + 0.01377
        page = PageText(report_page(changed, written.plan)).text
        for text in (page, model_card(changed, written.plan)):
            assert shown(changed["metrics"][name]).replace(",", "") in unaccounted(text, *written.sources), name


def test_every_metric_is_read_with_its_interval(written: Written) -> None:
    document, plan, read = written.document, written.plan, written.texts
    for name in METRICS[plan.task]:
        interval = document["inspection"]["bootstrap"]["intervals"][name]
        said = f"{shown(interval['low'])} to {shown(interval['high'])}"
        for document_name in ("report.html", "model_card.md"):
            assert shown(document["metrics"][name]) in read[document_name]
            assert said in read[document_name], (name, document_name)


def test_cards_say_what_only_a_person_can_say(written: Written) -> None:
    plan, read = written.plan, written.texts
    card = plan.configuration.card
    for text in read.values():
        assert card.intended_use in text
        assert plan.configuration.data.licence in text
        assert all(said in text for said in (*card.limits, *card.ethics))
    for name in ("report.html", "model_card.md"):
        assert all(use in read[name] for use in card.out_of_scope)
        assert card.licence in read[name]
    for name, reason in card.sensitive_columns.items():
        assert re.search(rf"- `{name}` \(.+\): {re.escape(reason)}\n", read["data_card.md"])


def test_markdown_tables_have_as_many_cells_in_every_row(written: Written) -> None:
    for text in (written.model_card, written.data_card):
        tables = re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE)
        assert len(tables) > 1
        assert "\n\n\n\n" not in text
        for table in tables:
            cells = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
            assert len(cells) == 1, table
            assert re.fullmatch(r"\|(-+\|)+", table.splitlines()[1]), table


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def values(self, name: str) -> list[str]:
        return [value for _, attributes in self.found if (value := attributes.get(name)) is not None]


def test_the_page_needs_nothing_else(written: Written) -> None:
    page = written.page
    elements = Elements(page)
    names = {name for name, _ in elements.found}
    assert not names & {"script", "link", "img", "iframe", "object", "image", "a:href", "base", "form"}
    assert not [value for name in ("src", "srcset", "data", "action") for value in elements.values(name)]
    ids = elements.values("id")
    assert len(ids) == len(set(ids))
    references = [*elements.values("href"), *elements.values("xlink:href")]
    assert references
    assert all(reference[0] == "#" and reference[1:] in ids for reference in references)
    clips = re.findall(r"url\(([^)]*)\)", page)
    assert all(clip[0] == "#" and clip[1:] in ids for clip in clips)
    assert re.search(r"@import|http-equiv=.refresh|\bon[a-z]+=", page) is None
    assert "default-src 'none'" in page


def test_every_colour_of_the_page_has_a_value_for_light_and_for_dark(written: Written) -> None:
    page = written.page
    used = set(re.findall(r"var\((--[a-z0-9-]+)\)", page))
    assert {"--ink", "--series-0", "--muted"} <= used
    style = page[page.index("<style>") : page.index("</style>")]
    light, dark = style.split("prefers-color-scheme: dark")
    for name in used - {"--share"}:
        assert f"{name}:" in light, name
        assert f"{name}:" in dark, name
    assert "@media print" in style
    svg = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    assert svg
    assert re.findall(r"#[0-9a-f]{6}\b", svg) == []


def test_equal_figures_have_equal_bytes(written: Written) -> None:
    again = copy.deepcopy(written.document)
    answers = "predicted" if written.plan.task is Task.REGRESSION else "roc"
    ours, theirs = released_plots(written.document), released_plots(again)
    assert ours["feature_importance"].png() == theirs["feature_importance"].png()
    assert ours[answers].svg("one") == theirs[answers].svg("one")
    assert model_card(again, written.plan) == written.model_card
    assert data_card(again, written.plan) == written.data_card


def test_each_kind_of_model_has_the_sections_that_tell_of_it(written: Written) -> None:
    document, plan = written.document, written.plan
    ids = set(Elements(written.page).values("id"))
    assert document["slices"]
    assert document["gates"]
    assert {"metrics", "gates", "candidates", "answers", "importance", "dependence", "slices", "use", "origin"} <= ids
    assert ("confusion" in ids) == plan.task.is_classification
    plots = set(released_plots(document))
    if plan.task is Task.REGRESSION:
        assert plots == {"predicted", "residuals", "residual_histogram", "feature_importance"}
    else:
        assert plots == {"roc", "precision_recall", "calibration", "feature_importance"}
    assert written.page.count("<svg") == len(plots) + 1 + len(document["inspection"]["partial_dependence"])
    assert "one | &lt;b&gt;" in written.page
    assert r"one \| <b>" in written.model_card
    for part in document["slices"]:
        assert f"| `{part['column']}` | {part['value']} | {part['rows']} |" in written.model_card


FLOOR = {
    "name": "roc_auc",
    "kind": "floor",
    "value": 0.61,
    "interval": {"low": 0.5, "high": 0.7},
    "limit": 0.8,
    "relation": "at least",
    "kept": False,
    "explanation": "is 0.6100; at least 0.8 is asked",
}
CHAMPION = {**FLOOR, "name": "champion", "kind": "champion", "value": None, "interval": None, "kept": None}


@pytest.fixture(scope="module")
def odd(small_training: Training) -> tuple[Document, TrainingPlan, str]:
    """A refused model of a thousand columns and a hundred slices, whose texts look like elements; and its page."""
    document = small_training.report()
    importance = document["inspection"]["importance"][0]
    dependence = document["inspection"]["partial_dependence"][0]
    document["inspection"] = {
        **document["inspection"],
        "importance": [{**importance, "column": "<script>" + "c" * 60 + str(number)} for number in range(1000)],
        "partial_dependence": [{**dependence, "column": "a $ and a $"}],
    }
    one = {"column": "female", "value": "<script>", "metrics": {"accuracy": 0.812345}}
    document["slices"] = [{**one, "rows": number} for number in range(100)]
    document["slices"][7]["metrics"] = {"f1": 0.5}
    document["gates"] = [FLOOR, CHAMPION]
    described = {**small_training.plan.contract.document, "description": "<script>alert(1)</script> & $x$"}
    plan = replace(small_training.plan, contract=contract_from(described))
    return document, plan, report_page(document, plan)


def test_texts_are_texts_and_no_elements(odd: tuple[Document, TrainingPlan, str]) -> None:
    _, _, page = odd
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; $x$" in page
    assert "a $ and a $" in PageText(page).text


def test_a_gate_that_says_no_is_named_at_the_top(odd: tuple[Document, TrainingPlan, str]) -> None:
    document, plan, page = odd
    assert '<p class="verdict no">Refused by <code>roc_auc</code>.' in page
    assert "✗ no" in page
    card = model_card(document, plan)
    assert "| ROC AUC | 0.6100 | at least 0.8 | no | is 0.6100; at least 0.8 is asked |" in card
    assert "| champion | – | at least 0.8 | – |" in card  # noqa: RUF001


def test_a_slice_without_a_metric_says_so(odd: tuple[Document, TrainingPlan, str]) -> None:
    document, plan, _ = odd
    card = model_card(document, plan)
    assert "| `female` | <script> | 41 | 0.8123 | – |" in card  # noqa: RUF001
    assert "| `female` | <script> | 7 | – | 0.5000 |" in card  # noqa: RUF001


def test_the_page_stays_small(written: Written, odd: tuple[Document, TrainingPlan, str]) -> None:
    assert len(written.page.encode()) < LARGEST_PAGE_BYTES / 2
    assert len(odd[2].encode()) < LARGEST_PAGE_BYTES


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),  # noqa: RUF001
        (7043, "7,043"),
        (0.84321, "0.8432"),
        (12.345, "12.35"),
        (181234.5678, "181,235"),
        (-0.00001, "0.0000"),
        ("Yes", "Yes"),
    ],
)
def test_figures_are_written_with_the_digits_that_their_size_deserves(value: Any, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.845, "0.845"), (20.0, "20"), (5_000_000, "5,000,000"), (1e-5, "1e-05")],  # noqa: RUF001
)
def test_what_was_chosen_is_written_exactly(value: float | None, text: str) -> None:
    assert exact(value) == text


def test_every_metric_has_a_name_and_a_meaning_for_people() -> None:
    for task in Task:
        for name in measured_metrics(task):
            assert "_" not in metric_title(name)
            assert metric_meaning(name), name
    assert metric_title("worst_slice") == "worst slice"
    assert metric_title("worst_slice_macro_f1") == "Macro F1, worst slice"
    assert metric_title("champion_roc_auc_difference") == "ROC AUC, model minus champion"
    assert metric_title("size_mib") == "Size in MiB"
    assert metric_meaning("worst_slice") == ""


def test_numbers_are_found_in_a_text_and_words_with_digits_are_not() -> None:
    text = "F1 of 0.5000 on 1,200 rows, SHA-256 12ab, to 1e-05; R2 -3"
    assert unaccounted(text, {"a": 0.5, "b": 1200, "c": 1e-5, "d": -3}) == set()
    assert unaccounted(text, {}) == {"0.5000", "1200", "1e-05", "-3"}
    assert unaccounted("0.5001", {"a": 0.5}) == {"0.5001"}


def test_free_texts_are_counted_and_not_told(small_training: Training) -> None:
    dataset = small_training.dataset
    name = "internet_service"
    free = tuple(replace(field, categories=None) if field.name == name else field for field in dataset.fields)
    told, counted = (summarise(given).columns[name] for given in (dataset, replace(dataset, fields=free)))
    assert told.categories is not None
    assert sum(told.categories.values()) == len(dataset)
    assert (counted.categories, counted.distinct) == (None, len(told.categories))


def test_a_column_of_nulls_and_one_of_many_categories_have_a_summary(small_training: Training) -> None:
    dataset = small_training.dataset
    columns = dataset.columns.assign(
        tenure=float("nan"), contract=pd.Categorical([str(number % 30) for number in range(len(dataset))])
    )
    found = summarise(replace(dataset, columns=columns)).columns
    assert (found["tenure"].missing, found["tenure"].median) == (len(dataset), None)
    categories = found["contract"].categories
    assert categories is not None
    assert len(categories) == MOST_CATEGORIES
    assert sum(categories.values()) + (found["contract"].others or 0) == len(dataset)
