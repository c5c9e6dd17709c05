"""Loaded bundles are fitted to the changed catalog: one at a time, each on its own, with rests."""

import asyncio
import sys
import threading
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from kafka_clients import until

from api import live_catalog
from api.fake import FakeServed, Logbook, fake_catalog
from api.live_catalog import LiveCatalog
from genpage.catalog import Catalog
from genpage.entity import Entity
from genpage.trends import Trends
from runtime.registry import Registry

NEW = Entity("n1", "film", "Never seen", genres=("Drama",), year=2026)


class Slow:
    """Has fitted models wait until they may go on; remembers when each was begun and done."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.go = threading.Event()
        self.spans: list[tuple[float, float]] = []
        self.inside = self.most = 0
        fit = FakeServed.with_catalog

        def slowly(model: FakeServed, catalog: Catalog, trends: Trends) -> FakeServed:
            begun = time.monotonic()
            self.inside += 1
            self.most = max(self.most, self.inside)
            assert self.go.wait(30.0)
            fitted = fit(model, catalog, trends)
            self.inside -= 1
            self.spans.append((begun, time.monotonic()))
            return fitted

        patch.setattr(FakeServed, "with_catalog", slowly)


async def test_a_bundle_that_nobody_waits_for_any_more_is_not_taken_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its thread goes on; nothing else is built beside it, and turns are as long as before."""
    usual = sys.getswitchinterval()
    slow, models = Slow(monkeypatch), Registry[FakeServed]()
    async with LiveCatalog(models, Logbook().logger()) as catalog:
        await catalog.apply([NEW])
        await until(lambda: not catalog.pending)
        first = asyncio.create_task(catalog.adopt(FakeServed.of(fake_catalog(50, 5))))
        await until(lambda: slow.inside == 1)
        first.cancel()
        await asyncio.wait([first])
        second = replace(FakeServed.of(fake_catalog(40, 4)), version="fake-2")
        adopting = asyncio.create_task(catalog.adopt(second))
        await asyncio.sleep(0)
        assert catalog.pending
        slow.go.set()
        adopted = await adopting
        assert (slow.most, len(slow.spans)) == (1, 2)
        assert models.loaded == (adopted,)
    await until(lambda: sys.getswitchinterval() == pytest.approx(usual))


async def test_a_bundle_that_cannot_be_fitted_keeps_no_other_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each is tried on its own; that not all have the change is told."""
    models = Registry[FakeServed]()
    for version in ("bad", "good"):
        models.add(replace(FakeServed.of(fake_catalog(50, 5)), version=version))
    fit = FakeServed.with_catalog

    def some(model: FakeServed, catalog: Catalog, trends: Trends) -> FakeServed:
        if model.version == "bad":
            raise MemoryError("no room")
        return fit(model, catalog, trends)

    monkeypatch.setattr(FakeServed, "with_catalog", some)
    async with LiveCatalog(models, Logbook().logger()) as catalog:
        await catalog.apply([NEW])
        await until(lambda: catalog.snapshots == 1 and catalog.failed)
        assert [m.catalog.entity_index("n1") is not None for m in models.loaded] == [False, True]


async def test_changes_without_a_pause_leave_the_processor_to_pages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between snapshots there are as many seconds as they cost, twice."""
    monkeypatch.setattr(live_catalog, "LONGEST_S", 0.01)
    slow, models = Slow(monkeypatch), Registry[FakeServed]()
    models.add(FakeServed.of(fake_catalog(50, 5)))
    slow.go.set()
    async with LiveCatalog(models, Logbook().logger()) as catalog:
        number = 0
        while len(slow.spans) < 4:
            number += 1
            await catalog.apply([replace(NEW, title=f"{number}")])
            await asyncio.sleep(0.001)
    for (begun, done), (after, _) in pairwise(slow.spans):
        assert after - done >= live_catalog.REST * (done - begun)
