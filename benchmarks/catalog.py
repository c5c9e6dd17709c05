"""What a catalog snapshot costs the pages that are made meanwhile.

    genpage bench catalog --bundle BUNDLE [--json]

In one process, without sockets: pages follow each other, one at a time, while a title arrives every
moment and each arrival builds a snapshot of the whole catalog. ``stall_ms`` is how late a timer of
the event loop was at most; ``to_page_s`` is from the document to the first page asked for that is
made with it. Each stands beside the same without arrivals.
"""

import asyncio
import gc
import time
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import orjson
import structlog
from rich.table import Table

from api.app import create_app
from api.compose import Settings, compose
from api.live_catalog import LiveCatalog
from api.server import Server
from benchmarks.asgi_client import ask
from benchmarks.report import Report
from genpage.entity import Entity

STRETCH_S: Final = 10.0
ARRIVALS: Final = 10
_TICK_S: Final = 0.002


def report(bundle: Path) -> Report:
    """Measure a bundle's catalog."""
    log = structlog.wrap_logger(
        structlog.ReturnLogger(), wrapper_class=structlog.make_filtering_bound_logger(50)
    )
    server = compose(Settings(bundle=bundle), log)
    gc.collect()
    gc.freeze()  # as `genpage serve` does
    return asyncio.run(_measured(server))


class _Load:
    """Pages one after the other, and a timer beside them."""

    def __init__(self, server: Server) -> None:
        self._app = create_app(server)
        self.seconds: list[float] = []
        self.versions: list[tuple[float, str]] = []
        self.late: list[float] = []

    async def pages(self) -> None:
        """For ever."""
        number = 0
        while True:
            number += 1
            body = {"user_id": f"m{number % 40}", "rows": 10, "entities_per_row": 20}
            begun = time.perf_counter()
            seen = await ask(self._app, "POST", "/v1/pages", "application/json", orjson.dumps(body))
            self.seconds.append(seen.seconds)
            self.versions.append((begun, orjson.loads(seen.content)["catalog_version"]))

    async def ticks(self) -> None:
        """How late a timer fires."""
        while True:
            due = time.perf_counter() + _TICK_S
            await asyncio.sleep(_TICK_S)
            self.late.append(time.perf_counter() - due)

    def figures(self) -> dict[str, float]:
        """Since they were asked for last."""
        pages = np.array(self.seconds) * 1000
        told = {
            "pages": float(len(pages)),
            "page_ms_p50": round(float(np.percentile(pages, 50)), 2),
            "page_ms_p99": round(float(np.percentile(pages, 99)), 2),
            "stall_ms": round(max(self.late) * 1000, 2),
        }
        self.seconds.clear()
        self.late.clear()
        return told


async def _measured(server: Server) -> Report:
    async with server:
        catalog = server.catalog
        assert catalog is not None
        load = _Load(server)
        running = [asyncio.create_task(each) for each in (load.pages(), load.ticks())]
        try:
            await asyncio.sleep(2.0)
            load.figures()
            await asyncio.sleep(STRETCH_S)
            before = load.figures()
            builds, to_page = await _arrivals(catalog, load)
            during = load.figures()
        finally:
            for each in running:
                each.cancel()
            await asyncio.wait(running)
        built = catalog.built
        assert built is not None
        document: dict[str, Any] = {
            "entities": built.entities,
            "rows": built.rows,
            "build_s": {"p50": round(median(builds), 3), "max": round(max(builds), 3)},
            "to_page_s": {"p50": round(median(to_page), 3), "max": round(max(to_page), 3)},
            "before": before,
            "during": during,
        }
        table = Table("of", "before", "during", box=None, title=f"{built.entities:,} entities")
        for name in before:
            table.add_row(name, f"{before[name]:,}", f"{during[name]:,}")
        table.add_row("snapshot, s, p50", "", f"{median(builds):.3f}")
        table.add_row("document -> page, s, p50", "", f"{median(to_page):.3f}")
        return Report(document, table)


async def _arrivals(catalog: LiveCatalog[Any], load: _Load) -> tuple[list[float], list[float]]:
    """Titles arrive one after the other; how long each build and each way to a page took."""
    builds, to_page = [], []
    for number in range(ARRIVALS):
        snapshots, known = catalog.snapshots, len(load.versions)
        old = load.versions[-1][1]
        begun = time.perf_counter()
        await catalog.apply([Entity(f"new-{number}", "film", f"New {number}", synopsis="A film")])
        while catalog.snapshots == snapshots:  # noqa: ASYNC110 - looked at from outside
            await asyncio.sleep(0.005)
        assert catalog.built is not None
        builds.append(catalog.built.seconds)
        while all(version == old for _, version in load.versions[known:]):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        first = next(at for at, version in load.versions[known:] if version != old)
        to_page.append(first - begun)
    return builds, to_page
