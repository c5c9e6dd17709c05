"""A consumer that is left is gone: no task, no socket, no heartbeat in its name."""

import asyncio
import uuid
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaConsumer
from kafka_clients import until

from streaming.broker import Broker
from streaming.leaving import leave
from streaming.missing_topics import create_missing


async def joined(kafka: str) -> AIOKafkaConsumer:
    """A consumer of a group of its own, with partitions."""
    await create_missing(Broker(kafka))
    client = AIOKafkaConsumer(
        "genpage.events", bootstrap_servers=kafka, group_id=f"group-{uuid.uuid4().hex}"
    )
    await client.start()
    await until(lambda: bool(client.assignment()))
    return client


def others() -> set[asyncio.Task[object]]:
    """What else runs on the loop."""
    return asyncio.all_tasks() - {asyncio.current_task()}


async def test_a_client_that_ends_by_itself_says_goodbye(kafka: str) -> None:
    """Within the time, and nothing was cut off."""
    client = await joined(kafka)
    async with asyncio.timeout(10):
        assert await leave(client, 9.0)
    assert not others()


def hang_at_the_goodbye(client: AIOKafkaConsumer) -> None:
    """As with a broker that does not answer."""

    async def never() -> None:
        await asyncio.Event().wait()

    client._coordinator._maybe_leave_group = never


def swallow_the_first_cancellation(client: AIOKafkaConsumer) -> None:
    """As its fetcher does while it cancels fetches of an assignment that is over."""
    real = client._fetcher._fetch_task

    async def deaf() -> None:
        for _ in range(3):
            try:
                await asyncio.shield(real)
            except asyncio.CancelledError:
                continue
        real.cancel()

    client._fetcher._fetch_task = asyncio.create_task(deaf())


@pytest.mark.parametrize("stuck", [hang_at_the_goodbye, swallow_the_first_cancellation])
async def test_a_client_that_hangs_is_cut_off(
    kafka: str, stuck: Callable[[AIOKafkaConsumer], None]
) -> None:
    """Its own stop would never return; no task and no socket is left of it."""
    client = await joined(kafka)
    stuck(client)
    async with asyncio.timeout(10):
        assert not await leave(client, 0.2)
    await until(lambda: not others())
    assert not any(conn.connected() for conn in client._client._conns.values())
