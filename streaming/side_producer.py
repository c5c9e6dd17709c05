"""A producer for what nobody waits for, apart from the one that acknowledges members' events.

A topic that cannot be written (missing, forbidden, without a leader) puts the producer in doubt
that was to write it, and one in doubt is thrown away with all that it holds. So what may fail
without harm goes over a connection of its own, and the events on theirs do not notice.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from genpage.errors import InputError, UnavailableError
from streaming.broker import Broker
from streaming.giving_up import give_up
from streaming.messages import Message
from streaming.producer import SEND_S, Producer
from streaming.sending import idempotent, send
from streaming.starting import start

_END_S: Final = 1.0


class Sender(Protocol):
    """What an `Outbox` sends by. One caller at a time."""

    @property
    def up(self) -> bool:
        """Whether the broker answers; not whether it takes these messages."""
        ...

    async def until_up(self) -> None:
        """Return once the broker answers."""
        ...

    async def send(self, messages: Sequence[Message]) -> None:
        """Return once the log has the messages.

        `UnavailableError` where that is not known, `InputError` for one that is too large.
        """
        ...

    async def close(self) -> None:
        """Let go of the connection, within seconds."""
        ...


class SideProducer:
    """A `Sender`. Connects when there is something to send, again after each failure."""

    def __init__(self, broker: Broker, main: Producer) -> None:
        """``main`` knows whether the broker answers; nothing is sent by it."""
        self._broker = broker
        self._main = main
        self._producer: AIOKafkaProducer | None = None

    @property
    def up(self) -> bool:
        """Whether the broker answers."""
        return self._main.up

    async def until_up(self) -> None:
        """Return once the broker answers and topics were made as far as may be."""
        await self._main.until_up()

    async def send(self, messages: Sequence[Message]) -> None:
        """Return once every replica that must have the messages has them.

        `UnavailableError` where that is not known within seconds, `InputError` for one that the
        broker will never take, for its size.
        """
        try:
            async with asyncio.timeout(SEND_S):
                producer = await self._connected()
                await send(producer, messages)
        except InputError:
            raise  # the message's fault alone
        except (KafkaError, OSError, TimeoutError) as error:
            await self.close()
            raise UnavailableError(
                f"the event log did not acknowledge: {str(error) or type(error).__name__}"
            ) from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Drop what was not acknowledged, and the connection."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(_END_S):
                    await give_up(producer)

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = idempotent(self._broker, SEND_S)
            # At once, so that one whose start is cut off is given up as well.
            self._producer = producer
            await start(producer.start())
        return self._producer
