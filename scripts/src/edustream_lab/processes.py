"""Starts programs in sessions of their own, and stops every one of them whatever happens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

# The registry gives its own server 20 s to end: who is killed sooner cannot end what it started.
STOP_BUDGET_S: Final = 30.0
POLL_S: Final = 0.05
RUN_BUDGET_S: Final = 900.0
INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TERM", "TMPDIR")


class ProgramFailed(RuntimeError):
    """A program ended in a way that was not asked for, or did not do in time what it should."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A program that ran to its end."""

    returncode: int
    output: str

    @property
    def words(self) -> str:
        """What it printed for people: its output without the log's lines of JSON."""
        return "\n".join(line for line in self.output.splitlines() if not line.startswith('{"level"'))


@dataclass(slots=True)
class Program:
    """A program that runs; everything it prints goes to `log`. What it left behind is killed when its end is seen."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    _alone: bool = field(default=False, init=False)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        if self.process.poll() is None:
            return True
        self._end_group()
        return False

    @property
    def output(self) -> str:
        """All that the program has printed so far."""
        return self.log.read_text(errors="replace")

    def wait_for(self, condition: Callable[[], bool], what: str, budget_s: float) -> None:
        """Wait until `condition()` is true; `ProgramFailed` with the program's last lines if it never is."""
        deadline = time.monotonic() + budget_s
        while not condition():
            if not self.is_running:
                raise ProgramFailed(f"{self.name} ended with {self.process.returncode}, not {what}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise ProgramFailed(f"{self.name} was not {what} after {budget_s:.0f} s:\n{self.tail()}")
            time.sleep(POLL_S)

    def finish(self, budget_s: float = RUN_BUDGET_S, *, echo: bool = False) -> Finished:
        """Wait for the end; `ProgramFailed` if it does not come. With `echo`, what it prints goes to our output too."""
        deadline = time.monotonic() + budget_s
        shown = 0
        while True:
            ended = not self.is_running
            if echo:
                output = self.output
                os.write(1, output[shown:].encode())
                shown = len(output)
            if ended:
                return Finished(int(self.process.returncode), self.output)
            if time.monotonic() > deadline:
                raise ProgramFailed(f"{self.name} did not end within {budget_s:.0f} s:\n{self.tail()}")
            time.sleep(POLL_S)

    def tail(self, lines: int = 20) -> str:
        """The last lines of the output."""
        return "\n".join(self.output.splitlines()[-lines:])

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Ask the program to end and wait for it; its exit code. A deaf one is killed, and what it leaves behind."""
        if self.is_running:
            self.process.send_signal(with_signal)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_BUDGET_S)
            self._end_group()
        return self.process.wait()

    def _end_group(self) -> None:
        # Once only: later the number may be that of somebody else's group.
        if not self._alone:
            self._alone = True
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


class Stage:
    """Where programs run: a folder for their logs, and the list of what has to be stopped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._programs: list[Program] = []
        self._starting = False
        self._interrupted = False

    def start(
        self, name: str, command: Sequence[str], *, cwd: Path, variables: Mapping[str, str] | None = None
    ) -> Program:
        """Start a program in the background; `ProgramFailed` where it cannot be started."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / f"{len(self._programs):02d}-{name}.log"
        self._starting = True
        try:
            with log.open("wb") as sink:
                process = subprocess.Popen(
                    list(command),
                    cwd=cwd,
                    env=environment(variables),
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            program = Program(name, process, log)
            self._programs.append(program)
        except OSError as error:
            raise ProgramFailed(f"{name} cannot be started: {error}. `make setup` makes what is missing.") from error
        finally:
            self._starting = False
        if self._interrupted:
            raise KeyboardInterrupt
        return program

    def run(
        self,
        name: str,
        command: Sequence[str],
        *,
        cwd: Path,
        variables: Mapping[str, str] | None = None,
        budget_s: float = RUN_BUDGET_S,
        echo: bool = False,
    ) -> Finished:
        """Run a program to its end; with `echo` its output also goes to ours as it comes."""
        return self.start(name, command, cwd=cwd, variables=variables).finish(budget_s, echo=echo)

    def interrupt(self) -> None:
        """Raise `KeyboardInterrupt`; where a program is being started, once it is known what has to be stopped."""
        self._interrupted = True
        if not self._starting:
            raise KeyboardInterrupt

    @property
    def last_words(self) -> str:
        """The last lines of every program that runs, below its name."""
        return "\n".join(f"{program.name}:\n{program.tail()}" for program in self._programs if program.is_running)

    def stop_all(self, name: str | None = None) -> None:
        """Stop everything that still runs, or all of one name; the last started first."""
        for program in reversed(self._programs):
            if name in (None, program.name):
                program.stop()


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """A stage that is empty again after the block, also after Ctrl-C and SIGTERM."""
    made = Stage(folder)

    def interrupted(number: int, frame: FrameType | None) -> None:
        made.interrupt()

    before = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield made
    finally:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        made.stop_all()
        for number, handler in before.items():
            signal.signal(number, handler)


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """A small environment: nothing of the caller's registry or cloud settings reaches the programs."""
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {**kept, "PYTHONUNBUFFERED": "1", **(variables or {})}


def free_port() -> int:
    """A port of 127.0.0.1 that nobody holds now."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])
