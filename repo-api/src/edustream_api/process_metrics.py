"""What the process tells Prometheus of itself: which build it is, what it is busy with, what it takes."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import version

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector


class BuildCollector(Collector):
    """The build and the requests under way, with the standard `process_*` metrics."""

    def __init__(self, in_progress: Callable[[], int]) -> None:
        self._in_progress = in_progress
        self._process = ProcessCollector(registry=None)

    def collect(self) -> Iterator[Metric]:
        """One gauge a fact."""
        build = GaugeMetricFamily("edustream_build_info", "What runs", labels=["version", "python", "onnxruntime"])
        build.add_metric(list(_versions()), 1.0)
        under_way = GaugeMetricFamily("edustream_requests_in_progress", "Requests that are not answered yet")
        under_way.add_metric([], self._in_progress())
        yield from (build, under_way, *self._process.collect())


@cache
def _versions() -> tuple[str, str, str]:
    return version("edustream-api"), platform.python_version(), version("onnxruntime")
