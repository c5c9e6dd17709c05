"""A composed server on a real Kafka that is killed and restarted under it."""

import asyncio
import uuid
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from composed import on, serving
from kafka_clients import EVENTS, produce, raw, until

from deploy.services import KafkaBroker
from genpage.cli.serve import Serve
from genpage.errors import UsageError
from streaming.broker import Broker

pytestmark = pytest.mark.usefixtures("bundle")


async def version(client: httpx.AsyncClient, user: str) -> tuple[str, bool]:
    """The version of the context that a page is made from, and whether the member is known."""
    body = {"user_id": user, "rows": 1, "entities_per_row": 2}
    made = (await client.post("/v1/pages", json=body)).json()
    return made["context"]["version"], made["context"]["known"]


async def state(client: httpx.AsyncClient) -> tuple[int, str]:
    """What ``/readyz`` says of the event log."""
    answer = await client.get("/readyz")
    return answer.status_code, answer.json()["parts"]["events"]


async def test_an_event_changes_the_next_page(kafka: str) -> None:
    """By any Kafka client, and by HTTP; poison is counted, and an erasure erases."""
    user = uuid.uuid4().hex
    async with serving(on(kafka=kafka)) as (_, client):

        async def joined() -> bool:
            return await state(client) == (200, "ok")

        await until(joined)
        versions = [await version(client, user)]
        assert not versions[0][1]
        await produce(kafka, [raw(event_id="by-kafka", user_id=user), (user.encode(), b"{")])

        async def changed() -> bool:
            return await version(client, user) != versions[-1]

        await until(changed)
        versions.append(await version(client, user))
        body = {"user_id": user, "entity_id": "e2", "action": "play"}
        answer = await client.post("/v1/events", json=body)
        assert answer.status_code == 202
        await until(changed)

        async def counted() -> bool:
            return "genpage_dlq_total{" in (await client.get("/metrics")).text

        await until(counted)
        metrics = (await client.get("/metrics")).text
        assert f'genpage_dlq_total{{kind="not-json",topic="{EVENTS}"}}' in metrics
        assert f'genpage_kafka_lag{{topic="{EVENTS}"}}' in metrics
        assert (await client.delete(f"/v1/users/{user}/context")).status_code == 204
        assert (await client.get(f"/v1/users/{user}/context")).status_code == 404


async def test_pages_go_on_while_the_broker_is_away(tmp_path: Path) -> None:
    """Away at the start, there, killed: events are refused with 503, pages say so, it heals."""
    broker, user = KafkaBroker(tmp_path), uuid.uuid4().hex
    event = {"user_id": user, "entity_id": "e2", "action": "play"}
    page = {"user_id": user, "rows": 1, "entities_per_row": 2}

    async with serving(on(kafka=broker.bootstrap)) as (_, client):

        async def degraded() -> list[str]:
            found: list[str] = (await client.post("/v1/pages", json=page)).json()["degraded"]
            return found

        async def whole() -> bool:
            return await degraded() == []

        async def away() -> bool:
            return await degraded() == ["events"]

        assert await degraded() == ["events", "catalog"]  # the catalog's topic was never read
        assert await state(client) == (200, "away")
        try:
            await asyncio.to_thread(broker.start)
            async with asyncio.timeout(5):
                await until(whole)
            assert (await client.post("/v1/events", json=event)).status_code == 202
            await asyncio.to_thread(broker.kill)
            async with asyncio.timeout(1):
                await until(away)
            refused = await client.post("/v1/events", json=event)
            assert (refused.status_code, refused.json()["retryable"]) == (503, True)
            assert int(refused.headers["retry-after"]) >= 1
            assert await state(client) == (200, "away")
        finally:
            broker.kill()


