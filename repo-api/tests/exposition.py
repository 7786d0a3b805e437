"""What /metrics says, read back."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

PROCESS = ("process_", "python_")


def samples(client: TestClient) -> dict[str, float]:
    """Every sample by its name and labels, but for those of the process itself, which change at all times."""
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
        if not sample.name.startswith(PROCESS)
    }
