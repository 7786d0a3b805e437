"""The command `serve_consume.py keys`: adds, revokes and lists API keys in the file that consumers read."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from edustream_contracts.errors import EduStreamError, InvalidInput
from edustream_contracts.exit_codes import DONE, exit_code
from edustream_registry.names import is_name
from edustream_registry.reading import Clock, utc_now
from edustream_registry.settings import with_env_file

from edustream_api.access import key_file
from edustream_api.access.keys import ApiKey, KeyRing, new_key, new_secret
from edustream_api.access.quota import EXPECTED, Quota

VARIABLE: Final = "EDUSTREAM_API_KEYS_FILE"
MOST_DAYS: Final = 36525
"""A hundred years."""


def main(
    argv: Sequence[str],
    environ: Mapping[str, str] | None = None,
    env_file: Path = Path(".env"),
    clock: Clock = utc_now,
) -> int:
    """Run one command; the exit code. A key is printed once, when it is made, and is kept nowhere."""
    options = _parser().parse_args(argv)
    try:
        file = options.file or with_env_file(os.environ if environ is None else environ, env_file).get(VARIABLE)
        if not file:
            raise InvalidInput(
                "configuration", f"{VARIABLE} is not set.", remedy="set it, or name the file with --file FILE."
            )
        path = Path(file)
        if options.command == "add":
            _add(path, options, clock())
        elif options.command == "revoke":
            _revoke(path, options.key)
        else:
            _list(path, clock())
    except EduStreamError as error:
        sys.stderr.write(f"{error}\n")
        return exit_code(error)
    return DONE


def _add(path: Path, options: argparse.Namespace, now: datetime) -> None:
    if not is_name(options.name):
        raise InvalidInput(
            "argument",
            f"{options.name!r} is no name.",
            remedy="take lower-case letters, digits and hyphens, e.g. web-shop.",
        )
    if wrong := [model for model in options.model if not is_name(model)]:
        raise InvalidInput(
            "argument",
            f"--model names what no model can be called: {', '.join(map(repr, wrong))}.",
            remedy="take the model's name alone, of lower-case letters, digits and hyphens, e.g. churn.",
        )
    secret = new_secret()
    expires_at = None if options.days is None else now + timedelta(days=options.days)
    key = new_key(secret, options.name, now, expires_at=expires_at, quota=options.limit, models=options.model)
    key_file.change(path, lambda ring: replace(ring, keys=(*ring.keys, key)))
    sys.stdout.write(f"{secret}\n")
    sys.stderr.write(f"Key {key.id} of {key.name} is in {path}. It is shown this once; give it to its holder.\n")


def _revoke(path: Path, named: str) -> None:
    def without(ring: KeyRing) -> KeyRing:
        kept = tuple(key for key in ring.keys if named not in (key.id, key.name))
        if len(kept) == len(ring.keys):
            raise InvalidInput(
                "argument",
                f"{path} holds no key with the id or the name {named}.",
                remedy="see which there are with `serve_consume.py keys list`.",
            )
        return replace(ring, keys=kept)

    key_file.change(path, without)
    sys.stderr.write(f"{named} is revoked; running consumers refuse it within {key_file.LOOK_INTERVAL_S:g} s.\n")


def _list(path: Path, now: datetime) -> None:
    for key in key_file.read_ring(path).keys:
        sys.stdout.write("  ".join(_cells(key, now)) + "\n")


def _cells(key: ApiKey, now: datetime) -> tuple[str, ...]:
    until = "for ever" if key.expires_at is None else f"until {key.expires_at.isoformat(timespec='seconds')}"
    return (
        key.id,
        key.name,
        f"{until}, expired" if key.expired(now) else until,
        str(key.quota or "the consumer's limit"),
        ", ".join(key.models) or "all models",
    )


def _quota(text: str) -> Quota:
    try:
        return Quota.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}; expected: {EXPECTED}") from error


def _days(text: str) -> float:
    expected = argparse.ArgumentTypeError(f"{text!r}; expected: a number of more than 0, at most {MOST_DAYS}")
    try:
        days = float(text)
    except ValueError as error:
        raise expected from error
    if not 0 < days <= MOST_DAYS:
        raise expected
    return days


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="serve_consume.py keys", description="API keys of the consumer.")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--file", metavar="FILE", help=f"the file of keys (default: {VARIABLE})")
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", parents=[shared], help="make a key, and print it once")
    add.add_argument("name", metavar="NAME", help="whose it is")
    add.add_argument("--limit", type=_quota, metavar="LIMIT", help=f"its own rate limit, {EXPECTED}")
    add.add_argument("--days", type=_days, metavar="DAYS", help="days after which it expires (default: never)")
    add.add_argument("--model", action="append", default=[], metavar="MODEL", help="what it may ask; may be repeated")
    revoke = commands.add_parser("revoke", parents=[shared], help="refuse a key from now on")
    revoke.add_argument("key", metavar="ID|NAME", help="one key by its id, or all keys of a name")
    commands.add_parser("list", parents=[shared], help="show which keys there are, and never a key itself")
    return parser
