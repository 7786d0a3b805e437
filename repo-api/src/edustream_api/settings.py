"""The consumer's settings: read once from an injected environment, checked all at once, frozen."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from edustream_contracts.errors import InvalidInput, Problem
from edustream_registry.names import is_name

from edustream_api.access.quota import EXPECTED, Quota
from edustream_api.drift.window import sure_rows

PREFIX: Final = "EDUSTREAM_"
MAX_PORT: Final = 65535
MAX_THRESHOLD: Final = 10.0


@dataclass(frozen=True, slots=True)
class ConsumerSettings:
    """What to serve, where, and how patiently. Durations are seconds, sizes are bytes.

    `model` is one reference or several, each of another model. `contract` is `installed` (the one that
    edustream-contracts carries), `any`, or paths of contract documents, one for each model.
    `consumer` is the name under which needs are stated; without it, or without a signing key, none are. `sends` and
    `reads` are names of fields, `<model>/<field>` where there are several models; none stands for all.
    `shadow` names challengers that are compared, on a share `shadow_sample` of the rows; `split` names challengers and
    the percentage of callers that each answers, told apart by the header `split_key`.
    Each field is read from the environment variable `EDUSTREAM_<FIELD>`.
    """

    model: tuple[str, ...] = ("churn@production",)
    host: str = "127.0.0.1"
    port: int = 8000
    wait: bool = False
    workers: int = 1
    poll_interval_s: float = 5.0
    staleness_budget_s: float = 86400.0
    contract: str = "installed"
    cache_dir: Path = Path("cache")
    max_rows: int = 1000
    max_body_bytes: int = 1024 * 1024
    max_header_bytes: int = 32 * 1024
    api_keys_file: str = ""
    open_paths: tuple[str, ...] = ()
    rate_limit: str = ""
    cors_origins: tuple[str, ...] = ()
    header_timeout_s: float = 10.0
    body_timeout_s: float = 30.0
    keep_alive_s: float = 75.0
    access_log: bool = False
    consumer: str = ""
    sends: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    needs_lifetime_s: float = 129600.0
    shadow: tuple[str, ...] = ()
    shadow_sample: float = 0.1
    split: tuple[str, ...] = ()
    split_key: str = "x-split-key"
    drift: bool = True
    drift_window: int = 10_000
    drift_rows_per_second: int = 1_000
    drift_min_rows: int = 500
    drift_psi_minor: float = 0.1
    drift_psi_major: float = 0.25

    @staticmethod
    def from_environ(environ: Mapping[str, str]) -> ConsumerSettings:
        """Read the settings; what is not set keeps its default.

        Raises `InvalidInput` (kind `configuration`) that names every variable that is wrong, its value, and what is
        expected of it.
        """
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for field in fields(ConsumerSettings):
            variable = PREFIX + field.name.upper()
            text = environ.get(variable)
            if text is None:
                continue
            rule = RULES[field.name]
            try:
                values[field.name] = rule.read(text.strip())
            except ValueError:
                problems.append(Problem(variable, f"is {text!r}; expected: {rule.expected}"))
        settings = ConsumerSettings(**values)
        problems += settings.contradictions()
        if problems:
            raise InvalidInput(
                "configuration",
                f"{len(problems)} setting{'s are' if len(problems) > 1 else ' is'} wrong.",
                remedy="correct the environment variable, or the command line option of the same name.",
                problems=problems,
            )
        return settings

    def contradictions(self) -> list[Problem]:
        """What is wrong with settings that are each right."""
        problems = []
        held = sure_rows(self.drift_window, self.workers)
        if self.drift_min_rows > held:
            window = "the window" if self.workers == 1 else f"the window of {self.workers} workers"
            expected = f"at most {held}, which {window} is sure to hold; EDUSTREAM_DRIFT_WINDOW is {self.drift_window}"
            problems.append(Problem("EDUSTREAM_DRIFT_MIN_ROWS", f"is {self.drift_min_rows}; expected: {expected}"))
        if self.drift_psi_minor >= self.drift_psi_major:
            expected = f"less than EDUSTREAM_DRIFT_PSI_MAJOR, which is {self.drift_psi_major:g}"
            problems.append(Problem("EDUSTREAM_DRIFT_PSI_MINOR", f"is {self.drift_psi_minor:g}; expected: {expected}"))
        return problems

    def to_environ(self) -> dict[str, str]:
        """The environment that `from_environ` reads back as equal settings; worker processes are given it."""
        return {PREFIX + field.name.upper(): _text(getattr(self, field.name)) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class Rule:
    """How one setting is read from text, and what is expected of it, in words."""

    read: Callable[[str], Any]
    expected: str


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _boolean(text: str) -> bool:
    try:
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]
    except KeyError as error:
        raise ValueError(text) from error


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


def _share(text: str) -> float:
    number = float(text)
    if not 0 < number <= 1:
        raise ValueError(text)
    return number


def _header(text: str) -> str:
    # A token of RFC 9110, section 5.6.2.
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", text):
        raise ValueError(text)
    return text


def _name_or_nothing(text: str) -> str:
    if text and not is_name(text):
        raise ValueError(text)
    return text


def _list(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def _paths(text: str) -> tuple[str, ...]:
    found = _list(text)
    if any(not path.startswith("/") or path.endswith("/") for path in found):
        raise ValueError(text)
    return found


def _origins(text: str) -> tuple[str, ...]:
    found = _list(text)
    # What a browser sends: a scheme, a host, perhaps a port; no path, and so no slash at the end.
    if found != ("*",) and not all(re.fullmatch(r"https?://[^/*\s@?#]+", origin) for origin in found):
        raise ValueError(text)
    return found


def _some(text: str) -> tuple[str, ...]:
    found = _list(text)
    if not found:
        raise ValueError(text)
    return found


def _integer(least: int, most: int) -> Rule:
    def read(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise ValueError(text)
        return number

    return Rule(read, f"an integer from {least} to {most}")


def _seconds(least: float, most: float) -> Rule:
    def read(text: str) -> float:
        number = float(text)
        if not least <= number <= most:
            raise ValueError(text)
        return number

    return Rule(read, f"a number of seconds from {least:g} to {most:g}")


def _threshold() -> Rule:
    def read(text: str) -> float:
        number = float(text)
        if not 0 < number <= MAX_THRESHOLD:
            raise ValueError(text)
        return number

    return Rule(read, f"a number above 0, at most {MAX_THRESHOLD:g}")


RULES: Final[dict[str, Rule]] = {
    "model": Rule(_some, "references, separated by commas, e.g. churn@production, churn@2.1.0 or churn@^2"),
    "host": Rule(_not_empty, "an address to listen on, e.g. 127.0.0.1"),
    "port": _integer(0, MAX_PORT),
    "wait": Rule(_boolean, "true or false"),
    "workers": _integer(1, 64),
    "poll_interval_s": _seconds(0.1, 86400),
    "staleness_budget_s": _seconds(0, 366 * 86400),
    "contract": Rule(_not_empty, "installed, any, or paths of contract documents, separated by commas"),
    "cache_dir": Rule(lambda text: Path(_not_empty(text)), "a directory for verified copies"),
    "max_rows": _integer(1, 100_000),
    "max_body_bytes": _integer(1024, 1024**3),
    "max_header_bytes": _integer(1024, 1024**2),
    "api_keys_file": Rule(str, "a file of API keys, as `serve_consume.py keys add` writes it"),
    "open_paths": Rule(_paths, "paths, separated by commas, e.g. /metrics,/docs"),
    "rate_limit": Rule(lambda text: str(Quota.parse(text)) if text else "", EXPECTED),
    "cors_origins": Rule(_origins, "* or origins, separated by commas, e.g. https://shop.example"),
    "header_timeout_s": _seconds(0.01, 3600),
    "body_timeout_s": _seconds(0.01, 3600),
    "keep_alive_s": _seconds(0.01, 3600),
    "access_log": Rule(_boolean, "true or false"),
    "consumer": Rule(_name_or_nothing, "a name of lower-case letters, digits and hyphens, e.g. api"),
    "sends": Rule(_list, "names of fields, separated by commas"),
    "reads": Rule(_list, "names of fields, separated by commas"),
    "needs_lifetime_s": _seconds(60, 366 * 86400),
    "shadow": Rule(_list, "references, separated by commas, e.g. churn@candidate"),
    "shadow_sample": Rule(_share, "a number above 0 and at most 1"),
    "split": Rule(_list, "references with percentages, separated by commas, e.g. churn@candidate=5"),
    "split_key": Rule(_header, "the name of a header, e.g. x-split-key"),
    "drift": Rule(_boolean, "true or false"),
    "drift_window": _integer(1000, 100_000_000),
    "drift_rows_per_second": _integer(1, 100_000_000),
    "drift_min_rows": _integer(100, 100_000_000),
    "drift_psi_minor": _threshold(),
    "drift_psi_major": _threshold(),
}
