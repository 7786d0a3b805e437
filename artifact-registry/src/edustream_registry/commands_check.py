"""The command `check`: may a release be deployed, and may it be promoted? What a pipeline asks."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape

from edustream_contracts.errors import EduStreamError
from edustream_registry import presentation
from edustream_registry.command_line import DEFAULT_ENV, AsJson, EnvFile, Wanted, reader_from
from edustream_registry.console import OUT, print_json, say
from edustream_registry.deployment import Checked, Requirements, pinned_contract
from edustream_registry.deployment import check as check_release
from edustream_registry.durations import duration_s
from edustream_registry.names import Reference, model_name
from edustream_registry.needs_gate import Assessment, ConsumerEffect, Effect, NeedsGate
from edustream_registry.reading import utc_now

Contract = Annotated[
    str | None, typer.Option(help="The contract that the consumer pins: a contract.json, or its digest.")
]
Major = Annotated[int | None, typer.Option("--contract-major", help="The major version that the consumer pins.", min=0)]
MaxAge = Annotated[
    str | None, typer.Option(help="Greatest age of the promotion, or of the release outside a channel: 36h, 90d.")
]
Channel = Annotated[
    str | None, typer.Option("--to", help="Also ask whether this channel may move to it, by what consumers state.")
]


def check(
    wanted: Wanted,
    to: Channel = None,
    contract: Contract = None,
    contract_major: Major = None,
    max_age: MaxAge = None,
    env_file: EnvFile = DEFAULT_ENV,
    as_json: AsJson = False,
) -> None:
    """May this release be deployed? Verifies signatures, chain, every file, contract, thresholds, yanks and age."""
    requirements = Requirements(
        contract=contract and pinned_contract(contract),
        major=contract_major,
        max_age_s=None if max_age is None else duration_s(max_age),
    )
    reference, channel = Reference.parse(wanted), to and model_name(to)
    assessment: Assessment | None = None
    try:
        reader = reader_from(env_file)
        done = check_release(reader, reference, utc_now(), requirements)
        if channel:
            assessment = NeedsGate(reader).assess(done.resolved.manifest, channel, utc_now())
            if not as_json:
                _print_effects(assessment)
            assessment.require_harmless()
    except EduStreamError as error:
        if as_json:
            print_json(_refusal(reference, error) | _effects_document(assessment))
        raise
    _print_checked(done, assessment, as_json)


def _refusal(reference: Reference, error: EduStreamError) -> dict[str, Any]:
    return {"may_be_deployed": False, "reference": str(reference)} | presentation.refusal(error)


def _print_checked(done: Checked, assessment: Assessment | None, as_json: bool) -> None:
    found = done.resolved
    if as_json:
        document = {"may_be_deployed": True} | presentation.summary(found) | {"passed": list(done.passed)}
        return print_json(document | _effects_document(assessment))
    for sentence in done.passed:
        say(f"  ok  {sentence}")
    promoted = f", and promoted to {assessment.channel}" if assessment else ""
    return say(f"{found.model}@{found.version} may be deployed{promoted}.")


def _print_effects(done: Assessment) -> None:
    colours = {Effect.NONE: "green", Effect.BREAKS: "bold red", Effect.UNKNOWN: "yellow"}
    for one in done.effects:
        verdict = f"[{colours[one.effect]}]{one.effect.value}[/]"
        OUT.print(f"  {verdict}  {escape(one.consumer)}: {escape(one.sentence)}")
    if not done.effects:
        say(f"  no consumer states any needs of {done.model}@{done.channel}")


def _effects_document(done: Assessment | None) -> dict[str, Any]:
    if done is None:
        return {}
    return {
        "channel": done.channel,
        "may_be_promoted": not done.harmed,
        "consumers": [_effect_document(one) for one in done.effects],
    }


def _effect_document(one: ConsumerEffect) -> dict[str, Any]:
    return {
        "consumer": one.consumer,
        "effect": one.effect.value,
        "sentence": one.sentence,
        "needs": None if one.needs is None else asdict(one.needs),
        "expires_at": one.expires_at,
        "reasons": [asdict(reason) for reason in one.reasons],
    }
