"""What an experiment says, as its code tells."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator

from edustream_lab.experiment import Experiment


def said(experiment: Experiment, *kinds: str) -> dict[str, list[set[str]]]:
    """The keys that an experiment says by these methods of its teller, each with the blanks that are filled."""
    found: dict[str, list[set[str]]] = {}
    for key, call in _calls(experiment, *kinds):
        found.setdefault(key, []).append({keyword.arg for keyword in call.keywords if keyword.arg})
    return found


def measured(experiment: Experiment) -> set[str]:
    """The names of the figures that an experiment measures."""
    return {name for name, _ in _calls(experiment, "measured")}


def _calls(experiment: Experiment, *kinds: str) -> Iterator[tuple[str, ast.Call]]:
    module = sys.modules[experiment.tell.__module__]
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in kinds:
            key = node.args[0]
            if isinstance(key, ast.Constant):
                yield str(key.value), node
