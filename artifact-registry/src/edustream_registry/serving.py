"""The command `serve`: a local registry in the foreground, until a signal ends it."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Final

from edustream_registry import presentation
from edustream_registry.local_server import choose_engine, running_server
from edustream_registry.provisioning import Folders, Provisioner
from edustream_registry.settings import RegistrySettings, with_env_file

ENDING: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C, a request to end, and a terminal that was closed, which Windows does not know."""


def serve_until_stopped(engine: str, data: Path, port: int, url: str, folders: Folders | None) -> None:
    """Start the engine, prepare the registry if `folders` are given, and wait for a signal that ends it.

    Raises `InvalidInput` for an unusable engine or a taken port, `Unreachable` when the server does not start.
    """
    stopped = threading.Event()
    for number in ENDING:
        signal.signal(number, lambda *_: stopped.set())
    with running_server(choose_engine(engine), data, port, url) as server:
        presentation.serving(server, data, prepared=folders is not None)
        if folders:
            admin = RegistrySettings.from_environ(with_env_file({}, server.admin_env))
            presentation.provisioned(Provisioner(admin).init(folders))
        presentation.ready()
        stopped.wait()
    presentation.stopped()
