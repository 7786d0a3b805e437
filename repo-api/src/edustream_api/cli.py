"""The command line of the consumer: options, start-up, exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from edustream_contracts.errors import EduStreamError, InvalidInput
from edustream_contracts.exit_codes import DONE, exit_code
from edustream_registry.settings import with_env_file

from edustream_api import log
from edustream_api.access import command as keys_command
from edustream_api.consumer import Consumer
from edustream_api.ending import exit_cleanly_on_signals
from edustream_api.keeper import Keeper
from edustream_api.server import serve
from edustream_api.settings import PREFIX, ConsumerSettings
from edustream_api.standalone import consumer_from

EPILOG: Final = """`serve_consume.py keys --help` tells of API keys.
exit codes: 0 done · 2 usage · 3 nothing to serve · 4 rejected · 5 incompatible contract ·
6 registry unreachable. Each option can be set as an environment variable too: EDUSTREAM_MODEL, EDUSTREAM_PORT, ..."""

HELP: Final = {
    "model": "what to serve: churn@production (channel), churn@2.1.0 (version) or churn@^2 (range); may be repeated",
    "host": "address to listen on",
    "port": "port to listen on; 0 takes a free one",
    "wait": "with nothing to serve, start live but not ready, and heal by polling",
    "workers": "processes that answer",
    "poll_interval_s": "seconds between two looks at the registry",
    "staleness_budget_s": "seconds for which the local copy may be served while the registry is unreachable",
    "contract": "contract that releases may extend, but not break: installed, any, or the path of a document",
    "cache_dir": "directory of the verified local copy",
    "max_rows": "most rows in one batch",
    "max_body_bytes": "most bytes in one request body",
    "max_header_bytes": "most bytes in the head of a request",
    "api_keys_file": "file of API keys; with it, requests need one",
    "open_paths": "paths that need no key and are not counted, separated by commas, e.g. /metrics",
    "rate_limit": "requests of one caller, e.g. 100/minute; counted in Redis where REDIS_URL is set",
    "cors_origins": "origins whose pages may read answers, separated by commas, or *",
    "header_timeout_s": "seconds for the head of a request",
    "body_timeout_s": "seconds for the whole body of a request, and for reading its answer",
    "keep_alive_s": "seconds for which an idle connection is kept",
    "access_log": "write a log line for every request; without it, for those that failed",
    "consumer": "name under which this consumer states what it needs; with EDUSTREAM_SIGNING_KEY_FILE alone",
    "sends": "input fields that are sent to it, separated by commas; without them, all",
    "reads": "output fields that are read from it, separated by commas; without them, all",
    "needs_lifetime_s": "seconds for which needs are stated; they are renewed after a third of them",
    "shadow": "challenger to compare with the champion, e.g. churn@candidate; may be repeated",
    "shadow_sample": "share of the champion's rows that the challenger is compared on",
    "split": "challenger and the percentage of callers that it answers, e.g. churn@candidate=5; may be repeated",
    "split_key": "header that tells callers apart, so that each stays on one side of a split",
    "drift": "whether rows and answers are compared with the release's profile: true or false",
    "drift_window": "how many of the last rows are compared, over all workers",
    "drift_rows_per_second": "how many rows of a lasting load are recorded, over all workers; of a burst, two windows",
    "drift_min_rows": "below how many rows nothing is said of drift",
    "drift_psi_minor": "population stability index from which a shift is minor",
    "drift_psi_major": "population stability index from which a shift is major, and raises the alarm",
}

REPEATED: Final = ("model", "shadow", "split")


def main(
    argv: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
    env_file: Path = Path(".env"),
) -> int:
    """Serve until told to stop; the exit code.

    Options come before the process's environment, and that before the `.env` file beside the entry point.
    """
    environ = os.environ if environ is None else environ
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["keys"]:
        return keys_command.main(argv[1:], environ, env_file)
    options = vars(_parser().parse_args(argv))
    chosen = options.pop("env_file")
    exit_cleanly_on_signals()
    log.configure()
    try:
        given = {PREFIX + name.upper(): _joined(value) for name, value in options.items() if value is not None}
        merged = with_env_file({**environ, **given}, chosen or env_file)
        if chosen is not None and not chosen.is_file():
            raise InvalidInput(
                "argument",
                f"There is no env file {chosen}.",
                remedy="give --env-file an existing file, or leave it out.",
            )
        consumer = consumer_from(merged)
        consumer.start()
        if not consumer.settings.wait and (codes := list(_missing(consumer))):
            return codes[0]
        serve(consumer, merged)
    except EduStreamError as error:
        return _report(str(error), error)
    return DONE


def _missing(consumer: Consumer) -> Iterator[int]:
    """The exit code of each model that cannot be served; why is told."""
    for hosted in consumer.hosting.models:
        error = hosted.keeper.snapshot.error
        if error and not hosted.keeper.snapshot.state.serves:
            yield _report(_explained(hosted.keeper), error)


def _explained(keeper: Keeper) -> str:
    snapshot = keeper.snapshot
    return (
        f"{keeper.reference} cannot be served: {snapshot.state.value}. {snapshot.state.meaning}\n"
        f"Looked for: {keeper.reference} in {keeper.where}\n"
        f"Found: {snapshot.error}\n"
        "(With --wait the consumer starts all the same, says 503, and heals as soon as there is something to serve.)"
    )


def _report(text: str, error: EduStreamError) -> int:
    sys.stderr.write(f"{text}\n")
    return exit_code(error)


def _joined(value: Any) -> str:
    return ",".join(value) if isinstance(value, list | tuple) else str(value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="serve_consume.py", description="Serve a released model over HTTP.", epilog=EPILOG
    )
    for field in fields(ConsumerSettings):
        option = f"--{field.name.replace('_', '-')}"
        if field.default is False:
            parser.add_argument(option, action="store_const", const="true", help=HELP[field.name])
            continue
        default = "true" if field.default is True else _joined(field.default)
        text = HELP[field.name] + (f" (default: {default})" if default else "")
        action = "append" if field.name in REPEATED else "store"
        parser.add_argument(option, action=action, metavar=field.name.upper(), help=text)
    parser.add_argument("--env-file", type=Path, metavar="FILE", help="file of variables (default: .env beside this)")
    return parser
