"""Ending a consumer of aiokafka for good, within seconds.

Its own `stop` waits for each of its tasks, and one that swallows the cancellation, or waits for a
broker that is gone, keeps it for ever (aiokafka's issues 659 and 773). That is worse than untidy:
the heartbeat goes on, so the broker takes the member for alive, and nobody reads its partitions.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

# Of tasks that swallow a cancellation, how often they are cancelled again, and the wait between.
_TIMES: Final = 20
_AGAIN_S: Final = 0.05


async def leave(client: AIOKafkaConsumer, within_s: float) -> bool:
    """Leave the group and end; what has not ended after ``within_s`` is cut off.

    Whether all was said that there was to say. Where it was not, the group learns by its session.
    """
    stopping = asyncio.create_task(client.stop())
    try:
        await asyncio.wait([stopping], timeout=within_s)
    finally:
        said = stopping.done() and not stopping.cancelled() and stopping.exception() is None
        if not said:
            await _cut_off(client, stopping)
    return said


async def _cut_off(client: AIOKafkaConsumer, stopping: asyncio.Task[None]) -> None:
    left = {stopping, *_tasks(client)}
    for _ in range(_TIMES):
        for task in left:
            task.cancel()
        ended, left = await asyncio.wait(left, timeout=_AGAIN_S)
        for task in ended:
            if not task.cancelled():
                task.exception()  # looked at: nobody else will
        if not left:
            break
    with suppress(KafkaError, OSError, TimeoutError):
        async with asyncio.timeout(1.0):
            await client._client.close()  # noqa: SLF001 - else its sockets stay open


def _tasks(client: AIOKafkaConsumer) -> set[asyncio.Task[Any]]:  # Any: whatever they return
    """The client's background tasks that have not ended. There is no public way to them."""
    coordinator, fetcher = client._coordinator, client._fetcher  # noqa: SLF001
    names = ("_coordination_task", "_heartbeat_task", "_commit_refresh_task")
    found = [getattr(coordinator, name, None) for name in (*names, "_reset_committed_task")]
    if fetcher is not None:
        found += [fetcher._fetch_task, *fetcher._pending_tasks]  # noqa: SLF001
    return {task for task in found if task is not None and not task.done()}
