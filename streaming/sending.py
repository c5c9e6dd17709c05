"""Messages handed to a producer of aiokafka, until the broker has acknowledged them."""

import asyncio
from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from genpage.errors import InputError
from streaming.broker import Broker
from streaming.messages import Message
from streaming.topics import DEAD_LETTER_BYTES

# Above it there is no batch, only the one message.
_REQUEST_BYTES: Final = DEAD_LETTER_BYTES - 1024


def idempotent(broker: Broker, request_s: float) -> AIOKafkaProducer:
    """A producer whose repetitions the broker knows, not started; its requests take that long."""
    return AIOKafkaProducer(
        **broker.options(request_s=request_s),
        enable_idempotence=True,
        acks="all",
        max_request_size=_REQUEST_BYTES,
    )


async def send(producer: AIOKafkaProducer, messages: Sequence[Message]) -> None:
    """As `hand_over`; `InputError` for one that the broker will never take, for its size."""
    try:
        await hand_over(producer, messages)
    except MessageSizeTooLargeError as error:
        raise InputError(f"the event log refuses a message for its size: {error}") from error


async def hand_over(producer: AIOKafkaProducer, messages: Sequence[Message]) -> None:
    """Return once every replica that must have the messages has them.

    `aiokafka.errors.KafkaError` where the broker refuses, or does not acknowledge.
    """
    sent = [
        await producer.send(
            m.topic,
            m.value,
            m.key,
            headers=list(m.headers),
            timestamp_ms=None if m.ts is None else round(m.ts * 1000),
        )
        for m in messages
    ]
    await asyncio.gather(*sent)
