"""What a snapshot's counts are found by is looked up before it serves, not by its first page."""

import asyncio
from dataclasses import replace

from kafka_clients import until

from api.fake import FakeServed, Logbook, fake_catalog
from api.live_catalog import LiveCatalog
from genpage.catalog import Catalog
from genpage.entity import Entity
from runtime.registry import Registry

NEW = Entity("n1", "film", "Never seen")


async def test_a_snapshot_serves_once_its_catalog_was_met() -> None:
    """Until then pages are made with the one before; so it is with a bundle loaded later."""
    models, met, go = Registry[FakeServed](), list[Catalog](), asyncio.Event()

    async def meet(catalog: Catalog) -> None:
        met.append(catalog)
        await go.wait()

    models.add(FakeServed.of(fake_catalog(50, 5)))
    before = models.loaded[0]
    async with asyncio.timeout(30.0), LiveCatalog(models, Logbook().logger(), meet=meet) as catalog:
        await catalog.apply([NEW])
        await until(lambda: len(met) == 1)
        assert list(models.loaded) == [before]
        go.set()
        await until(lambda: not catalog.pending)
        after = models.loaded[0]
        assert met == [after.catalog]
        assert after.catalog.entity_index("n1") is not None
        go.clear()
        another = replace(FakeServed.of(fake_catalog(40, 4)), version="fake-2")
        adopting = asyncio.create_task(catalog.adopt(another))
        await until(lambda: len(met) == 2)
        assert list(models.loaded) == [after]
        go.set()
        adopted = await adopting
        assert list(models.loaded) == [after, adopted]
        assert met[1] is adopted.catalog
