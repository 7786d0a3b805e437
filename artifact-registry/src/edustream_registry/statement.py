"""What the signed statements of the registry have in common, and how bytes become one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from edustream_contracts.errors import Rejected
from edustream_contracts.schemas import ObjectName, object_validator
from edustream_registry.verified_statement import VerifiedStatement, malformed

PROTOCOL: Final = 1
MAX_STATEMENT_BYTES: Final = 1024 * 1024


class WireModel(BaseModel):
    """A frozen part of a registry object; fields that this version does not know survive a read."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Statement(WireModel):
    """The signed part of a registry object."""

    SCHEMA: ClassVar[ObjectName]

    protocol: Literal[1] = PROTOCOL
    type: str
    write_id: str

    def payload(self) -> dict[str, Any]:
        """The JSON document that is signed."""
        return self.model_dump(mode="json", exclude_none=True)

    @classmethod
    def read(cls, statement: VerifiedStatement, what: str) -> Self:
        """The statement in verified bytes.

        Raises `Rejected`: kind `protocol_version` for another major version of the protocol, `malformed` for
        anything that the object's JSON Schema refuses.
        """
        version = statement.payload.get("protocol")
        if version != PROTOCOL:
            raise Rejected(
                "protocol_version",
                f"{what} is written for version {version!r} of the protocol; this client knows version {PROTOCOL}.",
                remedy="upgrade edustream-registry.",
            )
        problems = object_validator(cls.SCHEMA).problems(statement.payload)
        if problems:
            raise Rejected(
                "malformed",
                f"{what} is no valid {cls.SCHEMA}.",
                remedy="do not use it; tell whoever published it.",
                problems=problems,
            )
        for name, value in statement.payload.items():
            if name.endswith("_at") and not _is_time(value):
                raise malformed(what, f"states a time that does not exist in {name}: {value!r}")
        return cls.model_validate(statement.payload)


def _is_time(value: Any) -> bool:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


def require_place(key: str, pairs: Mapping[str, tuple[object, object]]) -> None:
    """Raise `Rejected` (kind `mix_and_match`) unless a statement says of each field what its `key` says.

    `pairs` holds, by field, what the statement says and what the key means.
    """
    for field, (said, meant) in pairs.items():
        if said != meant:
            raise Rejected(
                "mix_and_match",
                f"{key} speaks of the {field} {said!r}, not of {meant!r}: it belongs elsewhere.",
                remedy="do not use it; a genuine statement was put in the wrong place.",
            )


S = TypeVar("S", bound=Statement)


@dataclass(frozen=True, slots=True)
class Signed(Generic[S]):
    """A statement together with the stored bytes that carry it."""

    statement: S
    data: bytes
    digest: str
    key_ids: tuple[str, ...]
