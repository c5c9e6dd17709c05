"""Partitions that change hands, and brokers that are away for long."""

import asyncio
import uuid
from collections.abc import Sequence

import pytest
from aiokafka.errors import KafkaConnectionError
from event_logs import QUIET, log_of
from kafka_clients import produce, raw, until

from genpage.context import Context, apply_event
from genpage.event import Event
from streaming import producer as producing
from streaming.broker import Broker
from streaming.memory import MemoryContextStore
from streaming.missing_topics import create_missing


class Gated(MemoryContextStore):
    """One replica's way to a shared store: it can be shut in the middle of a batch."""

    def __init__(self, shared: MemoryContextStore) -> None:
        super().__init__()
        self.shared = shared
        self.open = asyncio.Event()
        self.open.set()
        self.applied = 0
        self.shut_after: int | None = None

    async def apply(self, events: Sequence[Event]) -> Sequence[Event]:
        """Apply half, wait while shut, apply the rest."""
        half = len(events) // 2
        changed = list(await self.shared.apply(events[:half]))
        self.applied += half
        if self.shut_after is not None and self.applied >= self.shut_after:
            self.open.clear()
            self.shut_after = None
        await self.open.wait()
        return [*changed, *await self.shared.apply(events[half:])]


async def test_a_partition_moves_in_the_middle_of_a_batch(kafka: str) -> None:
    """Its old owner is stuck halfway; the new one applies the batch, each event counts once."""
    await create_missing(Broker(kafka))
    prefix, group = uuid.uuid4().hex, uuid.uuid4().hex
    events = [Event(str(n), f"{prefix}-{n % 30}", "e1", "play", float(n)) for n in range(3_000)]
    expected: dict[str, Context] = {}
    for event in events:
        before = expected.get(event.user_id, Context(event.user_id))
        expected[event.user_id] = apply_event(before, event)
    shared = MemoryContextStore()
    stuck = Gated(shared)
    stuck.shut_after = 400
    await produce(kafka, [raw(event_id=e.event_id, user_id=e.user_id, ts=e.ts) for e in events])

    async def whole() -> bool:
        for user_id, context in expected.items():
            held = await shared.get(user_id)
            if held is None or held.events != context.events:
                return False
        return True

    async with log_of(Broker(kafka, group), stuck) as one:
        await until(lambda: not stuck.open.is_set())
        assert not await whole()
        async with log_of(Broker(kafka, group), shared) as two:
            await until(lambda: len(two.consumer.partitions) == 8 and two.state == "ok")
            await until(lambda: two.consumer.tally.applied > 0 and not two.stale)
            assert not await whole()
            stuck.open.set()
            await until(whole)
            await until(lambda: one.state == "ok" and not one.stale)


async def test_a_broker_away_for_minutes_is_asked_for_as_often_as_before(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait does not grow and nothing gives up: the first try after its return succeeds."""
    tries = 0

    async def away(broker: Broker) -> list[str]:
        nonlocal tries
        tries += 1
        if tries <= 600:  # five minutes of half seconds
            raise KafkaConnectionError("no broker answers")
        return await create_missing(broker)

    monkeypatch.setattr(producing, "create_missing", away)
    assert producing.AGAIN_S <= 0.5
    monkeypatch.setattr(producing, "AGAIN_S", 0.001)
    async with producing.Producer(Broker(kafka), QUIET) as producer:
        await producer.until_up()
        assert tries == 601
