"""Plays a document in which people type commands on terminals of their own, and compares what they see with it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from doctest import ELLIPSIS, OutputChecker
from pathlib import Path
from typing import Final

import pexpect

from edustream_lab.processes import environment

START_BUDGET_S: Final = 30.0
COMMAND_BUDGET_S: Final = 600.0
LOOKING_BUDGET_S: Final = 90.0
LOOK_AGAIN_S: Final = 0.5
# Those who only look may look again: what follows a release or an outage takes a poll of the consumer.
LOOKS: Final = re.compile(r"tail |curl -s \S+/(?:model|health|health/ready)(?: |$)")
COLUMNS: Final = 120
ROWS: Final = 50
_PROMPT: Final = "[what next?]"


class NotAsWritten(AssertionError):
    """A command printed something else than the document shows."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One command: who types it, and what the document shows below it, where `...` stands for anything."""

    person: str
    command: str
    shown: str

    def agrees(self, printed: str) -> bool:
        """Whether this was printed."""
        seen = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
        return OutputChecker().check_output(self.shown, seen, ELLIPSIS)


def turns(document: str) -> list[Turn]:
    """The commands in a Markdown document's console blocks, each after a prompt that names the person: `ana$ ls`."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", document, re.MULTILINE | re.DOTALL):
        before, *parts = re.split(r"^(\w+)\$ (.*)\n", block, flags=re.MULTILINE)
        if before:
            raise ValueError(f"This block begins without a prompt:\n{block}")
        found += [Turn(*parts[start : start + 3]) for start in range(0, len(parts), 3)]
    return found


class Terminal:
    """A shell on a terminal of its own, without colours."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self._shell = pexpect.spawn(
            "bash",
            ["--noprofile", "--norc", "--noediting", "-i"],
            cwd=str(folder),
            env=environment({**variables, "TERM": "dumb", "COLUMNS": f"{COLUMNS}", "LINES": f"{ROWS}"}),
            encoding="utf-8",
            codec_errors="replace",
            echo=False,
            dimensions=(ROWS, COLUMNS),
        )
        half = len(_PROMPT) // 2
        self._shell.sendline(f"PS1='{_PROMPT[:half]}''{_PROMPT[half:]}' PS2=''")
        self._shell.expect_exact(_PROMPT, timeout=START_BUDGET_S)

    def types(self, command: str) -> str:
        """Type a command; what was printed until the shell asked for the next one."""
        self._shell.sendline(command)
        self._shell.expect_exact(_PROMPT, timeout=COMMAND_BUDGET_S)
        return str(self._shell.before).replace("\r\n", "\n")

    def close(self) -> None:
        """End what still runs in the background, and then the shell."""
        self.types("kill $(jobs -p) 2>/dev/null; wait")
        self._shell.close(force=True)


def play(script: list[Turn], terminals: Mapping[str, Terminal], looking_budget_s: float = LOOKING_BUDGET_S) -> None:
    """Have everybody type their commands, one after the other. Raises `NotAsWritten` at the first that disagrees."""
    for turn in script:
        terminal = terminals[turn.person]
        printed = terminal.types(turn.command)
        deadline = time.monotonic() + looking_budget_s
        while not turn.agrees(printed):
            if not LOOKS.match(turn.command) or time.monotonic() > deadline:
                raise NotAsWritten(f"{turn.person}$ {turn.command}\nprinted\n{printed}\nand not\n{turn.shown}")
            time.sleep(LOOK_AGAIN_S)
            printed = terminal.types(turn.command)