async def test_thirty_seconds_without_kafka_under_load(tmp_path: Path) -> None:
    """Every page is served, every event refused or kept; afterwards all that was kept is there."""
    page = {"rows": 1, "entities_per_row": 2}
    prefix, acknowledged, pages, answers = uuid.uuid4().hex, list[tuple[str, str]](), [], set()
    with KafkaBroker(tmp_path) as broker:
        async with serving(on(kafka=broker.bootstrap)) as (_, client):

            async def load() -> None:
                number = 0
                while True:
                    number += 1
                    user, event_id = f"{prefix}-{number % 20}", f"{prefix}-{number}"
                    event = {"event_id": event_id, "user_id": user, "entity_id": "e2"}
                    posted = await client.post("/v1/events", json={**event, "action": "play"})
                    answers.add(posted.status_code)
                    if posted.status_code == 202:
                        acknowledged.append((user, event_id))
                    else:
                        assert int(posted.headers["retry-after"]) >= 1
                    made = await client.post("/v1/pages", json={"user_id": user, **page})
                    pages.append((made.status_code, made.json()["degraded"]))

            async def whole() -> bool:
                made = await client.post("/v1/pages", json={"user_id": prefix, **page})
                return bool(made.json()["degraded"] == [])

            await until(whole)
            loading = asyncio.create_task(load())
            await until(lambda: len(acknowledged) > 50)
            await asyncio.to_thread(broker.kill)
            before = len(pages)
            await asyncio.sleep(30)  # the outage itself
            during = len(pages)
            assert during > before + 100
            await asyncio.to_thread(broker.start)
            async with asyncio.timeout(5):
                await until(whole)
            kept = len(acknowledged)
            await until(lambda: len(acknowledged) > kept + 50)
            loading.cancel()
            with suppress(asyncio.CancelledError):
                await loading

            async def all_there() -> bool:
                held = set[str]()
                for user in {user for user, _ in acknowledged}:
                    context = (await client.get(f"/v1/users/{user}/context")).json()
                    held |= {event["event_id"] for event in context["events"]}
                return {event_id for _, event_id in acknowledged} <= held

            await until(all_there)
    assert answers == {202, 503}
    assert {status for status, _ in pages} == {200}
    assert all(degraded == ["events"] for _, degraded in pages[before + 100 : during])


async def is_ok(client: httpx.AsyncClient) -> bool:
    """Whether it reads the log, and has what was on it."""
    page = {"user_id": uuid.uuid4().hex, "rows": 1, "entities_per_row": 2}
    made = (await client.post("/v1/pages", json=page)).json()
    return await state(client) == (200, "ok") and made["degraded"] == []


@pytest.mark.parametrize("by", ["http", "kafka"])
async def test_an_erasure_reaches_what_other_replicas_remember(kafka: str, by: str) -> None:
    """Pages and KV are with the replica that made them, whoever reads the member's partition."""
    user, group = uuid.uuid4().hex, uuid.uuid4().hex
    page = {"user_id": user, "rows": 1, "entities_per_row": 2}
    async with (
        serving(on(kafka=kafka, group=group)) as (one, first),
        serving(on(kafka=kafka, group=group)) as (two, second),
    ):
        for client in (first, second):

            async def joined(client: httpx.AsyncClient = client) -> bool:
                return await is_ok(client)

            await until(joined)
        shares = [each.event_log.consumer for each in (one, two) if each.event_log is not None]
        await until(lambda: [len(share.partitions) for share in shares] == [8, 8])
        places = [
            (c, (await c.post("/v1/pages", json=page)).json()["page_id"]) for c in (first, second)
        ]
        for client, page_id in places:
            assert (await client.get(f"/v1/pages/{page_id}")).status_code == 200
        if by == "http":

            async def erased() -> bool:
                return (await first.delete(f"/v1/users/{user}/context")).status_code == 204

            await until(erased)  # 503 as long as there is no transaction yet
        else:
            await produce(kafka, [(user.encode(), None)])

        async def gone() -> bool:
            found = [(await c.get(f"/v1/pages/{page_id}")).status_code for c, page_id in places]
            return found == [404, 404]

        async with asyncio.timeout(10):
            await until(gone)


async def test_a_store_in_memory_is_filled_from_the_log_at_a_restart(kafka: str) -> None:
    """Its group had read on; but what was read is gone with the process."""
    user, group = uuid.uuid4().hex, uuid.uuid4().hex
    for began in ("first", "again"):
        async with serving(on(kafka=kafka, group=group)) as (_, client):

            async def joined(client: httpx.AsyncClient = client) -> bool:
                return await is_ok(client)

            await until(joined)
            if began == "first":
                await produce(kafka, [raw(event_id="once", user_id=user)])

            async def known(client: httpx.AsyncClient = client) -> bool:
                return (await version(client, user))[1]

            await until(known)
            answer = await client.get(f"/v1/users/{user}/context")
            assert [event["event_id"] for event in answer.json()["events"]] == ["once"]


async def test_a_consumer_that_ended_is_not_ready(kafka: str) -> None:
    """It would not heal by itself, so whoever watches restarts the server."""
    async with serving(on(kafka=kafka)) as (server, client):
        log = server.event_log
        assert log is not None
        await until(lambda: log.state == "ok")
        task = log.consumer._sessions._supervisor
        assert task is not None
        task.cancel()
        await asyncio.wait([task])
        assert await state(client) == (503, "ended")


def test_the_flag_takes_addresses() -> None:
    """One or more by commas; anything else is said before anything is loaded."""
    broker = Serve(kafka="a:9092,b:9092", kafka_group="blue").settings().kafka
    assert broker == Broker("a:9092,b:9092", "blue")
    assert Serve().settings().kafka is None
    with pytest.raises(UsageError, match="HOST:PORT"):
        Serve(kafka="nowhere").settings()
