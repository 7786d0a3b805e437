from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edustream_lab.processes import Finished, Program, ProgramFailed, Stage, environment, free_port, stage

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]


LEAVES_A_CHILD = """
import os, sys, time
if os.fork() == 0:
    with open(sys.argv[1], "w") as held:
        print("up", end="", file=held, flush=True)
        time.sleep(600)
"""


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_program_that_ends_gives_its_output_and_code(programs: Stage, tmp_path: Path) -> None:
    done = programs.run("child", [sys.executable, "-c", "print('hello'); raise SystemExit(3)"], cwd=tmp_path)
    assert (done.returncode, done.output) == (3, "hello\n")


def test_the_words_of_a_program_are_its_output_without_its_log() -> None:
    done = Finished(3, 'Looking\n{"level":"ERROR","fact":"none"}\nFound nothing\n')
    assert done.words == "Looking\nFound nothing"


def test_echo_passes_the_output_on(programs: Stage, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    programs.run("child", [sys.executable, "-c", "print('hello')"], cwd=tmp_path, echo=True)
    assert capfd.readouterr().out == "hello\n"


def test_the_stage_stops_what_runs_when_the_block_fails(tmp_path: Path) -> None:
    def block() -> None:
        with stage(tmp_path) as programs:
            program = programs.start("sleeper", SLEEPER, cwd=tmp_path)
            program.wait_for(lambda: "up" in program.output, "up", 30)
            raise ProgramFailed(str(program.process.pid))

    with pytest.raises(ProgramFailed) as failure:
        block()
    assert not is_running(int(str(failure.value)))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_block_and_everything_in_it(tmp_path: Path, number: signal.Signals) -> None:
    started: list[int] = []

    def block() -> None:
        with stage(tmp_path) as programs:
            program = programs.start("sleeper", SLEEPER, cwd=tmp_path)
            program.wait_for(lambda: "up" in program.output, "up", 30)
            started.append(program.process.pid)
            os.kill(os.getpid(), number)
            programs.run("never", SLEEPER, cwd=tmp_path)

    with pytest.raises(KeyboardInterrupt):
        block()
    assert not is_running(started[0])


def test_a_deaf_program_is_killed(programs: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edustream_lab.processes.STOP_BUDGET_S", 0.1)
    program = programs.start("deaf", DEAF, cwd=tmp_path)
    program.wait_for(lambda: "up" in program.output, "up", 30)
    assert program.stop() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("then", "end", "code"),
    [
        ("time.sleep(600)", lambda program: program.stop(), -signal.SIGTERM),
        ("raise SystemExit(3)", lambda program: program.finish().returncode, 3),
        ("raise SystemExit(3)", lambda program: program.process.wait() and program.stop(), 3),
    ],
    ids=["stopped", "run to its end", "ended before it was stopped"],
)
def test_a_child_that_a_program_left_is_killed(
    programs: Stage, tmp_path: Path, then: str, end: Callable[[Program], int], code: int
) -> None:
    held = tmp_path / "held-by-the-child"
    os.mkfifo(held)
    program = programs.start("parent", [sys.executable, "-c", LEAVES_A_CHILD + then, str(held)], cwd=tmp_path)
    with held.open("rb") as reader:
        assert reader.read(2) == b"up"
        assert end(program) == code
        ended, _, _ = select.select([reader], [], [], 30)
        assert ended == [reader]
        assert reader.read() == b""


def test_what_ended_long_ago_is_not_killed_by_its_number(
    programs: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = programs.start("child", [sys.executable, "-c", "pass"], cwd=tmp_path)
    program.finish()
    monkeypatch.setattr(os, "killpg", lambda *_: pytest.fail("the number may be another's by now"))
    assert program.stop() == 0


def test_a_signal_while_a_program_is_started_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    def interrupted(*given: Any, **named: Any) -> subprocess.Popen[bytes]:
        process = real(*given, **named)
        started.append(process.pid)
        os.kill(os.getpid(), signal.SIGINT)
        return process

    real = subprocess.Popen
    monkeypatch.setattr("edustream_lab.processes.subprocess.Popen", interrupted)
    with pytest.raises(KeyboardInterrupt), stage(tmp_path) as programs:
        programs.start("sleeper", SLEEPER, cwd=tmp_path)
    assert not is_running(started[0])


def test_a_program_that_is_missing_is_named_with_what_makes_it(programs: Stage, tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed, match=r"registry cannot be started: .*no-such-program'.*`make setup`"):
        programs.start("registry", [str(tmp_path / "no-such-program")], cwd=tmp_path)


def test_the_last_words_are_those_of_what_runs(programs: Stage, tmp_path: Path) -> None:
    programs.run("child", [sys.executable, "-c", "print('gone')"], cwd=tmp_path)
    program = programs.start("sleeper", SLEEPER, cwd=tmp_path)
    program.wait_for(lambda: "up" in program.output, "up", 30)
    assert programs.last_words == "sleeper:\nup"


def test_waiting_for_a_program_that_ended_shows_its_last_words(programs: Stage, tmp_path: Path) -> None:
    program = programs.start("child", [sys.executable, "-c", "raise SystemExit('no model')"], cwd=tmp_path)
    with pytest.raises(ProgramFailed, match="ended with 1, not ready:\nno model"):
        program.wait_for(lambda: False, "ready", 30)


def test_waiting_has_an_end(programs: Stage, tmp_path: Path) -> None:
    program = programs.start("sleeper", SLEEPER, cwd=tmp_path)
    with pytest.raises(ProgramFailed, match="was not ready after 0 s"):
        program.wait_for(lambda: False, "ready", 0)
    with pytest.raises(ProgramFailed, match="did not end within 0 s"):
        programs.run("sleeper", SLEEPER, cwd=tmp_path, budget_s=0)


def test_no_cloud_settings_reach_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    monkeypatch.setenv("REGISTRY_URL", "s3://mine")
    given = environment({"EXTRA": "1"})
    assert "AWS_ACCESS_KEY_ID" not in given
    assert "REGISTRY_URL" not in given
    assert given["EXTRA"] == "1"


def test_a_free_port_can_be_taken() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as holder:
        assert free_port() != holder.getsockname()[1]
