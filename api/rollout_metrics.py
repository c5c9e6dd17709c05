"""The rollout's numbers, read off it at each scrape."""

from collections.abc import Iterator
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rollout.refusal import Kind
from rollout.rollout import Rollout


class RolloutMetrics(Collector):
    """``genpage_bundles_refused_total``, ``genpage_trial_info`` and what stands beside them."""

    def __init__(self, rollout: Rollout) -> None:
        self._rollout = rollout

    def collect(self) -> Iterator[Metric]:
        """The numbers of this moment."""
        numbers, trial = self._rollout.numbers, self._rollout.trial
        refused = CounterMetricFamily(
            "genpage_bundles_refused", "Announced bundles that were refused", labels=["kind"]
        )
        # Every kind from the start: of a series that appears at 1 nobody sees an increase.
        for kind in get_args(Kind):
            refused.add_metric([kind], numbers.refused.get(kind, 0))
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
