"""The README and its neighbours name only what exists."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from readme_tables import ENGLISH, Wording, sources, spanish, with_tables

from edustream_lab.places import Checkout

DOCUMENTS = [
    "README.md",
    "README.es.md",
    "contracts/README.md",
    "contracts/PROTOCOL.md",
    "contracts/adr/README.md",
    "artifact-registry/README.md",
    "repo-ml/README.md",
    "repo-api/README.md",
    "docs/role-play.md",
    "docs/role-play.es.md",
    "docs/monorepo-vs-multirepo.md",
    "docs/monorepo-vs-multirepo.es.md",
]
TRANSLATIONS = {
    "README.es.md": "README.md",
    "docs/role-play.es.md": "docs/role-play.md",
    "docs/monorepo-vs-multirepo.es.md": "docs/monorepo-vs-multirepo.md",
}


def tracked(checkout: Checkout) -> set[str]:
    listing = subprocess.run(["git", "ls-files"], cwd=checkout.root, check=True, capture_output=True, text=True)
    return set(listing.stdout.splitlines())


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(checkout: Checkout, document: str) -> None:
    text = (checkout.root / document).read_text()
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    folder = (checkout.root / document).parent
    assert [link for link in links if link and not (folder / link).exists()] == []


def make_targets(checkout: Checkout, document: str) -> set[str]:
    text = (checkout.root / document).read_text()
    return set(re.findall(r"(?:^|`|\$ )make (?:-C \.\. )?([a-z-]+)", text, re.MULTILINE))


@pytest.mark.parametrize("document", [document for document in DOCUMENTS if document not in TRANSLATIONS])
def test_make_targets_exist(checkout: Checkout, document: str) -> None:
    commands = {name: ["make", "--dry-run", "--always-make", name] for name in make_targets(checkout, document)}
    runs = {name: subprocess.run(command, cwd=checkout.root, capture_output=True) for name, command in commands.items()}
    assert {name for name, done in runs.items() if done.returncode} == set()


@pytest.mark.parametrize(("translation", "original"), TRANSLATIONS.items())
def test_a_translation_names_the_same_make_targets(checkout: Checkout, translation: str, original: str) -> None:
    assert make_targets(checkout, translation) == make_targets(checkout, original)


def test_paths_in_the_readme_exist(checkout: Checkout) -> None:
    """README.es.md names the same: `test_translations.py`."""
    named = re.findall(
        r"(?:`|\b)([A-Za-z0-9_./-]+/[A-Za-z0-9_.-]+\.(?:py|md|yml|yaml|json|sh|cast))\b",
        # `make train` looks for it in the producer's repo.
        (checkout.root / "README.md").read_text().replace("CONFIG=", "CONFIG=repo-ml/"),
    )
    made_on_the_way = {"repo-api/trust.json"}
    assert named
    assert [path for path in named if path not in made_on_the_way and not (checkout.root / path).is_file()] == []


def test_registry_commands_in_the_readme_exist(checkout: Checkout) -> None:
    texts = [(checkout.root / path).read_text() for path in ("README.md", "docs/role-play.md")]
    named = {name for text in texts for name in re.findall(r"edustream-registry ([a-z]+)", text)}
    listing = subprocess.run([checkout.registry_command, "--help"], check=True, capture_output=True, text=True).stdout
    assert named
    assert {name for name in named if not re.search(rf"│ {name}\b", listing)} == set()


def committed(checkout: Checkout, path: str) -> str:
    command = ["git", "show", f"HEAD:{path}"]
    return subprocess.run(command, cwd=checkout.root, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(("document", "wording"), [("README.md", ENGLISH), ("README.es.md", spanish())])
def test_the_readme_tells_the_speed_that_was_recorded(checkout: Checkout, document: str, wording: Wording) -> None:
    """What is committed: whoever runs a benchmark has other figures on the disk."""
    told = committed(checkout, document)
    results = {path: json.loads(committed(checkout, path)) for path in sources(told)}
    assert results
    for row in (row for one in results.values() for row in one["figures"]):
        if not row.get("paired"):
            assert row["ratio"] == pytest.approx(row["ours"] / row["theirs"], rel=0.01, abs=0.0005)
    assert with_tables(told, results, wording) == told, "run make bench-tables"


def test_no_file_names_a_machine_or_an_index(checkout: Checkout) -> None:
    forbidden = re.compile(rf"{re.escape(str(Path.home()))}/|{re.escape(str(checkout.root))}|--(extra-)?index-url")
    texts = [path for path in sorted(tracked(checkout)) if not path.endswith((".png", ".csv", ".lock", ".onnx"))]
    found = [
        path
        for path in texts
        if path != "scripts/tests/test_readme.py"
        and forbidden.search((checkout.root / path).read_text(errors="replace"))
    ]
    assert found == []
