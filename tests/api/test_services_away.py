"""A real server as a process whose Redis and Kafka are not there, end, or are held still.

It serves without a bundle: what is at stake is the members' events.
"""

import asyncio
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from kafka_clients import until
from server_process import ServerProcess, parts

from deploy.services import KafkaBroker, RedisServer

pytestmark = pytest.mark.timeout(300)  # two services and a server, on a machine that may be busy


@pytest.fixture
def services(tmp_path: Path) -> Iterator[tuple[RedisServer, KafkaBroker]]:
    """A Redis and a broker of the test's own, not started."""
    redis, kafka = RedisServer(tmp_path / "redis"), KafkaBroker(tmp_path / "kafka")
    with ExitStack() as stack:
        stack.callback(redis.kill)
        stack.callback(kafka.kill)
        yield redis, kafka


@asynccontextmanager
async def serving(
    tmp_path: Path, redis: RedisServer, kafka: KafkaBroker
) -> AsyncIterator[tuple[ServerProcess, httpx.AsyncClient]]:
    """A server on services that may not be there."""
    where = ("--redis-url", redis.url, "--kafka", kafka.bootstrap)
    with ServerProcess(tmp_path / "server", *where) as server:
        async with server.client() as client:
            yield server, client


async def test_it_starts_with_both_away_heals_and_ends_with_both_gone(
    tmp_path: Path, services: tuple[RedisServer, KafkaBroker]
) -> None:
    """It says so; events are refused with when to try again; no acknowledged one is lost."""
    redis, kafka = services
    user = uuid.uuid4().hex
    number_ = 0
    acknowledged: list[str] = []
    async with serving(tmp_path, redis, kafka) as (server, client):
        found = await parts(client)
        assert (found["events"], found["context-store"]) == ("away", "away")

        async def post() -> httpx.Response:
            nonlocal number_
            number_ += 1
            event = {"event_id": f"{number_}", "user_id": user, "entity_id": "e1", "action": "play"}
            answer = await client.post(
                "/v1/events", json=[event, {**event, "event_id": f"b{number_}"}]
            )
            if answer.status_code == 202:
                acknowledged.extend([f"{number_}", f"b{number_}"])
            return answer

        refused = await post()
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        await asyncio.to_thread(redis.start)
        await asyncio.to_thread(kafka.start)

        async def taken() -> bool:
            return (await post()).status_code == 202

        async with asyncio.timeout(20):
            await until(taken)
        # Stopped as an operator does, under load, and back after a while.
        await asyncio.to_thread(kafka.kill)
        async with asyncio.timeout(8):
            while (await post()).status_code == 202:
                pass
        for _ in range(20):
            assert (await post()).status_code == 503
            await asyncio.sleep(0.1)
        await asyncio.to_thread(kafka.start)
        async with asyncio.timeout(10):
            await until(taken)

        async def all_known() -> bool:
            answer = await client.get(f"/v1/users/{user}/context")
            if answer.status_code != 200:
                return False
            return set(acknowledged) <= {event["event_id"] for event in answer.json()["events"]}

        await until(all_known)
        redis.kill()
        kafka.kill()

        async def both_gone() -> bool:
            return {(await parts(client))[part] for part in ("events", "context-store")} == {"away"}

        await until(both_gone)
        try:
            assert await asyncio.to_thread(server.end, 20) == 0
        except subprocess.TimeoutExpired:
            pytest.fail(f"it does not end; its last words:\n{server.log()[-2000:]}")
    assert "Traceback" not in server.log()


async def test_it_starts_with_both_held_still_and_heals(
    tmp_path: Path, services: tuple[RedisServer, KafkaBroker]
) -> None:
    """They accept connections and answer nothing: it is there all the same, and says so."""
    redis, kafka = services
    await asyncio.to_thread(redis.start)
    await asyncio.to_thread(kafka.start)
    redis.pause()
    kafka.pause()
    try:
        async with serving(tmp_path, redis, kafka) as (server, client):

            async def told() -> bool:
                found = await parts(client)
                return (found["events"], found["context-store"]) == ("away", "away")

            # Silence is told from slowness by waiting.
            async with asyncio.timeout(2):
                await until(told)
            event = {"event_id": "1", "user_id": "ada", "entity_id": "e1", "action": "play"}
            refused = await client.post("/v1/events", json=event)
            assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
            redis.go_on()
            kafka.go_on()

            async def known() -> bool:
                taken = await client.post("/v1/events", json=event)
                answer = await client.get("/v1/users/ada/context")
                return taken.status_code == 202 and answer.status_code == 200

            async with asyncio.timeout(40):
                await until(known)
            assert len((await client.get("/v1/users/ada/context")).json()["events"]) == 1
            assert await asyncio.to_thread(server.end, 20) == 0
            assert "Traceback" not in server.log()
    finally:
        redis.go_on()
        kafka.go_on()
