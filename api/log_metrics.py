"""The event log's numbers, read off it at each scrape."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streaming.dead_letters import KINDS
from streaming.event_log import EventLog
from streaming.topics import READ


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
            "genpage_kafka_applied", "Events and profiles applied", consumer.tally.applied
        )
        pages = self._log.pages
        yield CounterMetricFamily("genpage_pages_out", "Served pages told to the log", pages.sent)
        yield CounterMetricFamily(
            "genpage_pages_out_dropped",
            "Served pages that the log was not told of, for want of room or of a broker",
            pages.dropped,
        )
        yield GaugeMetricFamily(
            "genpage_pages_out_waiting", "Served pages on their way to the log", pages.waiting
        )
        poison = CounterMetricFamily(
            "genpage_dlq", "Messages sent to the dead letters", labels=["topic", "kind"]
        )
        # From the start at 0: of a series that appears at 1 nobody sees an increase.
        counts = {(topic.name, kind): 0 for topic in READ for kind in KINDS}
        for tally in tallies:
            for which, count in tally.poison.items():
                counts[which] = counts.get(which, 0) + count
        for which, count in counts.items():
            poison.add_metric(which, count)
        yield poison
