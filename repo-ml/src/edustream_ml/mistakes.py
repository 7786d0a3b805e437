"""The mistakes of a configuration in plain words, each with its path as it is in the file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from edustream_contracts.errors import Problem

Location = tuple[int | str, ...]

KEY: Final = "[key]"
"""What ends the library's location of a key that is wrong, behind the key."""
NAMES: Final = "names with values are"
NEEDED: Final[Mapping[str, str]] = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "a text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "dict_type": "names with values",
    "model_type": "names with values",
    "model_attributes_type": "names with values",
    "date_type": "a day such as 2024-02-29",
    "date_from_datetime_parsing": "a day such as 2024-02-29",
    "date_from_datetime_inexact": "a day such as 2024-02-29",
    "greater_than_equal": "at least {ge}",
    "greater_than": "a number above {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "a number below {lt}",
    "too_short": "at least {min_length}",
    "string_too_short": "a text that is not empty",
    "string_pattern_mismatch": "a text that matches {pattern}",
    "literal_error": "{expected}",
    "union_tag_invalid": "one of {expected_tags}",
}
"""What each kind of the library's errors asks for, with the members of its context."""
YAML_READS: Final = "YAML reads yes, no, on and off as true or false: put a text in quotes."


def mistakes(error: ValidationError, document: Mapping[Any, Any], section: type[BaseModel]) -> list[Problem]:
    """One problem for each place of `document` that is wrong, which was checked as a `section`."""
    found: dict[str, list[ErrorDetails]] = {}
    for details in error.errors():
        if not _counts_what_is_wrong_itself(details):
            found.setdefault(_path(details, document) or "(document)", []).append(details)
    return [Problem(path, _message(of_place, section)) for path, of_place in found.items()]


def needed(details: ErrorDetails) -> str:
    """What is asked for in place of what was given; what the library says, where it is none of its common errors."""
    template = NEEDED.get(details["type"])
    return template.format(**details.get("ctx", {})) if template else str(details["msg"]).removeprefix("Value error, ")


def _message(of_place: Sequence[ErrorDetails], section: type[BaseModel]) -> str:
    """The errors of one place: several are what each branch of a union asks for."""
    details = of_place[0]
    if details["type"] in ("missing", "union_tag_not_found"):
        return "is missing" if isinstance(details["input"], Mapping) else f"is {_given(details)}; {NAMES} needed"
    if details["type"] == "extra_forbidden":
        return f"is no setting; there are {', '.join(_settings(details['loc'], section))}"
    if details["type"] not in NEEDED:
        shown = f" (given: {_given(details)})" if _is_scalar(details["input"]) else ""
        return needed(details) + (shown if repr(details["input"]) not in needed(details) else "")
    asked = list(dict.fromkeys(map(needed, of_place)))
    either = f"{', '.join(asked[:-1])}, or {asked[-1]}" if len(asked) > 1 else asked[0]
    verb = "are" if either == "names with values" else "is"
    truth = f". {YAML_READS}" if isinstance(details["input"], bool) and details["type"] == "string_type" else ""
    return f"is {_given(details)}; {either} {verb} needed{truth}"


def _given(details: ErrorDetails) -> str:
    given = details["input"]
    if isinstance(given, Mapping | Sequence) and not isinstance(given, str):
        return ("names with values" if isinstance(given, Mapping) else "a list") if given else "empty"
    return json.dumps(given, ensure_ascii=False, default=str)


def _is_scalar(given: Any) -> bool:
    return isinstance(given, str | int | float | bool)


def _path(details: ErrorDetails, document: Any) -> str:
    """The location without the branches of unions, which no file names, and with the key that a place lacks."""
    location = details["loc"]
    if location[-1:] == (KEY,):
        key = details["input"] if isinstance(details["input"], str) else json.dumps(details["input"], default=str)
        return ".".join([*_within(location[:-2], document), key])
    path = list(_within(location, document))
    if details["type"] == "missing":
        path.append(str(location[-1]))
    if details["type"].startswith("union_tag_") and isinstance(details["input"], Mapping):
        path.append(details["ctx"]["discriminator"].strip("'"))
    return ".".join(path)


def _within(location: Location, place: Any) -> Iterator[str]:
    for part in location:
        is_there = part in place if isinstance(place, Mapping) else isinstance(part, int)
        if is_there:
            place = place[part]
            yield str(part)


def _counts_what_is_wrong_itself(details: ErrorDetails) -> bool:
    """Whether a list is called too short only because the library leaves out what is wrong in it."""
    return details["type"] == "too_short" and len(details["input"]) >= details["ctx"]["min_length"]


def _settings(location: Location, section: type[BaseModel]) -> list[str]:
    """What may stand at the place of a key that is no setting."""
    found = [section]
    for part in location[:-1]:
        fields = [one.model_fields[part] for one in found if part in one.model_fields]
        branch = [one for one in found if one.__name__.lower() == str(part).replace("_", "")]
        found = branch or [one for field in fields for one in _sections(field.annotation)] or found
    return sorted({name for one in found for name in one.model_fields})


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections(argument)
