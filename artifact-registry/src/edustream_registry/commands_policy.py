"""The command `policy`: prints a policy of `policies/` for one registry."""

from __future__ import annotations

from typing import Annotated

import typer

from edustream_contracts.errors import InvalidInput
from edustream_registry import policies
from edustream_registry.console import print_json
from edustream_registry.settings import RegistrySettings


def policy(
    name: Annotated[str, typer.Argument(help="bucket-policy, aws-create-only, producer, ...; see policies/.")],
    url: Annotated[
        str, typer.Option(help="The registry's address, s3://bucket or s3://bucket/prefix.")
    ] = "s3://models",
    account: Annotated[str, typer.Option(help="The AWS account of the users.")] = policies.ANY_ACCOUNT,
    values: Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE for the rest of a template.")] = None,
) -> None:
    """Print a policy for a registry, as init writes it or for a store that init cannot prepare."""
    settings = RegistrySettings.from_environ({"REGISTRY_URL": url})
    print_json(policies.render(name, settings, account, **dict(map(_pair, values or []))))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidInput("argument", f"--set {text} has no value.", remedy="write NAME=VALUE.")
    return name, value
