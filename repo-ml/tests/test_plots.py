from __future__ import annotations

from typing import Any

from edustream_ml.plots import Plot, released_plots


def importance_of(column: str) -> Plot:
    document: dict[str, Any] = {
        "task": "binary",
        "selection_metric": "roc_auc",
        "inspection": {
            "importance": [
                {"column": column, "mean": 0.2, "std": 0.01},
                {"column": "size in m²", "mean": 0.1, "std": 0.01},
            ]
        },
    }
    return released_plots(document)["feature_importance"]


def test_what_the_font_cannot_draw_is_spelled_out_in_a_png() -> None:
    assert importance_of("客户 A").png() == importance_of(r"\u5ba2\u6237 A").png()
    assert importance_of("客户 A").png() != importance_of("户客 A").png()


def test_what_the_font_cannot_draw_is_left_to_the_reader_of_a_page() -> None:
    drawn = importance_of("客户 A").svg("importance")
    assert "客户 A" in drawn
    assert "u5ba2" not in drawn
