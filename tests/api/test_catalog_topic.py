"""The catalog's topic changes the pages of composed servers; until it was read, they say so."""

import uuid

import httpx
import orjson
from composed import on, serving
from kafka_clients import Raw, produce, until

from api.fake import FakeServed
from genpage.documents import dump

PAGE = {"user_id": "ada", "rows": 3, "entities_per_row": 4}


def shown(page: httpx.Response) -> list[str]:
    """The titles of a page, in order."""
    return [entity["id"] for row in page.json()["rows"] for entity in row["entities"]]


async def test_while_the_catalog_was_never_read_pages_say_so(bundle: FakeServed) -> None:
    """They may show what was withdrawn long ago."""
    assert bundle.version
    async with serving(on(kafka="127.0.0.1:1")) as (_, client):
        page = (await client.post("/v1/pages", json=PAGE)).json()
        assert page["rows"]
        assert page["degraded"] == ["events", "catalog"]


async def test_any_kafka_client_changes_the_catalog_of_every_replica(
    kafka: str, bundle: FakeServed
) -> None:
    """Documents, a withdrawal and poison by plain messages; a replica that starts later too."""
    name = f"n-{uuid.uuid4().hex}"
    document = {"id": name, "kind": "show", "title": "By Kafka"}
    shelf = {"id": name, "kind": "editorial", "title": "Shelf", "entity_ids": [name]}
    messages: list[Raw] = [
        (f"row:{name}".encode(), orjson.dumps({**shelf, "pinned_position": 0})),
        (b"entity:poison", b"{"),
        (f"entity:{name}".encode(), orjson.dumps(document)),
        (b"entity:e1", None),
    ]

    async def followed(client: httpx.AsyncClient) -> bool:
        page = await client.post("/v1/pages", json=PAGE)
        return shown(page)[0] == name

    try:
        async with serving(on(kafka=kafka)) as (one, first):
            assert one.catalog is not None
            await until(lambda: one.catalog_state == "ok")
            await produce(kafka, messages, topic="genpage.catalog")
            await until(lambda: followed(first))
            version = (await first.get("/version")).json()["catalog_version"]
            assert version != bundle.catalog.version
            assert (await first.get("/readyz")).json()["parts"]["catalog"] == "ok"
            assert (await first.get("/v1/entities/e1")).status_code == 404
            async with serving(on(kafka=kafka)) as (_, second):
                # From its first page on: with all that was on the topic, or it says that it lacks.
                for _ in range(20):
                    page = await second.post("/v1/pages", json=PAGE)
                    degraded = page.json()["degraded"]
                    assert shown(page)[0] == name or "catalog" in degraded
                    assert "e1" not in shown(page) or "catalog" in degraded
                await until(lambda: followed(second))

                async def whole() -> bool:
                    page = await second.post("/v1/pages", json=PAGE)
                    return "catalog" not in page.json()["degraded"]

                await until(whole)
                assert (await second.get("/version")).json()["catalog_version"] == version
            assert one.event_log is not None
            tally = one.event_log.followers[0].tally
            assert tally.poison["genpage.catalog", "not-json"] >= 1
    finally:
        # Others read the same topic.
        keys = [f"row:{name}".encode(), f"entity:{name}".encode(), b"entity:poison", b"entity:e1"]
        await produce(kafka, [(key, None) for key in keys[:-1]], topic="genpage.catalog")
        back = orjson.dumps(dump(bundle.catalog.entities[1]))
        await produce(kafka, [(keys[-1], back)], topic="genpage.catalog")
