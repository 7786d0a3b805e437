"""The role play in docs/: two people type every command of it, and see what is printed there."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edustream_lab.places import Checkout
from edustream_lab.processes import free_port
from edustream_lab.role_play import NotAsWritten, Terminal, Turn, play, turns

REPO_OF = {"ana": "repo-ml", "bruno": "repo-api"}
REGISTRY_COMMANDS = ("serve", "promote", "rollback", "history")
PROGRAM = re.compile(r"(?:\.venv/bin/python|/edustream-registry) ([\w.]+)([^|;>]*)")
PORT = re.compile(r"(?:(?<=127\.0\.0\.1:)|(?<=--port ))(?:8000|8333)")
DOCUMENT = """
```console
ana$ echo one; echo two
one
...
ana$ cd place
```

Then:

```console
bruno$ pwd
/.../home
```
"""


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[dict[str, Terminal]]:
    (tmp_path / "home" / "place").mkdir(parents=True)
    with ExitStack() as stack:
        opened = {person: Terminal(tmp_path / "home", {"WHO": person}) for person in REPO_OF}
        for terminal in opened.values():
            stack.callback(terminal.close)
        yield opened


def test_the_turns_of_a_document_are_read_in_order() -> None:
    assert turns(DOCUMENT) == [
        Turn("ana", "echo one; echo two", "one\n...\n"),
        Turn("ana", "cd place", ""),
        Turn("bruno", "pwd", "/.../home\n"),
    ]


def test_a_block_without_a_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="begins without a prompt"):
        turns("```console\nls\n```\n")


def test_each_person_has_a_terminal_of_their_own(terminals: dict[str, Terminal]) -> None:
    play(turns(DOCUMENT), terminals)
    play([Turn("ana", "echo $WHO in ${PWD##*/}", "ana in place\n")], terminals)
    play([Turn("bruno", "echo $WHO in ${PWD##*/}", "bruno in home\n")], terminals)


def test_a_command_that_prints_something_else_ends_the_play(terminals: dict[str, Terminal]) -> None:
    with pytest.raises(NotAsWritten, match=r"ana\$ echo 1\.0\.1\nprinted\n1\.0\.1\n\nand not\n1\.0\.0"):
        play([Turn("ana", "echo 1.0.1", "1.0.0\n")], terminals)


def test_who_looks_may_look_again(terminals: dict[str, Terminal]) -> None:
    look = "tail -n 1 <(echo >> looks; echo look $(wc -l < looks))"
    play([Turn("ana", look, "look 3\n")], terminals)
    with pytest.raises(NotAsWritten, match="look 4"):
        play([Turn("ana", look, "look 3\n")], terminals, looking_budget_s=0)


@pytest.fixture
def clone(checkout: Checkout, tmp_path: Path) -> Path:
    """A clone that uses the environments of this checkout, so that nobody's keys and data are overwritten."""
    clone = tmp_path / "edustream"
    subprocess.run(["git", "clone", "--quiet", checkout.root, clone], check=True)
    for path in filter(Path.is_file, clone.rglob("*")):
        # Older than the environments, so that make finds these ready.
        os.utime(path, (0, 0))
    for made in (*checkout.root.glob("*/.venv"), *checkout.root.glob("*/dist")):
        (clone / made.relative_to(checkout.root)).symlink_to(made)
    return clone


def present(clone: Path) -> list[str]:
    """What git sees in a clone and does not keep; all but Python's caches."""
    command = ["git", "status", "--porcelain", "--ignored", "--untracked-files=all"]
    seen = subprocess.run(command, cwd=clone, check=True, capture_output=True, text=True).stdout
    return [line for line in seen.splitlines() if "__pycache__" not in line]


@pytest.mark.prove
def test_two_people_see_what_the_role_play_shows(checkout: Checkout, clone: Path) -> None:
    text = (checkout.root / "docs" / "role-play.md").read_text()
    ports = {"8000": str(free_port()), "8333": str(free_port())}
    variables = {"EDUSTREAM_PORT": ports["8000"]}
    for repo in ("artifact-registry", *REPO_OF.values()):
        # The keys of another registry, as `make registry` leaves them: the play has its own.
        (clone / repo / ".env").write_text("REGISTRY_URL='s3://models'\nAWS_ENDPOINT_URL_S3='http://127.0.0.1:1'\n")
    before = present(clone)
    with ExitStack() as stack:
        terminals = {person: Terminal(clone, variables) for person in REPO_OF}
        for terminal in terminals.values():
            stack.callback(terminal.close)
        play(turns(PORT.sub(lambda port: ports[port[0]], text)), terminals)
    assert present(clone) == before


def test_every_command_of_the_role_play_exists(checkout: Checkout) -> None:
    """Programs, options and paths are documented where they belong; `test_readme.py` asks for the rest.

    What the commands print is checked under the marker `prove`.
    """
    script = turns((checkout.root / "docs" / "role-play.md").read_text())
    assert {turn.person for turn in script} == set(REPO_OF)
    for turn in script:
        for program, options in PROGRAM.findall(turn.command):
            owner = "artifact-registry" if program in REGISTRY_COMMANDS else REPO_OF[turn.person]
            told = (checkout.root / owner / "README.md").read_text()
            assert (checkout.root / owner / program).is_file() or program in REGISTRY_COMMANDS
            assert {word for word in (program, *re.findall(r"--[\w-]+", options)) if word not in told} == set()
    paths = {path for turn in script for path in re.findall(r"127\.0\.0\.1:8000(/[\w/]+)", turn.command)}
    documented = (checkout.root / "repo-api" / "README.md").read_text()
    assert paths
    assert {path for path in paths if f"`{path}`" not in documented and f" {path}`" not in documented} == set()
