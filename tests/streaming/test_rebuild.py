"""Redis that lost something under its replicas: filled from the log again, and pages say so."""

import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from kafka_clients import produce, until
from redis.asyncio import Redis
from replica import Replica, replica

from api.fake import Logbook
from deploy.services import RedisServer
from genpage.context import Context, apply_event, apply_profile
from genpage.errors import UnavailableError
from genpage.event import Event
from genpage.profile import Profile
from streaming import redis_filling
from streaming.broker import Broker
from streaming.messages import of_event, of_profile
from streaming.missing_topics import create_missing
from streaming.recent import Recent
from streaming.redis_client import RedisClient
from streaming.redis_context import RedisContextStore
from streaming.redis_epoch import RedisEpoch
from streaming.redis_erasures import RedisErasures
from streaming.redis_filling import FilledRedis

EVENTS, MEMBERS = 2_000, 40


def events_of(users: Sequence[str]) -> list[Event]:
    """Of all members by turns: late ones, repeated ones, and many at the same time."""
    made = []
    for n in range(EVENTS):
        ts = float(1_000 + n // 200 - (50 if n % 17 == 0 else 0))
        number = n - MEMBERS if n % 13 == 0 and n >= MEMBERS else n
        made.append(Event(f"e{number}", users[n % len(users)], f"film-{n % 50}", "play", ts))
    return made


def folded(events: Sequence[Event], profiles: Sequence[Profile]) -> dict[str, Context]:
    """The reference: one after the other."""
    known: dict[str, Context] = {}
    for one in events:
        known[one.user_id] = apply_event(known.get(one.user_id, Context(one.user_id)), one)
    for profile in profiles:
        known[profile.user_id] = apply_profile(known[profile.user_id], profile)
    return {user: replace(context, revision=0) for user, context in known.items()}


async def held(one: Replica, users: Sequence[str]) -> dict[str, Context | None]:
    """What the store has of them."""
    found = {user: await one.contexts.get(user) for user in users}
    return {user: context and replace(context, revision=0) for user, context in found.items()}


@pytest.fixture
def redis(tmp_path: Path) -> RedisServer:
    """A Redis of the test's own, not started."""
    return RedisServer(tmp_path / "redis")


async def test_an_emptied_redis_is_filled_again_once(kafka: str, redis: RedisServer) -> None:
    """Contexts and profiles equal the reference fold after each loss; no partition is read twice.

    Who was erased stays erased, though the log still has what was before.
    """
    await create_missing(Broker(kafka))
    mine, group = uuid.uuid4().hex, f"group-{uuid.uuid4().hex}"
    users = [f"{mine}-{n}" for n in range(MEMBERS)]
    gone, users = users[0], users[1:]
    events = events_of([*users, gone])
    profiles = [Profile(user, country="NZ", ts=2_000.0) for user in users[::3]]
    sent = [of_event(one) for one in events]
    await produce(kafka, [(message.key, message.value) for message in sent])
    told = [of_profile(one) for one in profiles]
    await produce(kafka, [(m.key, m.value) for m in told], topic="genpage.profiles")
    expected = folded([one for one in events if one.user_id != gone], profiles)

    async def filled(one: Replica) -> bool:
        return one.epoch.whole and await held(one, users) == expected

    async with AsyncExitStack() as stack:
        stack.enter_context(redis)
        one = await stack.enter_async_context(replica(redis.url, kafka, group))
        two = await stack.enter_async_context(replica(redis.url, kafka, group))
        await until(lambda: len(one.log.consumer.partitions) == len(two.log.consumer.partitions))
        await until(lambda: filled(one))
        await one.log.sink.erase(gone)
        await until(lambda: one.epoch.whole and two.epoch.whole)
        every = len(one.log.consumer.every_partition)
        before = one.read_again + two.read_again
        for losses in (1, 2):
            redis.kill()
            redis.start()
            await until(lambda: not one.epoch.whole and not two.epoch.whole)
            assert one.connection.state == "stale"
            assert not await one.whole(users[0])
            await until(lambda: one.epoch.whole and two.epoch.whole)
            assert await held(one, users) == expected
            assert await held(two, [gone]) == {gone: None}
            assert await one.whole(users[0])
            assert one.connection.state == "ok"
            assert one.read_again + two.read_again == before + losses * every


async def test_what_a_file_lacks_is_read_again(kafka: str, redis: RedisServer) -> None:
    """Redis killed after its last save and started from it: nothing acknowledged is lost."""
    await create_missing(Broker(kafka))
    mine, group = uuid.uuid4().hex, f"group-{uuid.uuid4().hex}"
    users = [f"{mine}-{n}" for n in range(MEMBERS)]
    events = events_of(users)
    sent = [of_event(one) for one in events]
    saved = len(sent) // 2
    with redis:
        async with replica(redis.url, kafka, group) as one:

            async def filled(known: Sequence[Event]) -> bool:
                return one.epoch.whole and await held(one, users) == folded(known, ())

            await produce(kafka, [(message.key, message.value) for message in sent[:saved]])
            await until(lambda: filled(events[:saved]))
            async with Redis(port=redis.port, protocol=2) as link:
                await link.save()
            await produce(kafka, [(message.key, message.value) for message in sent[saved:]])
            await until(lambda: filled(events))
            await until(lambda: one.log.consumer.lag["genpage.events"] == 0)
            redis.kill()
            redis.start()
            await until(lambda: not one.epoch.whole)
            await until(lambda: filled(events))


async def test_what_goes_on_beside_survives_an_error(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that nobody foresaw, in either task: said, and begun again."""
    monkeypatch.setattr(redis_filling, "AGAIN_S", 0.01)
    lines, recent = Logbook(), Recent()
    log, client = lines.logger(), RedisClient(redis.url)
    contexts = RedisContextStore(client, recent)
    epoch, erasures = RedisEpoch(client, contexts, log), RedisErasures(client, recent, log)
    heard: list[str] = []

    async def forget(user: str) -> None:
        heard.append(user)
        if user == "breaks":
            raise ZeroDivisionError

    connection = FilledRedis(client, contexts, (), epoch, erasures, log)
    connection.when_erased(forget)
    with redis:
        async with connection:
            await until(lambda: recent.erasures == 1)
            monkeypatch.setattr(epoch, "_whole", None)
            monkeypatch.setattr(epoch, "feed", 7)  # no feed at all: what it is asked for breaks
            failed = "what goes on beside Redis failed"
            await until(lambda: any(line["event"] == failed for line in lines.lines))
            monkeypatch.setattr(epoch, "feed", None)
            await contexts.erase("breaks")
            await until(lambda: heard == ["breaks"])
            before = recent.erasures
            await until(lambda: recent.erasures > before)
            await contexts.erase("ada")
            await until(lambda: heard == ["breaks", "ada"])
            assert connection.state == "ok"


async def test_data_is_taken_in_by_a_redis_that_comes_late(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages are marked and events wait until it has all of it, whatever broke in between."""
    monkeypatch.setattr(redis_filling, "AGAIN_S", 0.01)
    log, recent = Logbook().logger(), Recent()
    client = RedisClient(redis.url)
    contexts = RedisContextStore(client, recent)
    epoch, erasures = RedisEpoch(client, contexts, log), RedisErasures(client, recent, log)
    data = [
        Context(f"u{n}", events=(Event("e", f"u{n}", "film", "play", 1.0),), revision=1)
        for n in range(300)
    ]
    now = Event("now", "u299", "film", "play", 2.0)
    async with FilledRedis(client, contexts, data, epoch, erasures, log):
        await until(lambda: not client.available)
        assert not epoch.whole
        with redis:
            with pytest.raises(UnavailableError):
                await contexts.apply([now])
            await until(lambda: epoch.whole)
            assert await contexts.apply([now]) == [now]
            for user in ("u0", "u299"):
                context = await contexts.get(user)
                assert context is not None
                assert context.events[0].event_id == "e"


async def test_every_replica_forgets_who_was_erased(kafka: str, redis: RedisServer) -> None:
    """At once, in memory too, also where the partition is another replica's."""
    del kafka
    lines = Logbook().logger()
    async with AsyncExitStack() as stack:
        stack.enter_context(redis)
        heard: list[str] = []
        stores, memories = [], []

        async def forget(user: str) -> None:
            heard.append(user)

        for _ in range(2):
            client, recent = RedisClient(redis.url), Recent()
            contexts = RedisContextStore(client, recent)
            erasures = RedisErasures(client, recent, lines)
            epoch = RedisEpoch(client, contexts, lines)
            connection = FilledRedis(client, contexts, (), epoch, erasures, lines)
            connection.when_erased(forget)
            await stack.enter_async_context(connection)
            await until(lambda recent=recent: recent.erasures == 1)  # type: ignore[misc]
            stores.append(contexts)
            memories.append(recent)
        await stores[0].apply([Event("e1", "ada", "film", "play", 1.0)])
        for store in stores:
            assert await store.get("ada") is not None
        assert memories[1].get("ada") is not None
        await stores[0].erase("ada")
        await until(lambda: memories[1].get("ada") is None)
        await until(lambda: heard == ["ada", "ada"])
        assert not await stores[0].erase("ada", at=0.5)
