"""A composed server on a real Redis that is killed, held and restarted under it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from composed import Composed, on, serving
from kafka_clients import until
from redis.asyncio import Redis
from slow_proxy import SlowProxy

from api.compose import Settings, compose
from api.fake import Logbook
from api.server import Server
from deploy.services import RedisServer
from streaming.redis_context import ERASURES
from tokenizer.prompt import PromptEncoder

pytestmark = pytest.mark.usefixtures("bundle")
PAGE = {"user_id": "ada", "rows": 2, "entities_per_row": 3, "at": "2026-01-01T12:00:00Z"}
EVENT = {"event_id": "e1", "user_id": "ada", "entity_id": "e1", "action": "play", "ts": 1.7e9}
# What is promised of loss and return, seconds.
LOSS_S, RETURN_S = 1.0, 5.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own."""
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
async def served(store: RedisServer) -> AsyncIterator[Composed]:
    """A server on that Redis, hearing of erasures: until it does, it remembers nobody for long."""
    async with serving(on(redis=store.url)) as composed, Redis.from_url(store.url) as redis:

        async def heard() -> bool:
            return (await redis.pubsub_numsub(ERASURES))[0][1] == 1

        await until(heard)
        yield composed


async def page(client: httpx.AsyncClient, user_id: str = "ada") -> dict[str, object]:
    """A whole page."""
    answer = await client.post("/v1/pages", json={**PAGE, "user_id": user_id})
    assert answer.status_code == 200
    made: dict[str, object] = answer.json()
    assert made["finish_reason"] == "complete"
    return made


async def page_without_redis(client: httpx.AsyncClient) -> dict[str, object]:
    """A page that says that Redis is not there, and came as soon as is promised."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    made = await page(client)
    assert loop.time() - begun < LOSS_S
    assert made["degraded"] == ["context-store"]
    return made


async def until_whole(client: httpx.AsyncClient) -> float:
    """Seconds until a page is not degraded; the test's own timeout bounds it."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while (await page(client))["degraded"]:
        pass
    return loop.time() - begun


def titles(made: dict[str, object]) -> list[tuple[str, list[str]]]:
    """What a page shows."""
    rows = made["rows"]
    assert isinstance(rows, list)
    return [(row["row"]["id"], [each["id"] for each in row["entities"]]) for row in rows]


def encoder_of(server: Server) -> PromptEncoder:
    """What the served bundle makes prompts with."""
    model = server.models.active
    assert model is not None
    return model.encoder


def context_of(made: dict[str, object]) -> dict[str, object]:
    """What a page says of its context."""
    context = made["context"]
    assert isinstance(context, dict)
    return context


async def test_pages_go_on_while_redis_is_away_and_heal(
    store: RedisServer, served: Composed
) -> None:
    """From what was read last, marked; events are refused; whole again soon after the return."""
    client = served.client
    assert (await client.post("/v1/events", json=EVENT)).status_code == 202
    whole = await page(client)
    assert (whole["degraded"], context_of(whole)["known"]) == ([], True)
    store.kill()
    for _ in range(5):
        made = await page_without_redis(client)
        assert context_of(made)["version"] == context_of(whole)["version"]
        assert titles(made) == titles(whole)
    assert context_of(await page(client, "stranger"))["known"] is False
    refused = await client.post("/v1/events", json={**EVENT, "event_id": "e2"})
    assert (refused.status_code, refused.json()["retryable"]) == (503, True)
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["parts"]["context-store"]) == (200, "away")
    assert (await client.get("/v1/users/ada/context")).status_code == 503
    store.start()
    assert await until_whole(client) < RETURN_S
    assert (await client.post("/v1/events", json=EVENT)).status_code == 202
    assert context_of(await page(client))["known"] is True
    assert (await client.get("/readyz")).json()["parts"]["context-store"] == "ok"


async def test_one_that_hangs_delays_no_page_past_its_wait(
    store: RedisServer, served: Composed
) -> None:
    """Redis held still: pages are marked within a second, and then cost nothing."""
    server, client = served
    await client.post("/v1/events", json=EVENT)
    await page(client)
    store.pause()
    await page_without_redis(client)
    connection = server.stores.connection
    assert connection is not None
    while connection.available:
        await page(client)
    assert (await page(client))["degraded"] == ["context-store"]
    store.go_on()
    assert await until_whole(client) < RETURN_S
    assert context_of(await page(client))["known"] is True


