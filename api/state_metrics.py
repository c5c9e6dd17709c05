"""How the server is at this moment, read off it at each scrape: parts, bundles, the catalog."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.live_catalog import LiveCatalog
from api.served import Models


class Observed(Protocol):
    """What of a server is looked at."""

    models: Models
    catalog: LiveCatalog[Any] | None

    @property
    def parts(self) -> Mapping[str, str]:
        """The state of each part, as ``/readyz`` tells it."""
        ...


class StateMetrics(Collector):
    """``genpage_part_up``, ``genpage_bundle_info`` and what stands beside them."""

    def __init__(self, server: Observed) -> None:
        self._server = server

    def collect(self) -> Iterator[Metric]:
        """The numbers of this moment."""
        parts = GaugeMetricFamily("genpage_part_up", "Whether a part is well", labels=["part"])
        for part, state in self._server.parts.items():
            parts.add_metric([part], state == "ok")
        yield parts
        yield self._bundles()
        catalog = self._server.catalog
        if catalog is not None:
            yield CounterMetricFamily(
                "genpage_catalog_snapshots", "Catalog snapshots swapped in", catalog.snapshots
            )
            built = catalog.built
            if built is not None:
                yield GaugeMetricFamily(
                    "genpage_catalog_snapshot_seconds", "Building the latest took", built.seconds
                )
                yield GaugeMetricFamily(
                    "genpage_catalog_snapshot_timestamp_seconds", "When it was swapped in", built.at
                )
                yield GaugeMetricFamily(
                    "genpage_catalog_entities", "Titles in the latest snapshot", built.entities
                )

    def _bundles(self) -> Metric:
        models = self._server.models
        bundles = GaugeMetricFamily(
            "genpage_bundle_info", "Bundles in memory", labels=["version", "digest", "role"]
        )
        active, previous = models.active, models.previous
        for model in models.loaded:
            role = "loaded"
            if active is not None and model.version == active.version:
                role = "active"
            elif previous is not None and model.version == previous.version:
                role = "previous"
            bundles.add_metric([model.version, model.digest[:12], role], 1)
        return bundles
