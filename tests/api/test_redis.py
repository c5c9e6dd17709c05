"""A composed server on a real Redis that is killed, held and restarted under it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from kafka_clients import until
from redis.asyncio import Redis
from slow_proxy import SlowProxy

from api.app import create_app
from api.compose import Settings, compose
from api.fake import FakeServed, Logbook, fake_catalog
from api.server import Server
from deploy.services import RedisServer
from runtime.model import LoadedModel

PAGE = {"user_id": "ada", "rows": 2, "entities_per_row": 3, "at": "2026-01-01T12:00:00Z"}
EVENT = {"event_id": "e1", "user_id": "ada", "entity_id": "e1", "action": "play", "ts": 1.7e9}
# What is promised of loss and return, seconds.
LOSS_S, RETURN_S = 1.0, 5.0


@pytest.fixture
def redis(tmp_path: Path) -> Callable[[], RedisServer]:
    """Makes Redis servers of the test's own."""
    return lambda: RedisServer(tmp_path / "redis")


@pytest.fixture(autouse=True)
def bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any folder holds a bundle with a fake backend."""
    served = FakeServed.of(fake_catalog(60, 6))
    monkeypatch.setattr(LoadedModel, "load", lambda *_, **__: served)


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[tuple[Server, httpx.AsyncClient]]:
    """A server on that Redis, and a client of it without a socket."""
    server = compose(Settings(bundle=Path("bundle"), redis_url=url), Logbook().logger())
    app = create_app(server)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield server, client


async def page(client: httpx.AsyncClient, user_id: str = "ada") -> dict[str, object]:
    """A whole page."""
    answer = await client.post("/v1/pages", json={**PAGE, "user_id": user_id})
    assert answer.status_code == 200
    made: dict[str, object] = answer.json()
    assert made["finish_reason"] == "complete"
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


def context_of(made: dict[str, object]) -> dict[str, object]:
    """What a page says of its context."""
    context = made["context"]
    assert isinstance(context, dict)
    return context


async def test_pages_go_on_while_redis_is_away_and_heal(redis: Callable[[], RedisServer]) -> None:
    """From what was read last, marked; events are refused; whole again soon after the return."""
    with redis() as store:
        async with serving(store.url) as (_, client):
            assert (await client.post("/v1/events", json=EVENT)).status_code == 202
            whole = await page(client)
            assert (whole["degraded"], context_of(whole)["known"]) == ([], True)
            store.kill()
            loop = asyncio.get_running_loop()
            for _ in range(5):
                begun = loop.time()
                made = await page(client)
                assert loop.time() - begun < LOSS_S
                assert made["degraded"] == ["context-store"]
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
    redis: Callable[[], RedisServer],
) -> None:
    """Redis held still: pages are marked within a second, and then cost nothing."""
    with redis() as store:
        async with serving(store.url) as (server, client):
            await client.post("/v1/events", json=EVENT)
            await page(client)
            store.pause()
            loop = asyncio.get_running_loop()
            begun = loop.time()
            assert (await page(client))["degraded"] == ["context-store"]
            assert loop.time() - begun < LOSS_S
            connection = server.stores.connection
            assert connection is not None
            while connection.available:
                await page(client)
            assert (await page(client))["degraded"] == ["context-store"]
            store.go_on()
            assert await until_whole(client) < RETURN_S
            assert context_of(await page(client))["known"] is True


async def test_a_slow_redis_delays_no_page_for_long(redis: Callable[[], RedisServer]) -> None:
    """Replies 500 ms late: pages come quickly, of what is known, and marked; then it heals."""
    late_s = 0.0
    with redis() as store:
        async with SlowProxy(store.port, lambda: late_s) as proxy:
            url = f"redis://127.0.0.1:{proxy.port}/0"
            async with serving(url) as (server, client):
                await client.post("/v1/events", json=EVENT)
                whole = await page(client)
                late_s = 0.5
                loop = asyncio.get_running_loop()
                for _ in range(5):
                    begun = loop.time()
                    made = await page(client)
                    assert loop.time() - begun < LOSS_S
                    assert made["degraded"] == ["context-store"]
                    assert titles(made) == titles(whole)
                connection = server.stores.connection
                assert connection is not None
                assert not connection.available
                late_s = 0.0
                assert await until_whole(client) < RETURN_S
                assert titles(await page(client)) == titles(whole)


async def test_another_server_forgets_an_erased_member(redis: Callable[[], RedisServer]) -> None:
    """In its memory too: once Redis is away, no page of its is made from what was erased."""
    with redis() as store:
        async with serving(store.url) as (_, one), serving(store.url) as (server, two):
            await one.post("/v1/events", json=EVENT)
            kept = str((await page(two))["page_id"])

            async def erased() -> bool:
                return (await one.delete("/v1/users/ada/context")).status_code == 204

            await until(erased)
            await until(lambda: not server.pages.store.of_member("ada"))
            assert (await two.get(f"/v1/pages/{kept}")).status_code == 404
            store.kill()
            made = await page(two)
            assert (made["degraded"], context_of(made)["known"]) == (["context-store"], False)


async def test_a_server_starts_without_redis(redis: Callable[[], RedisServer]) -> None:
    """It says so, serves, and uses Redis once it is there."""
    store = redis()
    async with serving(store.url) as (_, client):
        assert (await client.get("/readyz")).status_code == 200
        assert (await page(client))["degraded"] == ["context-store"]
        with store:
            assert await until_whole(client) < RETURN_S
            assert (await client.post("/v1/events", json=EVENT)).status_code == 202
            assert context_of(await page(client))["known"] is True


async def test_a_restarted_server_knows_its_members_and_their_prompts(
    redis: Callable[[], RedisServer],
) -> None:
    """What one server learnt is another's, the encoded prompt included."""
    with redis() as store:
        async with serving(store.url) as (_, client):
            await client.post("/v1/events", json=EVENT)
            first = await page(client)
        async with serving(store.url) as (server, client):
            model = server.models.active
            assert model is not None
            digest = model.encoder.vocabulary.digest
            assert await server.stores.prompts.get("ada", digest) is not None
            again = await page(client)
            assert context_of(again)["version"] == context_of(first)["version"]


async def test_an_event_is_in_the_encoded_prompt_before_a_page_asks(
    redis: Callable[[], RedisServer],
) -> None:
    """The prompt in Redis stands for the newest context, and the page made of it sees the event."""
    with redis() as store:
        async with serving(store.url) as (server, client):
            model = server.models.active
            assert model is not None
            asked = {key: value for key, value in PAGE.items() if key != "at"}
            for number in range(3):
                event = {**EVENT, "event_id": f"now-{number}", "entity_id": f"e{number}"}
                del event["ts"]
                assert (await client.post("/v1/events", json=event)).status_code == 202
                context = await server.stores.contexts.get("ada")
                assert context is not None
                held = await server.stores.prompts.get("ada", model.encoder.digest)
                if number:
                    assert held is not None
                    assert held.context_version == context.version
                    assert len(held.history) == 4 * (number + 1)
                made = (await client.post("/v1/pages", json=asked)).json()
                assert made["context"]["version"] == context.version


async def test_an_erased_member_is_nowhere(redis: Callable[[], RedisServer]) -> None:
    """Nothing in Redis but the tombstone, nothing remembered; a replay brings nobody back."""
    with redis() as store:
        async with serving(store.url) as (_, client), Redis.from_url(store.url, protocol=2) as seen:
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
