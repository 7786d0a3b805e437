"""The last thing that a run says: what was made, how good it is, where it is, what comes next."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from edustream_ml.training import Training
from edustream_ml.workflow import Deployment
from edustream_registry.manifest import ReleaseContent
from edustream_registry.publishing import PublicationStatus

SUCCESS = "DEPLOY SUCCESSFUL"
NOTHING_NEW = "NOTHING NEW TO PUBLISH"
DRY_RUN = "DRY RUN COMPLETE: nothing was published"

_HEADLINES = {
    PublicationStatus.PUBLISHED: SUCCESS,
    PublicationStatus.IDENTICAL: f"{NOTHING_NEW}: this very release is already there",
    PublicationStatus.RESTORED: f"{NOTHING_NEW}: this very release is already there; its missing files were put back",
}


def print_summary(
    console: Console, training: Training, content: ReleaseContent, deployment: Deployment | None, channel: str | None
) -> None:
    """Print the summary of a finished run; `deployment` is None for a dry run."""
    rows = [("model", content.model), ("estimator", training.chosen.candidate.label)]
    if deployment:
        rows.append(("version", deployment.publication.manifest.version))
        if deployment.publication.why:
            rows.append(("why this version", deployment.publication.why))
        rows.append(("manifest SHA-256", deployment.publication.release.digest))
    rows.append(("model.onnx SHA-256", content.file("model.onnx").sha256))
    rows += [(name, f"{value:.4f}") for name, value in content.metrics.items()]
    if deployment:
        rows += [("location", deployment.publication.location), ("channel", _channel_line(deployment, channel))]
    _print_rows(console, rows)
    headline = _HEADLINES[deployment.publication.status] if deployment else DRY_RUN
    console.print(headline, style="bold green", markup=False, highlight=False, soft_wrap=True)


def _channel_line(deployment: Deployment, channel: str | None) -> str:
    manifest = deployment.publication.manifest
    reference = f"{manifest.content.model}@{manifest.version}"
    command = f"edustream-registry promote {reference} --to {channel or 'production'}"
    if channel is None:
        return f"not promoted; to promote: {command}"
    promotion = deployment.promotion
    if promotion is None:
        return f"{channel} held {reference} before and moved on; to promote it again: {command}"
    verb = "now points" if promotion.moved else "points already"
    return f"{channel} {verb} at {reference} (entry {promotion.entry.statement.sequence})"


def _print_rows(console: Console, rows: list[tuple[str, str]]) -> None:
    if not console.is_terminal:
        width = max(len(name) for name, _ in rows)
        for name, value in rows:
            console.print(f"{name:<{width}}  {value}", markup=False, highlight=False, soft_wrap=True)
        return
    table = Table(show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    console.print(table)
