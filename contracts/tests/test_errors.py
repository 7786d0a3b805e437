from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path

import pytest

import edustream_contracts
from edustream_contracts.errors import EduStreamError, InvalidInput, NothingToServe, Problem, Rejected, Unreachable

CATEGORIES = EduStreamError.__subclasses__()
SOURCES = sorted(Path(edustream_contracts.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_category_has_kinds_and_is_explained(category: type[EduStreamError]) -> None:
    assert category.KINDS
    assert category.__doc__


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_declared_kind_is_accepted(category: type[EduStreamError]) -> None:
    for kind in category.KINDS:
        assert category(kind, "A fact.", remedy="do this.").kind == kind


@pytest.mark.parametrize("category", [*CATEGORIES, EduStreamError])
def test_an_undeclared_kind_is_a_mistake_of_the_programmer(category: type[EduStreamError]) -> None:
    with pytest.raises(ValueError, match=f"{category.__name__} has no kind 'typo'; add it to KINDS"):
        category("typo", "A fact.", remedy="do this.")


def test_released_kinds_stay() -> None:
    assert {
        "model_missing",
        "channel_empty",
        "release_missing",
        "no_version_matches",
        "file_missing",
        "yanked",
    } <= NothingToServe.KINDS
    assert {"connection", "credentials_missing", "credentials_refused", "bucket_missing"} <= Unreachable.KINDS


def test_the_protocol_names_every_kind() -> None:
    protocol = (Path(__file__).parents[1] / "PROTOCOL.md").read_text()
    section = protocol.split("\n7.5. ")[1].split("\n7.6. ")[0]
    stated = {
        category: frozenset(re.findall(r"`(\w+)`", kinds))
        for _, _, categories, cells, _ in (line.split("|") for line in section.splitlines() if line.startswith("| "))
        for category, kinds in zip(
            [name for name in categories.strip().split("; ") if name not in ("usage", "done", "category")],
            cells.split("; "),
            strict=False,
        )
    }

    assert stated == {category.__name__: category.KINDS for category in CATEGORIES}


def test_a_message_is_the_fact_the_problems_and_the_next_step() -> None:
    error = InvalidInput(
        "data",
        "Two cells are wrong.",
        remedy="correct them.",
        problems=[Problem("/rows/0", "is empty"), Problem("", "is odd")],
    )

    assert str(error) == "Two cells are wrong.\n  - /rows/0: is empty\n  - (document): is odd\nNext: correct them."
    assert error.args == ("Two cells are wrong.",)


def test_an_error_passes_to_another_process_whole() -> None:
    error = Rejected("digest", "It is 3 bytes long.", remedy="fetch it again.", problems=[Problem("/a", "is gone")])
    copied = pickle.loads(pickle.dumps(error))  # noqa: S301 - its own bytes
    assert type(copied) is Rejected
    assert (copied.kind, str(copied), copied.problems) == ("digest", str(error), error.problems)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_kind_that_the_package_raises_is_declared(path: Path) -> None:
    kinds = {category.__name__: category.KINDS for category in CATEGORIES}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds:
            kind = node.args[0]
            assert isinstance(kind, ast.Constant)
            assert kind.value in kinds[node.func.id]
