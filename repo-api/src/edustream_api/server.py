"""Runs the consumer's application on uvicorn, in this process or in several."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import socket
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvicorn
from edustream_contracts.errors import InvalidInput
from edustream_contracts.exit_codes import INTERRUPTED
from edustream_registry.lending import lent
from edustream_registry.stating import SharedAuthor

from edustream_api.consumer import Consumer
from edustream_api.parent import GRACE_S, SILENCE_S, Parent
from edustream_api.polling import yield_to_answers
from edustream_api.web.connections import Bounds
from edustream_api.web.direct_connection import DirectConnection
from edustream_api.worker import LENDER
from edustream_api.worker_files import MULTIPROCESS_DIR

FORCED_S: Final = 1
"""How long requests have to notice that their connections are gone."""
CREDENTIALS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
WORKER_APP: Final = "edustream_api.worker:worker_app"


class _Server(uvicorn.Server):
    """uvicorn's server, which a second Ctrl-C ends at once with the exit code that says so."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what is under way, unless told not to."""
        await super().shutdown(sockets)
        if not self.force_exit:
            return
        # Whoever is not answered by now loses the connection: an error would say that the request was at fault.
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=FORCED_S)
        raise SystemExit(INTERRUPTED)


def serve(consumer: Consumer, environ: dict[str, str]) -> None:
    """Serve until a signal ends it. `environ` holds what worker processes need beside this process's environment.

    Raises `InvalidInput` (kind `argument`) where nobody can listen on the address that the settings name.
    """
    settings = consumer.settings
    _require_address(settings.host, settings.port)
    _allow_connections()
    # What start-up made stays: no collection needs to look at it again.
    gc.freeze()
    gc.enable()
    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        # Nothing here depends on who the client is, so no header may say who it is.
        "proxy_headers": False,
        "timeout_graceful_shutdown": GRACE_S,
        "timeout_keep_alive": settings.keep_alive_s,
        "timeout_worker_healthcheck": SILENCE_S,
        "http": partial(
            DirectConnection,
            bounds=Bounds(settings.header_timeout_s, settings.body_timeout_s, settings.max_header_bytes),
        ),
    }
    if settings.workers == 1:
        _Server(uvicorn.Config(consumer.app, **options)).run()
        return
    with tempfile.TemporaryDirectory(prefix="edustream-workers-") as directory:
        address = Path(directory) / "lender"
        shared = {MULTIPROCESS_DIR: directory, LENDER: str(address)}
        os.environ.update({**environ, **settings.to_environ(), **shared})
        for name in CREDENTIALS:
            # This process has used them; no worker needs them.
            os.environ.pop(name, None)
        author = SharedAuthor(consumer.open_author) if consumer.open_author else None
        config = uvicorn.Config(WORKER_APP, factory=True, workers=settings.workers, **options)
        with lent(address, consumer.reader.store, consumer.reader.trust, author, yield_to_answers):
            listener = config.bind_socket()
            # Whoever connects before the first worker is ready waits for it.
            listener.listen(config.backlog)
            Parent(config, [listener]).run()


def _allow_connections() -> None:
    # Each connection is an open file, and the usual limit of 1024 is there for programs that know no other.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _require_address(host: str, port: int) -> None:
    # uvicorn would end the process with a code of its own, which in our table means something else.
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "this is no name of a host"
        raise InvalidInput(
            "argument",
            f"Nothing can listen on {host}:{port}: {why}.",
            remedy="stop what holds it, or choose another with --port (0 takes a free one) and --host.",
        ) from error
