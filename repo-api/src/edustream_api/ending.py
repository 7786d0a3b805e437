"""How a process ends: in order when it is told to, and a worker also when its parent is gone, which would tell it."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import re
import signal
import sys
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import Final

from edustream_api.worker_files import runs

PROCESS: Final = re.compile(r"[._]([0-9]+)\.[a-z]+(?:\.part)?$")
"""In the name of a file, the number of the process that wrote it; a model's name before it may hold others."""


def exit_cleanly_on_signals() -> None:
    """Make SIGTERM and SIGINT an orderly end with exit code 0.

    uvicorn takes both over while it serves, finishes what is under way, and raises them again for this handler.
    """
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)


def end_with_parent(address: Path) -> None:
    """Have this process told to stop when the one that started it is gone; nothing where multiprocessing did not.

    `address` is the socket of the parent. The last of its processes to end so leaves nothing of the socket's folder,
    which all shared and the parent would have removed.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_outlive, args=(parent, address), name="parent", daemon=True).start()


def _outlive(parent: BaseProcess, address: Path) -> None:
    parent.join()
    atexit.register(_clean_up, address)
    # uvicorn's workers end alike after both; what SIGTERM ends runs nothing at its exit.
    os.kill(os.getpid(), signal.SIGINT)


def _clean_up(address: Path) -> None:
    address.unlink(missing_ok=True)
    for path in address.parent.glob("*"):
        counted = PROCESS.search(path.name)
        # The others may still count: what lies there under their process numbers is theirs.
        if counted and (int(counted[1]) == os.getpid() or not runs(int(counted[1]))):
            path.unlink(missing_ok=True)
    with suppress(OSError):
        address.parent.rmdir()


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(0)
