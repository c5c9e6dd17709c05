"""Ending a producer of aiokafka that is in doubt, with all that it holds."""

import asyncio
from typing import Final

from aiokafka import AIOKafkaProducer

# The longest that its sender is waited for.
GIVE_UP_S: Final = 4.0


async def give_up(producer: AIOKafkaProducer) -> None:
    """End a producer and drop what it holds, however far its start came.

    There is no public way: its own `stop` would wait until the broker takes all of it, and the
    sender's `close` is itself cancelled where its task has not begun yet.
    """
    producer._closed = True  # noqa: SLF001
    sending = producer._sender.sender_task  # noqa: SLF001
    try:
        if sending is not None:
            sending.cancel()
            await asyncio.wait([sending], timeout=GIVE_UP_S)
            if sending.done() and not sending.cancelled():
                sending.exception()  # looked at: nobody else will
    finally:
        await producer.client.close()
