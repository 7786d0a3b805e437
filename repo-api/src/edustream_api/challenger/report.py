"""What the consumer says about a challenger that is compared with its champion."""

from __future__ import annotations

from typing import Any

from edustream_api.challenger.comparison import Comparison
from edustream_api.challenger.shadow import Shadow
from edustream_api.keeper import Keeper
from edustream_api.web import reports


def document(champion: Keeper, shadow: Shadow) -> dict[str, Any]:
    """Both releases, how the challenger is, and what all workers counted of the two."""
    serving, challenger = champion.snapshot.serving, shadow.challenger.snapshot
    comparison = shadow.comparison(serving, challenger.serving)
    return {
        "model": champion.reference.model,
        "champion": {"reference": str(champion.reference), "model_version": serving.version if serving else None},
        "challenger": reports.challenger(shadow.challenger.reference, challenger),
        "sample": shadow.sample,
        "comparison": _comparison(comparison) if comparison else None,
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "champion": comparison.champion,
        "challenger": comparison.challenger,
        "rows": comparison.compared,
        "failed": comparison.failed,
        "last_failure": comparison.last_failure,
        "dropped": comparison.dropped,
        "agreement": comparison.agreement(),
        "differences": comparison.differences(),
        "processor_seconds_per_row": comparison.latency(),
    }
