"""Asks a consumer how far the rows that it answers lie from those of its release: its `GET /drift`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from edustream_contracts.errors import InvalidInput, Unreachable
from edustream_ml.addresses import shown_address, without_secrets

VERDICTS: Final = ("too_few_rows", "stable", "minor_shift", "major_shift")
"""What a consumer says of a field and of a model, from the least to the most."""
TIMEOUT_S: Final = 10
MAX_BYTES: Final = 16 * 1024 * 1024
SHOWN_FIELDS: Final = 5
SHOWN_BYTES: Final = 200


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What a consumer says: of which release, over how many rows, and which fields shifted, the worst first.

    `fields` are names with their population stability index.
    """

    model: str
    version: str
    verdict: str
    rows: int
    fields: tuple[tuple[str, float], ...]

    @property
    def sentence(self) -> str:
        """The report as one sentence."""
        shown = ", ".join(f"{name} ({index:.2f})" for name, index in self.fields[:SHOWN_FIELDS])
        more = f" and {len(self.fields) - SHOWN_FIELDS} more" if len(self.fields) > SHOWN_FIELDS else ""
        shifted = f"; shifted, with the stability index: {shown}{more}" if shown else ""
        return f"{self.model}@{self.version}: {self.verdict} over {self.rows} rows{shifted}"

    def reaches(self, verdict: str) -> bool:
        """Whether the verdict is at least this one."""
        return VERDICTS.index(self.verdict) >= VERDICTS.index(verdict)


def ask_consumer(url: str, model: str) -> DriftReport:
    """The drift report of `model` at `url`.

    Raises `Unreachable` (kind `connection` or `server_error`) where nobody answers, `InvalidInput` (kind `argument`)
    where what answers is no drift report of that model, or says that it has no verdict.
    """
    return read_report(_fetched(url), shown_address(url), model)


def read_report(data: bytes, url: str, model: str) -> DriftReport:
    """The drift report in the bytes of an answer; see `ask_consumer`. `url` is shown as it is."""
    try:
        document = json.loads(data)
        found, version, verdict = document["model"], document["model_version"], document["verdict"]
        rows, fields = (0, ()) if verdict is None else (int(document["rows"]), _shifted(document["fields"]))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise _no_report(url, f"it says {data[:SHOWN_BYTES]!r}") from error
    if found != model:
        raise InvalidInput(
            "argument",
            f"{url} reports on {found!r}; {model!r} was to be trained.",
            remedy=f"name the model's own report: /models/{model}/drift, or another configuration.",
        )
    if verdict is None:
        raise InvalidInput(
            "argument",
            f"{url} has no verdict on {model}@{version}: {document.get('reason')}",
            remedy="have the consumer record drift, or retrain without asking: edustream-ml publish.",
        )
    if verdict not in VERDICTS:
        raise _no_report(url, f"its verdict is {verdict!r}")
    return DriftReport(model, str(version), verdict, rows, fields)


def _shifted(fields: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    shifted = [(name, float(field["psi"])) for name, field in fields.items() if str(field["verdict"]).endswith("shift")]
    return tuple(sorted(shifted, key=lambda one: -one[1]))


def _fetched(url: str) -> bytes:
    shown = shown_address(url)
    if not url.startswith(("http://", "https://")):
        raise InvalidInput(
            "argument", f"{shown} is no address of a consumer.", remedy="give --if-drift http://host:port/drift."
        )
    try:
        # The scheme was checked above.
        with urlopen(Request(url, headers={"Accept": "application/json"}), timeout=TIMEOUT_S) as answer:  # noqa: S310
            data: bytes = answer.read(MAX_BYTES)
    except HTTPError as error:
        with error:
            said = error.read(SHOWN_BYTES).decode(errors="replace")
        raise Unreachable(
            "server_error",
            f"The consumer at {shown} answers {error.code}: {said}",
            remedy="look at its /health; whether there is drift is not known, so nothing was trained.",
        ) from error
    except (OSError, HTTPException, ValueError) as error:
        raise Unreachable(
            "connection",
            f"No consumer answers at {shown}: {without_secrets(str(error), url)}",
            remedy="check that it runs and the address; whether there is drift is not known, so nothing was trained.",
        ) from error
    return data


def _no_report(url: str, what: str) -> InvalidInput:
    return InvalidInput(
        "argument", f"{url} is no drift report: {what}.", remedy="give the address of a consumer's GET /drift."
    )
