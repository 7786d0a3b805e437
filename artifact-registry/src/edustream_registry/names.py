"""The names that the protocol allows: models, channels, files, versions, sequences, and references to releases."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import semver

from edustream_contracts.errors import InvalidInput

MODEL_PATTERN: Final = r"^[a-z][a-z0-9-]{0,62}$"
FILE_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$"
DIGEST_PATTERN: Final = r"^[0-9a-f]{64}$"
MAX_FILE_NAME: Final = 128
MAX_SEQUENCE: Final = 999_999_999_999
MAX_VERSION: Final = 64
_NUMBER: Final = r"(0|[1-9][0-9]{0,17})"
_RANGE: Final = re.compile(
    rf"(?P<operator>[\^~])(?P<major>{_NUMBER})(\.(?P<minor>{_NUMBER})(\.(?P<patch>{_NUMBER}))?)?"
)


def model_name(name: str) -> str:
    """`name`, if it may name a model or a channel; else `InvalidInput` (kind `argument`)."""
    if not re.fullmatch(MODEL_PATTERN, name):
        raise InvalidInput(
            "argument",
            f"{name!r} is no name for a model, a channel or a consumer.",
            remedy="use lower-case letters, digits and hyphens, at most 63, beginning with a letter.",
        )
    return name


def file_name(name: str) -> str:
    """`name`, if it may name a file of a release; else `InvalidInput` (kind `argument`)."""
    if len(name) > MAX_FILE_NAME or not re.fullmatch(FILE_PATTERN, name):
        raise InvalidInput(
            "argument",
            f"{name!r} is no name for a file of a release.",
            remedy="use a plain file name of letters, digits, '_', '-' and single dots, with no folder in it.",
        )
    return name


def parse_version(text: str) -> semver.Version:
    """The semantic version (semver.org 2.0.0) in `text`; `InvalidInput` (kind `argument`) where it is none.

    Build metadata is refused, since it takes no part in precedence and would make two numbers equal.
    """
    if len(text) > MAX_VERSION:
        raise InvalidInput(
            "argument",
            f"The version {text!r} has more than {MAX_VERSION} characters.",
            remedy="shorten its prerelease.",
        )
    try:
        version = semver.Version.parse(text)
    except (ValueError, TypeError) as error:
        raise InvalidInput(
            "argument", f"{text!r} is no semantic version.", remedy="write it like 2.1.0 or 2.1.0-rc.1."
        ) from error
    if version.build is not None:
        raise InvalidInput(
            "argument", f"The version {text!r} carries build metadata.", remedy="leave out the '+' and what follows it."
        )
    return version


def is_version(text: str) -> bool:
    """Whether `parse_version` takes `text`."""
    try:
        parse_version(text)
    except InvalidInput:
        return False
    return True


def is_name(text: str) -> bool:
    """Whether `model_name` takes `text`."""
    return re.fullmatch(MODEL_PATTERN, text) is not None


@dataclass(frozen=True, slots=True)
class VersionRange:
    """A caret or tilde range, e.g. `^2`, `^2.1`, `~2.1.3`, with the meaning that npm gave them.

    A caret keeps the leftmost number that is not zero, a tilde the minor number (the major, where only that
    is given).
    """

    text: str

    def __post_init__(self) -> None:
        if not _RANGE.fullmatch(self.text):
            raise InvalidInput(
                "reference", f"{self.text!r} is no version range.", remedy="write it like ^2, ^2.1.0 or ~2.1."
            )

    @property
    def bounds(self) -> tuple[semver.Version, semver.Version]:
        """The lowest version inside, and the lowest version above that is outside."""
        match = _RANGE.fullmatch(self.text)
        assert match is not None  # noqa: S101 - __post_init__ admits nothing else
        parts = [int(match[part]) for part in ("major", "minor", "patch") if match[part] is not None]
        low = semver.Version(*parts)
        if match["operator"] == "~":
            return low, low.bump_minor() if len(parts) > 1 else low.bump_major()
        if low.major > 0 or len(parts) == 1:
            return low, low.bump_major()
        if low.minor > 0 or len(parts) == 2:
            return low, low.bump_minor()
        return low, low.bump_patch()

    def admits(self, version: semver.Version) -> bool:
        """Whether `version` lies inside; a prerelease never does, since nobody asked for it by name."""
        low, above = self.bounds
        return version.prerelease is None and low <= version < above


@dataclass(frozen=True, slots=True)
class Reference:
    """What a consumer asks for: `churn@production`, `churn@2.1.0` or `churn@^2`; exactly one of the three is set."""

    model: str
    channel: str | None = None
    version: str | None = None
    versions: VersionRange | None = None

    @property
    def wanted(self) -> str:
        """What stands after the `@`: a channel, a version or a range."""
        return self.versions.text if self.versions else str(self.version or self.channel)

    def __str__(self) -> str:
        return f"{self.model}@{self.wanted}"

    @staticmethod
    def parse(text: str) -> Reference:
        """Read a reference. Raises `InvalidInput` (kind `reference` or `argument`) that says what is wrong."""
        model, at, wanted = text.partition("@")
        if not at or not wanted:
            raise InvalidInput(
                "reference",
                f"{text!r} does not say which release is wanted.",
                remedy=f"write {model or 'churn'}@production, {model or 'churn'}@2.1.0 or {model or 'churn'}@^2.",
            )
        model_name(model)
        if wanted[0] in "^~":
            return Reference(model, versions=VersionRange(wanted))
        if wanted[0].isdigit():
            return Reference(model, version=str(parse_version(wanted)))
        return Reference(model, channel=model_name(wanted))


def exact_release(text: str) -> tuple[str, str]:
    """Model and version of an exact reference; `InvalidInput` (kind `reference`) for a channel or a range."""
    reference = Reference.parse(text)
    if reference.version is None:
        raise InvalidInput(
            "reference", f"{text!r} names no exact version.", remedy=f"write it like {reference.model}@2.1.0."
        )
    return reference.model, reference.version


def channel_of(text: str) -> tuple[str, str]:
    """Model and channel of a channel reference; `InvalidInput` (kind `reference`) for a version or a range."""
    reference = Reference.parse(text)
    if reference.channel is None:
        raise InvalidInput(
            "reference", f"{text!r} names no channel.", remedy=f"write it like {reference.model}@production."
        )
    return reference.model, reference.channel
