"""What a generated pydantic module says before its classes: imports, kinds of values, the base of all rows."""

from __future__ import annotations

import keyword
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Definition:
    """A name that the module defines for its fields, the code, and what that takes from elsewhere."""

    code: str
    imports: tuple[str, ...]
    needs: tuple[str, ...] = ()


DEFINITIONS: Final = {
    "_whole": Definition(
        '''\
def _whole(value: object) -> object:
    """In JSON 12.0 is the integer 12, and true is none."""
    if isinstance(value, bool):
        raise ValueError("must be an integer, not a boolean")
    return int(value) if isinstance(value, float) and value.is_integer() else value''',
        (),
    ),
    "_unicode": Definition(
        '''\
def _unicode(value: str) -> str:
    """Refuses half of a surrogate pair, which is no text."""
    value.encode()
    return value''',
        (),
    ),
    "_given": Definition(
        '''\
def _given(value: object) -> object:
    """A field that may be absent is not null for that."""
    if value is None:
        raise ValueError("must not be null; leave it out")
    return value''',
        (),
    ),
    "_one_of": Definition(
        '''\
def _one_of(*values: object) -> BeforeValidator:
    """These JSON values alone: 1 and 1.0 are the same, 1 and true are not."""

    def known(value: object) -> object:
        for one in values:
            if value == one and isinstance(value, bool) == isinstance(one, bool):
                return one
        raise ValueError(f"must be one of {values}")

    return BeforeValidator(known)''',
        ("BeforeValidator",),
    ),
    "Whole": Definition("Whole = BeforeValidator(_whole)", ("BeforeValidator",), ("_whole",)),
    "Number": Definition(
        'Number = Annotated[StrictInt | Annotated[FiniteFloat, Strict()], WithJsonSchema({"type": "number"})]',
        ("Annotated", "FiniteFloat", "Strict", "StrictInt", "WithJsonSchema"),
    ),
    "Text": Definition("Text = AfterValidator(_unicode)", ("AfterValidator",), ("_unicode",)),
    "Omissible": Definition(
        """\
T = TypeVar("T")
Omissible = Annotated[
    T | SkipJsonSchema[None], BeforeValidator(_given), Field(exclude_if=lambda value: value is None)
]""",
        ("Annotated", "BeforeValidator", "Field", "SkipJsonSchema", "TypeVar"),
        ("_given",),
    ),
}
IMPORTS: Final[Mapping[str, Sequence[str]]] = {
    "typing": ("Annotated", "Literal", "TypeVar"),
    "pydantic": (
        "AfterValidator",
        "BaseModel",
        "BeforeValidator",
        "ConfigDict",
        "Field",
        "FiniteFloat",
        "Strict",
        "StrictBool",
        "StrictInt",
        "StrictStr",
        "WithJsonSchema",
    ),
    "pydantic.json_schema": ("SkipJsonSchema",),
}
BASE: Final = '''\
class _Row(BaseModel):
    """What all rows have in common: no other fields, no changes, names as in the contract."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        protected_namespaces=(),
        serialize_by_alias=True,
        use_attribute_docstrings=True,
    )'''

# Attributes of pydantic's BaseModel, which a field of this name would hide.
BASE_MODEL: Final = frozenset(
    {
        "Config",
        "construct",
        "copy",
        "dict",
        "from_orm",
        "json",
        "model_computed_fields",
        "model_config",
        "model_construct",
        "model_copy",
        "model_dump",
        "model_dump_json",
        "model_extra",
        "model_fields",
        "model_fields_set",
        "model_json_schema",
        "model_parametrized_name",
        "model_post_init",
        "model_rebuild",
        "model_validate",
        "model_validate_json",
        "model_validate_strings",
        "parse_file",
        "parse_obj",
        "parse_raw",
        "schema",
        "schema_json",
        "update_forward_refs",
        "validate",
    }
)
RESERVED: Final = frozenset(
    {*keyword.kwlist, *BASE_MODEL, *DEFINITIONS, *(name for names in IMPORTS.values() for name in names)}
    | {"re", "bool", "float", "int", "str"}
)
