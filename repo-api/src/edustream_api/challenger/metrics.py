"""What the consumer tells Prometheus about its challengers: counts of all workers, read at the moment of the scrape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from edustream_api.challenger.split import FALLBACKS
from edustream_api.hosting import HostedModel, Hosting
from edustream_api.keeper import Keeper
from edustream_api.states import State


class ChallengerCollector(Collector):
    """How challengers are, how their answers differ, and who answered whom."""

    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting

    def collect(self) -> Iterator[Metric]:
        """Every family, also those of which there is nothing to tell."""
        models = self._hosting.models
        yield from _states([keeper for hosted in models for keeper in hosted.challengers])
        yield from _shadows(models)
        yield from _splits(models)


def _states(challengers: Iterable[Keeper]) -> Iterator[Metric]:
    state = GaugeMetricFamily(
        "edustream_challenger_state",
        "1 for the state that the challenger is in",
        labels=["model", "reference", "state"],
    )
    release = GaugeMetricFamily(
        "edustream_challenger_release_info",
        "The challenger's release",
        labels=["model", "reference", "version", "manifest_digest"],
    )
    for keeper in challengers:
        names = [keeper.reference.model, str(keeper.reference)]
        snapshot = keeper.snapshot
        for possible in State:
            state.add_metric([*names, possible.value], float(snapshot.state is possible))
        if serving := snapshot.serving:
            release.add_metric([*names, serving.version, serving.release.manifest_digest], 1.0)
    yield from (state, release)


def _shadows(models: Iterable[HostedModel]) -> Iterator[Metric]:
    rows = CounterMetricFamily(
        "edustream_shadow_rows",
        "Sampled rows, by what became of them: compared, failed, dropped",
        labels=["model", "outcome"],
    )
    agreement = GaugeMetricFamily(
        "edustream_shadow_agreement_ratio", "Share of compared rows with equal labels", labels=["model", "bound"]
    )
    difference = GaugeMetricFamily(
        "edustream_shadow_difference",
        "Challenger minus champion, by field and statistic",
        labels=["model", "field", "statistic"],
    )
    seconds = SummaryMetricFamily(
        "edustream_shadow_processor_seconds",
        "Processor time that one row takes, one row at a time",
        labels=["model", "side"],
    )
    for hosted in models:
        shadow = hosted.shadow
        if shadow is None:
            continue
        comparison = shadow.comparison(hosted.keeper.snapshot.serving, shadow.challenger.snapshot.serving)
        if comparison is None:
            continue
        for outcome in ("compared", "failed", "dropped"):
            rows.add_metric([hosted.name, outcome], getattr(comparison, outcome))
        if found := comparison.agreement():
            for bound in ("share", "low", "high"):
                agreement.add_metric([hosted.name, bound], found[bound])
        for field, statistics in comparison.differences().items():
            for statistic in ("mean", "mean_absolute", "max_absolute"):
                if (value := statistics[statistic]) is not None:
                    difference.add_metric([hosted.name, field, statistic], value)
        for side, one in comparison.seconds.items():
            seconds.add_metric([hosted.name, side], one.count, one.total)
    yield from (rows, agreement, difference, seconds)


def _splits(models: Iterable[HostedModel]) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "edustream_split_requests", "Requests answered, by side", labels=["model", "side", "status"]
    )
    fallbacks = CounterMetricFamily(
        "edustream_split_fallbacks",
        "Requests of the challenger's callers that the champion was asked instead, by reason",
        labels=["model", "reason"],
    )
    for hosted in models:
        if hosted.split is None:
            continue
        counts = hosted.split.counts()
        for (side, status), count in counts.answered.items():
            requests.add_metric([hosted.name, side, str(status)], count)
        for reason, count in (dict.fromkeys(sorted(FALLBACKS), 0) | counts.fallbacks).items():
            fallbacks.add_metric([hosted.name, reason], count)
    yield from (requests, fallbacks)
