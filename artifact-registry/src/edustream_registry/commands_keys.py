"""The commands `keys ...`: signing keys, and the trust file that belongs to whoever runs them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from edustream_contracts.errors import InvalidInput
from edustream_registry import key_rotation
from edustream_registry.command_line import DEFAULT_ENV, AsJson
from edustream_registry.console import OUT, new_table, print_json, say
from edustream_registry.settings import with_env_file
from edustream_registry.trust import TrustPolicy, read_trust

keys = typer.Typer(help="Generate signing keys, and say in your own trust file whose signatures count.")

EnvFile = Annotated[Path, typer.Option("--env-file", help="File whose EDUSTREAM_TRUST_FILE is meant.")]
TrustFile = Annotated[
    Path | None, typer.Option("--trust-file", help="The trust file; else EDUSTREAM_TRUST_FILE of the env file.")
]
KeyId = Annotated[str, typer.Argument(help="A trusted key's id, or its first digits (8 or more).")]


@keys.command()
def generate(
    to: Annotated[Path, typer.Argument(help="File for the private key; the public one is written beside it.")],
) -> None:
    """Generate a signing key. It signs nothing until somebody trusts it."""
    signer = key_rotation.generate_key(to)
    say(f"Key {signer.public.key_id}")
    say(f"  private: {to} (keep it secret; name it in EDUSTREAM_SIGNING_KEY_FILE to sign with it)")
    say(f"  public:  {key_rotation.public_path(to)} (give it to whoever shall trust it)")


@keys.command()
def show(trust_file: TrustFile = None, env_file: EnvFile = DEFAULT_ENV, as_json: AsJson = False) -> None:
    """Show whom a trust file trusts, how many of them must sign, and how old a promotion may be."""
    path = _trust_file(trust_file, env_file)
    _print(path, read_trust(path), as_json)


@keys.command()
def export(key: KeyId, trust_file: TrustFile = None, env_file: EnvFile = DEFAULT_ENV) -> None:
    """Print a trusted key as PEM, e.g. for `model_signing verify key --public_key`."""
    path = _trust_file(trust_file, env_file)
    typer.echo(key_rotation.trusted_key(read_trust(path), path, key).pem, nl=False)


@keys.command()
def trust(
    public_key: Annotated[Path, typer.Argument(help="The .public.pem file of a key whose owner you know.")],
    consumer: Annotated[
        str | None, typer.Option(help="Trust it with what this consumer states of its needs, and with nothing else.")
    ] = None,
    trust_file: TrustFile = None,
    env_file: EnvFile = DEFAULT_ENV,
    as_json: AsJson = False,
) -> None:
    """Trust a key from now on; what other trusted keys signed stays valid."""
    path = _trust_file(trust_file, env_file)
    _print(path, key_rotation.trust_key(path, key_rotation.read_public_key(public_key), consumer), as_json)


@keys.command()
def distrust(
    key: KeyId, trust_file: TrustFile = None, env_file: EnvFile = DEFAULT_ENV, as_json: AsJson = False
) -> None:
    """Trust a key no more: whatever only it signed is refused, however old."""
    path = _trust_file(trust_file, env_file)
    _print(path, key_rotation.distrust_key(path, key), as_json)


@keys.command()
def demand(
    threshold: Annotated[int | None, typer.Option(help="How many different trusted keys must sign.")] = None,
    max_entry_age_s: Annotated[
        float | None, typer.Option(help="How old the last entry of a channel may be, in seconds.")
    ] = None,
    any_age: Annotated[bool, typer.Option("--any-age", help="Accept entries of any age again.")] = False,
    trust_file: TrustFile = None,
    env_file: EnvFile = DEFAULT_ENV,
    as_json: AsJson = False,
) -> None:
    """Set what the trust file demands of a statement."""
    path = _trust_file(trust_file, env_file)
    _print(path, key_rotation.demand(path, threshold, max_entry_age_s, any_age=any_age), as_json)


def _trust_file(given: Path | None, env_file: Path) -> Path:
    named = given or with_env_file(os.environ, env_file).get("EDUSTREAM_TRUST_FILE")
    if not named:
        raise InvalidInput(
            "configuration",
            "No trust file is named.",
            remedy="give --trust-file, or an --env-file that sets EDUSTREAM_TRUST_FILE.",
        )
    return Path(named)


def _print(path: Path, policy: TrustPolicy, as_json: bool) -> None:
    ids = sorted(key.key_id for key in policy.keys)
    consumers = {name: sorted(key.key_id for key in keys) for name, keys in sorted(policy.consumers.items())}
    if as_json:
        print_json(
            {
                "trust_file": str(path),
                "keys": ids,
                "threshold": policy.threshold,
                "max_entry_age_s": policy.max_entry_age_s,
                "consumers": consumers,
            }
        )
        return
    table = new_table("trusted key", "signs")
    for key_id in ids:
        table.add_row(key_id, "releases")
    for name, held in consumers.items():
        for key_id in held:
            table.add_row(key_id, f"needs of {name}")
    OUT.print(table)
    age = "of any age" if policy.max_entry_age_s is None else f"at most {policy.max_entry_age_s:g} s old"
    say(f"{path}: {policy.threshold} of {len(ids)} must sign; a channel's last entry may be {age}.")
