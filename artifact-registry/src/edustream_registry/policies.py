"""Renders the policies that grant each user the least it needs, from the templates in `policies/`."""

from __future__ import annotations

import json
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Any, Final

from edustream_contracts.errors import InvalidInput
from edustream_registry.settings import RegistrySettings

PACKAGED: Final = files("edustream_registry").joinpath("documents")
CHECKOUT: Final = Path(__file__).resolve().parents[2] / "policies"
ANY_ACCOUNT: Final = "000000000000"


def templates() -> Traversable:
    """The folder of the templates: beside the code in a wheel, `artifact-registry/policies` in a checkout."""
    return PACKAGED if PACKAGED.is_dir() else CHECKOUT


def names() -> list[str]:
    """The names of the templates."""
    return sorted(path.name.removesuffix(".json") for path in templates().iterdir() if path.name.endswith(".json"))


def user_name(settings: RegistrySettings, role: str) -> str:
    """The name of a registry's `producer` or `consumer`: bucket, parts of the prefix, role."""
    return "-".join([settings.bucket, *filter(None, settings.prefix.split("/")), role])


def render(name: str, settings: RegistrySettings, account: str = ANY_ACCOUNT, **values: str) -> dict[str, Any]:
    """The policy `name` for one registry.

    Args:
        name: a template, e.g. `producer`.
        settings: the registry's bucket and prefix.
        account: the AWS account of the two users; stores without accounts take twelve zeros.
        values: what else the template asks for, or another `producer_arn` or `consumer_arn`.

    Raises:
        InvalidInput: kind `argument`, there is no such template; kind `configuration`, a value is missing.
    """
    if name not in names():
        raise InvalidInput("argument", f"There is no policy {name!r}.", remedy=f"choose one of {', '.join(names())}.")
    roles = {role: user_name(settings, role) for role in ("producer", "consumer")}
    known = {
        "bucket": settings.bucket,
        "registry": "".join(filter(str.isalnum, settings.prefix)),
        "prefix": f"{settings.prefix}/" if settings.prefix else "",
        **roles,
        **{f"{role}_arn": f"arn:aws:iam::{account}:user/{user}" for role, user in roles.items()},
    }
    # A value is put into JSON text, so it is written as JSON writes it.
    quoted = {key: json.dumps(value)[1:-1] for key, value in (known | values).items()}
    try:
        text = Template(templates().joinpath(f"{name}.json").read_text()).substitute(quoted)
    except KeyError as error:
        raise InvalidInput(
            "configuration", f"The policy {name} needs a value for {error}.", remedy="give it with --set NAME=VALUE."
        ) from error
    document: dict[str, Any] = json.loads(text)
    return document
