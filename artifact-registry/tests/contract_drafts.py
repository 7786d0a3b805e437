"""Contracts of the profile for tests: drawn ones, and one whose names and texts are as awkward as it allows."""

from __future__ import annotations

import keyword
import math
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st
from pydantic import BaseModel

from edustream_contracts.contract import ModelContract, contract_from
from edustream_contracts.errors import InvalidInput
from edustream_contracts.validation import SchemaValidator

PATTERNS = (r"^\d+$", r"\w", r"^.$", "b(?=a)", r"^[^\s]*$", r"[a-c]{2,3}|é", r"\.\/", r"\p{L}", r"^(?!.*--)[a-z]*$")
TEXTS = (
    "",
    "a",
    "ab",
    "abc",
    "é",
    "e\u0301",
    "😀",
    "😀😀",
    "\u0661",
    "12",
    "1\n",
    "--",
    "\x00",
    "./",
    "\u2028",
    "\ud800",
)
NUMBERS = (
    0,
    1,
    -1,
    12,
    0.5,
    1.0,
    12.0,
    -0.0,
    1e-9,
    2**53,
    2**53 + 1,
    10**400,
    -(10**400),
    1e300,
    float("nan"),
    math.inf,
    -math.inf,
)
VALUES: tuple[Any, ...] = (None, True, False, *NUMBERS, *TEXTS, [], {}, [1])

AWKWARD_TEXT = "ends */ here \\ \"\"\" and ''' \n@deprecated \u202e\x07 \\n {@link x} é😀 # `${x}` \\"
AWKWARD_NAMES = (
    *keyword.kwlist,
    *keyword.softkwlist,
    *(name for name in dir(BaseModel)),
    *("_", "__", "_1", "_x", "x", "x_", "class_", "copy_", "__proto__", "__slots__", "model_year", "T", "re", "Config"),
    *("int", "str", "float", "bool", "type", "list", "object", "property", "Field", "Literal", "Number", "Omissible"),
    *("break", "constructor", "prototype", "interface", "enum", "new", "readonly", "get", "set", "static", "delete"),
    *("function", "typeof", "void", "this", "super", "undefined", "never", "any", "unknown", "toString", "declare"),
)


def contract_of(
    properties: Mapping[str, Any], required: list[str], example: Mapping[str, Any], model: str = "drawn"
) -> ModelContract:
    """A contract with this input."""
    label = {"type": "string", "enum": ["No", "Yes"], "description": "The answer"}
    return contract_from(
        {
            "contract_format": 1,
            "model": model,
            "title": "Drawn",
            "description": "A test",
            "input": _schema(properties, required, example),
            "output": _schema({"label": label}, ["label"], {"label": "No"}),
            "golden_tolerance": 0.001,
        }
    )


def awkward_contract() -> ModelContract:
    """Every name that a language or pydantic keeps for itself, and texts that could end a comment or a string."""
    names = list(dict.fromkeys(AWKWARD_NAMES))
    fields: dict[str, Any] = {name: {"type": "string", "description": AWKWARD_TEXT} for name in names}
    fields["choice"] = {"type": "string", "enum": [AWKWARD_TEXT, "'", "\u2028"], "description": '"'}
    fields["mixed"] = {"type": ["number", "null"], "enum": [0.5, 1, None], "description": "\\"}
    fields["looked"] = {"type": "string", "pattern": "^(?!b)", "description": "Checked by the module re"}
    fields["nothing"] = {"type": ["string", "null"], "enum": [None], "description": "\n"}
    required = [*names[::2], "choice", "mixed"]
    example = dict.fromkeys(names, "x") | {"choice": "'", "mixed": 1}
    return contract_of(fields, required, example, model="a--1-class")


def _schema(properties: Mapping[str, Any], required: list[str], example: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": AWKWARD_TEXT,
        "properties": dict(properties),
        "required": required,
        "additionalProperties": False,
        "examples": [dict(example)],
    }


def near(spec: Mapping[str, Any]) -> Iterator[Any]:
    """Values that a field's keywords could tell apart."""
    yield from VALUES
    for value in (*spec.get("enum", ()), spec.get("const")):
        yield value
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield from (float(value), bool(value), str(value), -value)
    for key in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
        if key in spec:
            bound = spec[key]
            yield from (bound, float(bound), math.nextafter(bound, math.inf), math.nextafter(bound, -math.inf))
            yield from (bound - 1, bound + 1)
            if abs(bound) <= 2**53:
                yield from (math.floor(bound), math.ceil(bound))
    for key in ("minLength", "maxLength"):
        for more in (-1, 0, 1):
            yield "😀" * max(0, int(spec.get(key, 0)) + more)


numbers = st.one_of(
    st.integers(-20, 20),
    st.integers(-20, 20).map(float),
    st.floats(-20, 20),
    st.sampled_from([1e300, -1e300, 2**53 - 1]),
)
texts = st.one_of(st.sampled_from(TEXTS[:-1]), st.text(max_size=4))
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "number": numbers,
    "integer": numbers.filter(lambda value: float(value).is_integer()),
    "string": texts,
    "boolean": st.booleans(),
}


@st.composite
def fields(draw: st.DrawFn) -> dict[str, Any]:
    """One field of the profile, with keywords for its kind and now and then one that means nothing for it."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    nullable = draw(st.booleans())
    spec: dict[str, Any] = {"type": [kind, "null"] if nullable else kind, "description": "A field"}
    form = draw(st.sampled_from(["any", "enum", "const", "rules", "rules"]))
    if form == "enum":
        value = st.one_of(KINDS[kind], st.none()) if nullable else KINDS[kind]
        spec["enum"] = draw(st.lists(value, min_size=1, max_size=4, unique_by=lambda one: (isinstance(one, bool), one)))
    elif form == "const":
        spec["const"] = draw(KINDS[kind])
    elif form == "rules":
        bounds = draw(st.lists(numbers, min_size=2, max_size=2).map(sorted))
        lengths = sorted(draw(st.tuples(st.integers(0, 3), st.integers(0, 3))))
        rules = {
            draw(st.sampled_from(["minimum", "exclusiveMinimum"])): bounds[0],
            draw(st.sampled_from(["maximum", "exclusiveMaximum"])): bounds[1],
            "minLength": draw(st.sampled_from([lengths[0], float(lengths[0])])),
            "maxLength": lengths[1],
            "pattern": draw(st.sampled_from(PATTERNS)),
        }
        kept = draw(st.lists(st.sampled_from(sorted(rules)), unique=True, max_size=3))
        spec |= {key: rules[key] for key in kept}
    return spec


@st.composite
def contracts(draw: st.DrawFn) -> ModelContract | None:
    """A contract with some drawn fields; None where one of them admits nothing, or nothing that could be found."""
    properties = {f"f{number}": spec for number, spec in enumerate(draw(st.lists(fields(), min_size=1, max_size=4)))}
    example = {}
    for name, spec in properties.items():
        validator = SchemaValidator(spec)
        fitting = [value for value in near(spec) if validator.is_valid(value)]
        if not fitting:
            return None
        example[name] = fitting[0]
    required = draw(st.lists(st.sampled_from(sorted(properties)), unique=True))
    try:
        return contract_of(properties, required, example)
    except InvalidInput:
        return None
