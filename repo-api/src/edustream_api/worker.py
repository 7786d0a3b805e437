"""One of several processes that answer: it asks the registry through its parent, which has the client and the keys."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from edustream_contracts.errors import EduStreamError
from edustream_contracts.exit_codes import exit_code
from edustream_registry.borrowing import BorrowedAuthor, BorrowedStore, BorrowedTrust, Lender
from edustream_registry.reading import ReleaseReader
from edustream_registry.settings import RegistrySettings

from edustream_api import log
from edustream_api.consumer import Consumer, assemble
from edustream_api.ending import end_with_parent
from edustream_api.settings import ConsumerSettings
from edustream_api.web.front import Front

LOG: Final = logging.getLogger("edustream_api.worker")
LENDER: Final = "EDUSTREAM_LENDER"
"""The variable that names the socket of the parent."""


def worker_app() -> Front:
    """The application of one worker process, made from the environment that the parent process left it.

    A worker serves what it can: whether the consumer may start at all was decided by the parent. One that can be no
    consumer, since a file that the parent read is broken now, says why in the log and ends with the error's exit code.
    """
    log.configure()
    address = Path(os.environ[LENDER])
    end_with_parent(address)
    try:
        consumer = _consumer_from(os.environ, address)
        consumer.start()
    except EduStreamError as error:
        LOG.error("worker_cannot_start", extra={"fact": error.fact, "next": error.remedy})
        raise SystemExit(exit_code(error)) from error
    return consumer.app


def _consumer_from(environ: Mapping[str, str], address: Path) -> Consumer:
    settings = ConsumerSettings.from_environ(environ)
    registry = RegistrySettings.from_environ(environ)
    lender = Lender(address, registry.location)
    reader = ReleaseReader(BorrowedStore(lender, registry.url), BorrowedTrust(lender))
    states = bool(settings.consumer and registry.signing_key_files)
    open_author = partial(BorrowedAuthor, lender) if states else None
    return assemble(settings, reader, environ, open_author=open_author, keys_required=False)
