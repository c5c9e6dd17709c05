"""The event log's numbers, read off it at each scrape."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streaming.event_log import EventLog


class LogMetrics(Collector):
    """``genpage_kafka_lag`` and what stands beside it."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    def collect(self) -> Iterator[Metric]:
        """The numbers of this moment."""
        consumer = self._log.consumer
        lag = GaugeMetricFamily("genpage_kafka_lag", "Messages not yet applied", labels=["topic"])
        for topic, count in consumer.lag.items():
            lag.add_metric([topic], count)
        for follower in self._log.followers:
            lag.add_metric([follower.topic.name], follower.lag)
        yield lag
        yield GaugeMetricFamily(
            "genpage_kafka_age_seconds", "Age of the oldest message not yet applied", consumer.age_s
        )
        yield GaugeMetricFamily(
            "genpage_kafka_up", "Whether the broker answers", not self._log.away
        )
        tallies = [consumer.tally, *(follower.tally for follower in self._log.followers)]
        yield CounterMetricFamily(
            "genpage_kafka_applied", "Messages applied", sum(each.applied for each in tallies)
        )
        poison = CounterMetricFamily(
            "genpage_dlq", "Messages sent to the dead letters", labels=["topic", "kind"]
        )
        for tally in tallies:
            for (topic, kind), count in tally.poison.items():
                poison.add_metric([topic, kind], count)
        yield poison
