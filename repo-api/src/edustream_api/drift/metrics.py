"""How far each model's window lies from its release's profile, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from edustream_api.drift.monitor import Verdict
from edustream_api.drift.reference import Reference
from edustream_api.hosting import Hosting


class DriftCollector(Collector):
    """Distances, alarms and sample sizes, counted over all workers at the moment of the scrape."""

    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting

    def collect(self) -> Iterator[Metric]:
        """One gauge a fact; nothing of a model whose release has no profile, and no distances of an empty window."""
        of_a_field = ["model", "field"]
        index = GaugeMetricFamily(
            "edustream_drift_psi", "Population stability index against the release's profile", labels=of_a_field
        )
        distance = GaugeMetricFamily(
            "edustream_drift_js_distance", "Jensen-Shannon distance from the release's profile", labels=of_a_field
        )
        alarm = GaugeMetricFamily(
            "edustream_drift_alarm", "1 while a field shows a major shift in enough rows", labels=of_a_field
        )
        samples = GaugeMetricFamily("edustream_drift_samples", "Rows in the window", labels=["model"])
        for hosted in self._hosting.models:
            serving = hosted.keeper.snapshot.serving
            if hosted.drift is None or serving is None or not isinstance(serving.reference, Reference):
                continue
            drift = hosted.drift.compare(serving.reference)
            samples.add_metric([hosted.name], drift.rows)
            for field in drift.fields:
                labels = [hosted.name, field.reference.name]
                alarm.add_metric(labels, float(field.verdict is Verdict.MAJOR_SHIFT))
                if field.stability_index is not None and field.distance is not None:
                    index.add_metric(labels, field.stability_index)
                    distance.add_metric(labels, field.distance)
        yield from (index, distance, alarm, samples)