async def test_a_slow_redis_delays_no_page_for_long(store: RedisServer) -> None:
    """Replies 500 ms late: pages come quickly, of what is known, and marked; then it heals."""
    late_s = 0.0
    async with SlowProxy(store.port, lambda: late_s) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        async with serving(on(redis=url)) as (server, client):
            await client.post("/v1/events", json=EVENT)
            whole = await page(client)
            late_s = 0.5
            for _ in range(5):
                assert titles(await page_without_redis(client)) == titles(whole)
            connection = server.stores.connection
            assert connection is not None
            assert not connection.available
            late_s = 0.0
            assert await until_whole(client) < RETURN_S
            assert titles(await page(client)) == titles(whole)


async def test_another_server_forgets_an_erased_member(
    store: RedisServer, served: Composed
) -> None:
    """In its memory too: once Redis is away, no page of its is made from what was erased."""
    server, client = served
    async with serving(on(redis=store.url)) as another:
        await another.client.post("/v1/events", json=EVENT)
        kept = str((await page(client))["page_id"])

        async def erased() -> bool:
            return (await another.client.delete("/v1/users/ada/context")).status_code == 204

        await until(erased)
        await until(lambda: not server.pages.store.of_member("ada"))
        assert (await client.get(f"/v1/pages/{kept}")).status_code == 404
        store.kill()
        made = await page(client)
        assert (made["degraded"], context_of(made)["known"]) == (["context-store"], False)


async def test_a_server_starts_without_redis(tmp_path: Path) -> None:
    """It says so, serves, and uses Redis once it is there."""
    store = RedisServer(tmp_path)
    async with serving(on(redis=store.url)) as (_, client):
        assert (await client.get("/readyz")).status_code == 200
        assert (await page(client))["degraded"] == ["context-store"]
        with store:
            assert await until_whole(client) < RETURN_S
            assert (await client.post("/v1/events", json=EVENT)).status_code == 202
            assert context_of(await page(client))["known"] is True


async def test_a_restarted_server_knows_its_members_and_their_prompts(store: RedisServer) -> None:
    """What one server learnt is another's, the encoded prompt included."""
    async with serving(on(redis=store.url)) as (_, client):
        await client.post("/v1/events", json=EVENT)
        first = await page(client)
    async with serving(on(redis=store.url)) as (server, client):
        digest = encoder_of(server).vocabulary.digest
        assert await server.stores.prompts.get("ada", digest) is not None
        again = await page(client)
        assert context_of(again)["version"] == context_of(first)["version"]


async def test_an_event_is_in_the_encoded_prompt_before_a_page_asks(served: Composed) -> None:
    """The prompt in Redis stands for the newest context, and the page made of it sees the event."""
    server, client = served
    digest = encoder_of(server).digest
    asked = {key: value for key, value in PAGE.items() if key != "at"}
    for number in range(3):
        event = {**EVENT, "event_id": f"now-{number}", "entity_id": f"e{number}"}
        del event["ts"]
        assert (await client.post("/v1/events", json=event)).status_code == 202
        context = await server.stores.contexts.get("ada")
        assert context is not None
        held = await server.stores.prompts.get("ada", digest)
        if number:
            assert held is not None
            assert held.context_version == context.version
            assert len(held.history) == 4 * (number + 1)
        made = (await client.post("/v1/pages", json=asked)).json()
        assert made["context"]["version"] == context.version


async def test_an_erased_member_is_nowhere(store: RedisServer, served: Composed) -> None:
    """Nothing in Redis but the tombstone, nothing remembered; a replay brings nobody back."""
    client = served.client
    async with Redis.from_url(store.url, protocol=2) as seen:
        await client.post("/v1/events", json=EVENT)
        await page(client)
        assert (await client.delete("/v1/users/ada/context")).status_code == 204
        assert (await client.get("/v1/users/ada/context")).status_code == 404
        assert (await client.post("/v1/events", json=EVENT)).status_code == 202
        assert (await client.get("/v1/users/ada/context")).status_code == 404
        assert await seen.keys("*ada*") == [b"genpage:{u:ada}:erased"]
        store.kill()
        assert context_of(await page(client))["known"] is False


def test_a_wrong_url_is_said_before_anything_runs() -> None:
    """The flag is named; the password is not."""
    with pytest.raises(Exception, match="--redis-url") as told:
        compose(Settings(redis_url="http://:secret@host"), Logbook().logger())
    assert "secret" not in str(told.value)
