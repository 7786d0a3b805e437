"""What the consumer says about itself: its health, and its models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from edustream_contracts.errors import EduStreamError
from edustream_registry.names import Reference

from edustream_api.challenger.split import CHALLENGER, CHAMPION, Split
from edustream_api.events import Refusal, Snapshot
from edustream_api.hosting import HostedModel, Hosting
from edustream_api.loading import ServedModel
from edustream_api.stated_needs import NeedsReport


def health(hosting: Hosting) -> dict[str, Any]:
    """Everything a person wants to know when something is wrong: of the only model, or of each."""
    if hosting.only:
        return model_health(hosting.only)
    models = {hosted.name: model_health(hosted) for hosted in hosting.models}
    # Never ready where there is none.
    ready = bool(models) and all(model["ready"] for model in models.values())
    return {"live": True, "ready": ready, "models": models}


def model_health(hosted: HostedModel) -> dict[str, Any]:
    """The same of one model."""
    keeper, needs = hosted.keeper, hosted.needs
    snapshot = keeper.snapshot
    challengers = {one: challenger(one.reference, one.snapshot) for one in hosted.challengers}
    return {
        "state": snapshot.state.value,
        "meaning": snapshot.state.meaning,
        "since": _time(snapshot.since),
        "live": True,
        "ready": snapshot.state.serves,
        "reference": str(keeper.reference),
        "registry": keeper.where,
        "model_version": snapshot.serving.version if snapshot.serving else None,
        "error": _explained(snapshot.error) if snapshot.error else None,
        "last_contact": _time(snapshot.contacted_at),
        "staleness_s": keeper.staleness_s(snapshot),
        "staleness_budget_s": keeper.staleness_budget_s,
        "last_refusal": _refusal(snapshot.refusal),
        "needs": _needs(needs.report) if needs else None,
        "shadow": challengers[hosted.shadow.challenger] if hosted.shadow else None,
        "split": _split(hosted.split, challengers[hosted.split.challenger]) if hosted.split else None,
    }


def challenger(reference: Reference, snapshot: Snapshot) -> dict[str, Any]:
    """How a challenger is, which changes nothing of how its champion is."""
    return {
        "reference": str(reference),
        "state": snapshot.state.value,
        "meaning": snapshot.state.meaning,
        "model_version": snapshot.serving.version if snapshot.serving else None,
        "error": _explained(snapshot.error) if snapshot.error else None,
        "last_refusal": _refusal(snapshot.refusal),
    }


def models(hosting: Hosting) -> dict[str, Any]:
    """The models that are asked for, in order, and how each is."""
    return {"models": [_listed(hosted) for hosted in hosting.models]}


def model(served: ServedModel) -> dict[str, Any]:
    """What answers, where it comes from, and who vouches for it."""
    release = served.release
    manifest = release.manifest
    content = manifest.content
    entry = release.entry.statement if release.entry else None
    return {
        "model": served.name,
        "version": served.version,
        "task": content.task,
        "reference": str(release.reference),
        "manifest_digest": release.manifest_digest,
        "contract_digest": content.contract_digest,
        "signed_by": list(release.release.key_ids),
        "published_at": manifest.published_at,
        "published_by": manifest.published_by,
        "channel": None
        if entry is None
        else {
            "name": entry.channel,
            "sequence": entry.sequence,
            "promoted_at": entry.promoted_at,
            "promoted_by": entry.promoted_by,
            "reason": entry.reason,
        },
        "metrics": dict(content.metrics),
        "thresholds": dict(content.thresholds),
        "files": {file.name: {"size": file.size, "sha256": file.sha256} for file in content.files},
        "golden_rows_replayed": served.golden_rows,
    }


def _listed(hosted: HostedModel) -> dict[str, Any]:
    snapshot = hosted.keeper.snapshot
    return {
        "model": hosted.name,
        "reference": str(hosted.keeper.reference),
        "state": snapshot.state.value,
        "ready": snapshot.state.serves,
        "model_version": snapshot.serving.version if snapshot.serving else None,
    }


def _split(split: Split, challenger: Mapping[str, Any]) -> dict[str, Any]:
    answered, fallbacks = split.counts()
    sides: Counter[str] = Counter()
    for (side, _), count in answered.items():
        sides[side] += count
    return {
        **challenger,
        "percent": split.percent,
        "answered": {side: sides[side] for side in (CHAMPION, CHALLENGER)},
        "fallbacks": dict(fallbacks),
        "needs": _needs(split.needs.report) if split.needs else None,
    }


def _needs(report: NeedsReport) -> dict[str, Any]:
    said = report.statement
    return {
        "consumer": said.consumer if said else None,
        "running": said.running if said else None,
        "stated_at": said.stated_at if said else None,
        "expires_at": said.expires_at if said else None,
        "error": _explained(report.error) if report.error else None,
    }


def _refusal(refusal: Refusal | None) -> dict[str, Any] | None:
    if refusal is None:
        return None
    return {"at": _time(refusal.at), **_explained(refusal.error)}


def _explained(error: EduStreamError) -> dict[str, Any]:
    return {
        "kind": error.kind,
        "fact": error.fact,
        "problems": [{"pointer": problem.pointer, "detail": problem.message} for problem in error.problems],
        "next": error.remedy,
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
