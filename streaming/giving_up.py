"""Ending a producer of aiokafka that is in doubt, with all that it holds."""

import asyncio
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

# The longest that its sender is waited for.
GIVE_UP_S: Final = 4.0


async def give_up(producer: AIOKafkaProducer) -> None:
    """End a producer and drop what it holds.

    There is no public way: its own `stop` would wait until the broker takes all of it.
    """
    producer._closed = True  # noqa: SLF001
    with suppress(KafkaError, TimeoutError):
        async with asyncio.timeout(GIVE_UP_S):
            await producer._sender.close()  # noqa: SLF001
    await producer.client.close()
