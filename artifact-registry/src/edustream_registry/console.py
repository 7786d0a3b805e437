"""How the command line speaks: one console for what was asked, one for errors, tables for people, JSON for programs."""

from __future__ import annotations

import json
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

OUT: Final = Console(soft_wrap=True, highlight=False, emoji=False)
ERR: Final = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)


def say(text: str) -> None:
    """One line on stdout; nothing in it counts as markup."""
    OUT.print(escape(text))


def print_json(document: Any) -> None:
    """A JSON document on stdout, for programs."""
    OUT.print(json.dumps(document, indent=2), markup=False)


def new_table(*columns: str) -> Table:
    """A plain table whose cells wrap instead of losing their ends."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
