"""Records what a command prints on a terminal as an asciicast: record_terminal.py FILE COMMAND...

The file is in asciinema's format, version 2 (https://docs.asciinema.org/manual/asciicast/v2/): a header, then one JSON
array a line with the seconds since the start, "o", and what was printed; a path below the working directory is written
from there, since a recording names no machine.
"""

from __future__ import annotations

import codecs
import json
import os
import pty
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

COLUMNS: Final = 110
ROWS: Final = 32
# A player waits no longer than this where nothing was printed.
IDLE_S: Final = 1.5
CHUNK: Final = 65_536
# Programs ask for the name before they colour what they print; whoever starts the recorder may be on none.
TERMINAL: Final = "xterm-256color"


def record(command: Sequence[str]) -> tuple[list[list[Any]], int]:
    """Run a command on a terminal of its own, and show it; the events that it made, and its exit code."""
    events: list[list[Any]] = []
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    started = time.monotonic()

    def read(terminal: int) -> bytes:
        printed = os.read(terminal, CHUNK)
        if text := decoder.decode(printed):
            events.append([round(time.monotonic() - started, 3), "o", text])
        return printed

    sized = f"stty rows {ROWS} cols {COLUMNS} && TERM={TERMINAL} exec {shlex.join(command)}"
    return events, os.waitstatus_to_exitcode(pty.spawn(["sh", "-c", sized], read))


def asciicast(events: Sequence[Sequence[Any]], command: Sequence[str]) -> str:
    """The events as the text of a file, without the path of the working directory."""
    header = {
        "version": 2,
        "width": COLUMNS,
        "height": ROWS,
        "idle_time_limit": IDLE_S,
        "title": shlex.join(command),
        "env": {"TERM": TERMINAL, "SHELL": "/bin/sh"},
    }
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in (header, *events))
    return text.replace(f"{Path.cwd()}/", "")


def main(file: Path, command: Sequence[str]) -> int:
    """Record a command, and keep the recording if it ended well; its exit code."""
    events, code = record(command)
    if code == 0:
        file.write_text(asciicast(events, command), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
