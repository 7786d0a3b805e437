"""What /drift says of a model, as a document."""

from __future__ import annotations

from typing import Any

from edustream_api.drift.monitor import DriftMonitor, FieldDrift, Verdict
from edustream_api.drift.reference import NoReference, Reference
from edustream_api.loading import ServedModel

OFF = "Drift is not recorded here; start the consumer with --drift true."


def document(model: ServedModel, monitor: DriftMonitor | None) -> dict[str, Any]:
    """How far what `model` was asked and answered lies from its release's profile, or why nobody knows."""
    release = {
        "model": model.name,
        "model_version": model.version,
        "manifest_digest": model.release.manifest_digest,
    }
    if monitor is None:
        return {**release, "verdict": None, "alarm": False, "reason": OFF}
    if isinstance(model.reference, NoReference):
        return {**release, "verdict": None, "alarm": False, "reason": model.reference.reason}
    return {**release, **_compared(model.reference, monitor)}


def _compared(reference: Reference, monitor: DriftMonitor) -> dict[str, Any]:
    drift, thresholds = monitor.compare(reference), monitor.thresholds
    return {
        "verdict": drift.verdict,
        "alarm": drift.verdict is Verdict.MAJOR_SHIFT,
        "rows": drift.rows,
        "window_rows": monitor.window_rows,
        "reference_rows": reference.rows,
        "thresholds": {
            "psi_minor": thresholds.minor,
            "psi_major": thresholds.major,
            "min_rows": thresholds.min_rows,
        },
        "fields": {field.reference.name: _field(field) for field in drift.fields},
        "without_reference": dict(reference.without),
    }


def _field(field: FieldDrift) -> dict[str, Any]:
    reference = field.reference
    bins = zip(reference.bins.labels, reference.counts.tolist(), field.observed.tolist(), strict=True)
    return {
        "of": "answer" if reference.answered else "row",
        "verdict": field.verdict,
        "psi": field.stability_index,
        "psi_by_chance": field.by_chance,
        "js_distance": field.distance,
        "bins": [{"bin": label, "reference": expected, "observed": found} for label, expected, found in bins],
    }
