"""What the consumer tells Prometheus about its requests, its state and its releases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from edustream_api.challenger.metrics import ChallengerCollector
from edustream_api.drift.metrics import DriftCollector
from edustream_api.events import Event, Listener, Polled, PollResult, Refused, Swapped
from edustream_api.hosting import Hosting
from edustream_api.problems import UNREAD
from edustream_api.process_metrics import BuildCollector
from edustream_api.states import STATES, State
from edustream_api.worker_files import MULTIPROCESS_DIR

BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
SWAP_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
BATCH_BUCKETS: Final = (1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0)

REJECTING: Final = sorted(kind for error in STATES for kind in error.KINDS)
"""The kinds of errors for which a find is not put into service; a disk that cannot be written may be another."""


class Metrics:
    """Counters and a histogram, shared by all workers of one consumer; the children of their labels are kept."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """`environ` says through PROMETHEUS_MULTIPROC_DIR whether several processes share one set of metrics."""
        self._multiprocess_dir = environ.get(MULTIPROCESS_DIR)
        # Several processes tell no times at which counts began; neither shall one.
        disable_created_metrics()
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "edustream_requests", "Requests answered", ["route", "status"], registry=self._registry
        )
        self._durations = Histogram(
            "edustream_request_duration_seconds",
            "Time from the end of the head of a request to its answer",
            ["route"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._swaps = Counter(
            "edustream_swaps", "Releases that were put into service", ["model"], registry=self._registry
        )
        self._rejections = Counter(
            "edustream_rejections", "Finds that were not put into service", ["model", "reason"], registry=self._registry
        )
        self._swap_durations = Histogram(
            "edustream_swap_duration_seconds",
            "Time to fetch, verify and load a release",
            ["model"],
            buckets=SWAP_BUCKETS,
            registry=self._registry,
        )
        self._batch_rows = Histogram(
            "edustream_batch_rows",
            "Rows of the batches that were answered",
            ["model"],
            buckets=BATCH_BUCKETS,
            registry=self._registry,
        )
        self._polls = Counter("edustream_polls", "Looks at the registry", ["model", "result"], registry=self._registry)
        self._refusals = Counter(
            "edustream_refusals", "Requests refused before they were read", ["kind"], registry=self._registry
        )
        self._rate_limit_fallbacks = Counter(
            "edustream_rate_limit_fallbacks",
            "Requests counted by this process alone, since Redis failed",
            registry=self._registry,
        )
        # What has not happened yet counts 0: a rate is blind to a count that begins at 1.
        for refusal in UNREAD:
            self._refusals.labels(refusal.name)
        self._request_children: dict[tuple[str, int], Counter] = {}
        self._duration_children: dict[str, Histogram] = {}
        self._swapped_at: dict[str, float] = {}
        self.in_progress: Callable[[], int] = lambda: 0
        """How many requests this process has not answered yet; set by whoever answers them."""

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        key = (route, status)
        counter = self._request_children.get(key)
        if counter is None:
            counter = self._request_children.setdefault(key, self._requests.labels(route, str(status)))
            self._duration_children.setdefault(route, self._durations.labels(route))
        counter.inc()
        self._duration_children[route].observe(seconds)

    def answers_batches_of(self, model: str) -> None:
        """Show from now on how many rows of `model` came in batches."""
        self._batch_rows.labels(model)

    def observe_batch(self, model: str, rows: int) -> None:
        """Count one batch that was answered."""
        self._batch_rows.labels(model).observe(rows)

    def refused(self, kind: str) -> None:
        """Count one request that was refused before it was read."""
        self._refusals.labels(kind).inc()

    def counted_alone(self) -> None:
        """Count one request that Redis should have counted."""
        self._rate_limit_fallbacks.inc()

    def listener(self, model: str) -> Listener:
        """Whom the keeper of `model` tells what it does, so that it is counted."""
        swaps = self._swaps.labels(model)
        durations = self._swap_durations.labels(model)
        polls = {result: self._polls.labels(model, result.value) for result in PollResult}
        for kind in REJECTING:
            self._rejections.labels(model, kind)

        def listen(event: Event) -> None:
            if isinstance(event, Polled):
                polls[event.result].inc()
            elif isinstance(event, Swapped):
                swaps.inc()
                durations.observe(event.seconds)
                self._swapped_at[model] = event.at.timestamp()
            elif isinstance(event, Refused):
                self._rejections.labels(model, event.refusal.error.kind).inc()

        return listen

    def render(self, hosting: Hosting) -> bytes:
        """The exposition text: this process's state, and the counts of all processes."""
        registry = self._registry
        if self._multiprocess_dir:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, self._multiprocess_dir)
        state = CollectorRegistry()
        state.register(ChallengerCollector(hosting))
        state.register(HostingCollector(hosting, self._swapped_at))
        state.register(BuildCollector(self.in_progress))
        state.register(DriftCollector(hosting))
        return generate_latest(registry) + generate_latest(state)


class HostingCollector(Collector):
    """State, release and staleness of every model, read from its keeper at the moment of the scrape."""

    def __init__(self, hosting: Hosting, swapped_at: Mapping[str, float]) -> None:
        """`swapped_at` says of each model when a release last came into service, in seconds of the Unix epoch."""
        self._hosting = hosting
        self._swapped_at = swapped_at

    def collect(self) -> Iterator[Metric]:
        """One gauge a fact."""
        state = GaugeMetricFamily(
            "edustream_state", "1 for the state that the consumer is in", labels=["model", "state"]
        )
        release = GaugeMetricFamily(
            "edustream_release_info", "The release that answers", labels=["model", "version", "manifest_digest"]
        )
        staleness = GaugeMetricFamily(
            "edustream_staleness_seconds",
            "Time since the registry last confirmed what is loaded",
            labels=["model"],
        )
        swapped = GaugeMetricFamily(
            "edustream_last_swap_timestamp_seconds", "When a release last came into service", labels=["model"]
        )
        for model, moment in list(self._swapped_at.items()):
            swapped.add_metric([model], moment)
        for hosted in self._hosting.models:
            snapshot = hosted.keeper.snapshot
            for possible in State:
                state.add_metric([hosted.name, possible.value], float(snapshot.state is possible))
            if serving := snapshot.serving:
                release.add_metric([hosted.name, serving.version, serving.release.manifest_digest], 1.0)
            if (seconds := hosted.keeper.staleness_s(snapshot)) is not None:
                staleness.add_metric([hosted.name], seconds)
        yield from (state, release, staleness, swapped)
