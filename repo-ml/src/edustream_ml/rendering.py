"""How the templates of the documents are rendered, and how figures are written in them."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from edustream_ml.figures import exact, shown
from edustream_ml.metric_titles import metric_meaning, metric_title


def templates() -> Environment:
    """The templates of this package; texts are escaped in HTML, and not in Markdown, which that would change."""
    environment = Environment(
        loader=PackageLoader("edustream_ml"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=select_autoescape(["html.j2"]),
    )
    environment.filters["shown"] = shown
    environment.filters["exact"] = exact
    environment.filters["title_of"] = metric_title
    environment.filters["meaning_of"] = metric_meaning
    return environment
