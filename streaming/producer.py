"""The one producer of a server: idempotent, watched, thrown away when the broker is lost.

A producer of aiokafka retries for ever what it was given, so that a message refused with 503 might
be sent minutes later all the same. Hence one that is in doubt is given up with all it holds, and a
new one is made once the broker answers. A probe on a connection of its own tells within a second.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.protocol.metadata import MetadataRequest
from structlog.typing import FilteringBoundLogger

from genpage.errors import UnavailableError
from streaming.broker import Broker
from streaming.cloud_event import Headers
from streaming.ending import ended
from streaming.giving_up import give_up
from streaming.messages import Message
from streaming.missing_topics import create_missing
from streaming.sending import idempotent, send
from streaming.starting import start
from streaming.tracing import OFF, Tracing
from streaming.transactions import Transactions

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

# The longest that a caller waits for the acknowledgement.
SEND_S: Final = 2.0
# From probe to probe, and how long an answer may take: together the time to notice a loss.
PROBE_S: Final = 0.25
ANSWER_S: Final = 0.6
CONNECT_S: Final = 5.0
AGAIN_S: Final = 0.5
LAST_S: Final = 2.0
_AWAY: Final = "The event log is away and nothing was taken; send it again."


class Producer:
    """An async context manager; it connects in the background and heals by itself."""

    def __init__(
        self, broker: Broker, log: FilteringBoundLogger, *, tracing: Tracing = OFF
    ) -> None:
        self.tracing = tracing
        self._broker = broker
        self._log = log
        self._up = asyncio.Event()
        self._doubted = asyncio.Event()
        self._producer: AIOKafkaProducer | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._transactions = Transactions(broker, log)
        self._ending: set[asyncio.Task[None]] = set()
        self._sending: set[asyncio.Timeout] = set()

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep(), name="kafka-producer")
        return self

    async def __aexit__(self, *failure: object) -> None:
        """End within seconds, whether the broker answers or not."""
        assert self._keeper is not None
        self._keeper.cancel()
        await ended([self._keeper], LAST_S, self._log)
        if self._ending:
            await asyncio.wait(self._ending, timeout=LAST_S)

    @property
    def up(self) -> bool:
        """Whether the broker answers."""
        return self._up.is_set()

    @property
    def alive(self) -> bool:
        """Whether it is tended, so that it comes back when the broker does."""
        return self._keeper is not None and not self._keeper.done()

    async def until_up(self) -> None:
        """Return once the broker answers and its topics are there."""
        await self._up.wait()

    async def send_whole(self, messages: Sequence[Message], *, within_s: float = SEND_S) -> None:
        """Return once readers see all of the messages.

        `UnavailableError` where that is not known: they see all of them then, or none.
        """
        await self._bounded(self._transactions.send, messages, within_s)

    async def send(self, messages: Sequence[Message], *, within_s: float = SEND_S) -> None:
        """Return once every replica that must have the messages has them.

        `UnavailableError` when the broker is away or takes longer: some may have arrived, and the
        caller sends all again, which event ids make harmless. `InputError` for a message that the
        broker will never take, for its size.
        """
        producer = self._producer
        try:
            await self._bounded(partial(send, producer), messages, within_s)
        except UnavailableError:
            if producer is not None and self._producer is producer:
                self._doubted.set()
            raise

    async def _bounded(
        self,
        sending: Callable[[Sequence[Message]], Awaitable[None]],
        messages: Sequence[Message],
        within_s: float,
    ) -> None:
        """Send, traced, for as long as may be, and no longer than the broker answers."""
        with self.tracing.sending(messages[0].topic if messages else "", len(messages)):
            if self._producer is None:
                raise UnavailableError(_AWAY)
            origin = self.tracing.headers()
            traced = [replace(m, headers=tuple(_from(m, origin))) for m in messages]
            limit = asyncio.timeout(within_s)
            self._sending.add(limit)
            try:
                async with limit:
                    await sending(traced)
            except (KafkaError, TimeoutError) as error:
                raise UnavailableError(
                    "The event log did not acknowledge; send it again with the same event_id."
                ) from error
            finally:
                self._sending.discard(limit)

    async def _keep(self) -> None:
        said = ""
        while True:
            try:
                await self._connected()
            except (KafkaError, OSError, TimeoutError) as error:
                why = str(error) or type(error).__name__
            if why != said:
                self._log.warning("the event log is away", why=why, retry_s=AGAIN_S)
            said = why
            await asyncio.sleep(AGAIN_S)

    async def _connected(self) -> None:
        """Be connected for as long as that lasts; ends with the error that ended it."""
        async with asyncio.timeout(CONNECT_S):
            try:
                made = await create_missing(self._broker)
            except UnavailableError as error:
                self._log.warning("topics are missing", why=str(error))
            else:
                if made:
                    self._log.info("topics made", topics=made)
        producer = idempotent(self._broker, SEND_S)
        transacting: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(CONNECT_S):
                await start(producer.start())
            self._doubted.clear()
            self._producer = producer
            self._up.set()
            self._log.info("the event log answers")
            transacting = asyncio.create_task(self._transactions.run(), name="kafka-transactions")
            await self._watch()
        finally:
            if transacting is not None:
                transacting.cancel()
                self._ending.add(transacting)
                transacting.add_done_callback(self._ending.discard)
            self._producer = None
            self._up.clear()
            for limit in self._sending:
                with suppress(RuntimeError):  # it is over already
                    limit.reschedule(0)
            ending = asyncio.create_task(give_up(producer))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    async def _watch(self) -> None:
        """Probe until there is no answer or a caller is in doubt; raises either way."""
        client = AIOKafkaClient(**self._broker.options(request_s=ANSWER_S))
        try:
            await start(client.bootstrap())
            while True:
                await _probe(client)
                with suppress(TimeoutError):
                    async with asyncio.timeout(PROBE_S):
                        await self._doubted.wait()
                    raise KafkaConnectionError("a message was not acknowledged in time")
        finally:
            await client.close()


def _from(message: Message, origin: Headers) -> list[tuple[str, bytes | None]]:
    """The message's headers, with where it came from; a dead letter says so already."""
    traced = any(name == "traceparent" for name, _ in message.headers)
    return list(message.headers if traced else (*message.headers, *origin))


async def _probe(client: AIOKafkaClient) -> None:
    """Have any of the brokers answer; `KafkaError` where none does."""
    for broker in client.cluster.brokers():
        with suppress(KafkaError):
            await client.send(broker.nodeId, MetadataRequest([]))
            return
    raise KafkaConnectionError("no broker answers")
