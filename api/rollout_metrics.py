"""The rollout's numbers, read off it at each scrape."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rollout.rollout import Rollout


class RolloutMetrics(Collector):
    """``genpage_bundles_refused_total``, ``genpage_trial_info`` and what stands beside them."""

    def __init__(self, rollout: Rollout) -> None:
        self._rollout = rollout

    def describe(self) -> list[Metric]:
        """Nothing: the names come with the numbers."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The numbers of this moment."""
        numbers, trial = self._rollout.numbers, self._rollout.trial
        refused = CounterMetricFamily(
            "genpage_bundles_refused", "Announced bundles that were refused", labels=["kind"]
        )
        for kind, count in numbers.refused.items():
            refused.add_metric([kind], count)
        yield refused
        yield CounterMetricFamily(
            "genpage_rollbacks",
            "Ways back: of a trial, or to the version before",
            numbers.rolled_back,
        )
        yield GaugeMetricFamily(
            "genpage_activation_seconds",
            "What the latest change of the active bundle took by itself",
            numbers.last_activation_s or 0.0,
        )
        trials = GaugeMetricFamily(
            "genpage_trial_info", "The bundle on trial", labels=["version", "strategy"]
        )
        if trial is not None:
            document = trial.document()
            trials.add_metric([str(document["version"]), str(document["strategy"])], 1)
        yield trials
