"""/health as a page for a browser: the same document, nothing loaded from elsewhere, everything escaped."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, Final

MEDIA_TYPE: Final = "text/html"
HEADERS: Final = {
    # The page shows what a registry and its releases said of themselves, so nothing in it may ever run.
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "vary": "accept",
}
STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1b1f24;
       background: #fff }
h1 { font-size: 1.5rem } h1 span { border-radius: .3rem; padding: .1rem .6rem; color: #fff }
.ready { background: #1a7f37 } .failed { background: #b3261e }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; vertical-align: top; padding: .3rem .6rem;
       border-bottom: 1px solid #d8dee4 }
th { width: 14rem; font-weight: 600 } td { overflow-wrap: anywhere } ul { margin: 0; padding-left: 1.2rem }
@media (prefers-color-scheme: dark) { body { color: #e6edf3; background: #0d1117 } th, td { border-color: #30363d } }
"""


def prefers_page(accept: str) -> bool:
    """Whether an `Accept` header (RFC 9110, section 12.5.1) asks for HTML rather than for JSON; JSON wins a draw."""
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        weights[media] = _weight(parameters)
    json = weights.get("application/json", weights.get("application/*", weights.get("*/*", 0.0)))
    return weights.get(MEDIA_TYPE, 0.0) > json


def page(health: Mapping[str, Any], title: str) -> str:
    """The page that shows a health document: `ready`, and whatever else it holds."""
    ready = bool(health["ready"])
    state = escape(str(health.get("state", "READY" if ready else "NOT READY")))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}: {state}</title><style>{STYLE}</style></head><body>"
        f'<h1>{escape(title)} <span class="{"ready" if ready else "failed"}">{state}</span></h1>'
        f"{_shown(health)}</body></html>"
    )


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        rows = (
            f'<tr><th scope="row">{escape(_words(name))}</th><td>{_shown(of)}</td></tr>' for name, of in value.items()
        )
        return f"<table>{''.join(rows)}</table>"
    if isinstance(value, list):
        return f"<ul>{''.join(f'<li>{_shown(one)}</li>' for one in value)}</ul>" if value else "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "\N{EM DASH}" if value is None else escape(str(value))


def _words(name: str) -> str:
    return name.replace("_", " ").removesuffix(" s") + (" (s)" if name.endswith("_s") else "")
