"""Lists of messages that arrive whole or not at all, on a producer of their own.

Lists that wait together go in one transaction: it costs two round trips whatever is in it. A
transaction in doubt is left behind with its producer; the next one has the same id, at which the
broker ends what the last one left open. Until then no reader passes it, so it may not last: should
this process die, the broker ends it by itself after `OPEN_S`, and within its own interval.
"""

import asyncio
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from structlog.typing import FilteringBoundLogger

from genpage.errors import UnavailableError
from streaming.broker import Broker
from streaming.giving_up import give_up
from streaming.messages import Message
from streaming.sending import hand_over
from streaming.starting import start

OPEN_S: Final = 5.0
# The longest that a transaction takes, the connection to its coordinator included.
ENDED_S: Final = 2.0
START_S: Final = 10.0
AGAIN_S: Final = 0.5
# Messages of one transaction; a list that has more goes alone.
MOST: Final = 5_000


@dataclass(frozen=True, slots=True, eq=False)
class _List:
    messages: Sequence[Message]
    sent: asyncio.Future[None] = field(default_factory=asyncio.Future)


class Transactions:
    """`run` is a task of its own, for as long as the broker answers."""

    def __init__(self, broker: Broker, log: FilteringBoundLogger) -> None:
        self._broker = broker
        self._log = log
        self._id = f"{broker.group}-{uuid.uuid4().hex}"
        self._waiting: deque[_List] = deque()
        self._arrived = asyncio.Event()

    async def send(self, messages: Sequence[Message]) -> None:
        """Return once all messages are committed; `UnavailableError` where that is not known.

        Readers then see all of them or none. Whoever stops waiting has not asked; that may be
        before the first producer is there.
        """
        asked = _List(messages)
        self._waiting.append(asked)
        self._arrived.set()
        await asked.sent

    async def run(self) -> None:
        """Carry out what is asked for, on one producer after the other; never returns."""
        said = ""
        while True:
            try:
                await self._on_one_producer()
            except (KafkaError, OSError, TimeoutError) as error:
                why = str(error) or type(error).__name__
                if why != said:
                    self._log.warning("lists of events are refused", why=why, retry_s=AGAIN_S)
                said = why
            except Exception:  # noqa: BLE001 - whatever it is, lists are asked for again
                self._log.exception("lists of events are refused")
            await asyncio.sleep(AGAIN_S)

    async def _on_one_producer(self) -> None:
        producer = AIOKafkaProducer(
            **self._broker.options(request_s=ENDED_S),
            transactional_id=self._id,
            transaction_timeout_ms=round(OPEN_S * 1000),
            acks="all",
        )
        try:
            async with asyncio.timeout(START_S):
                await start(producer.start())
            while True:
                await self._arrived.wait()
                await self._commit(producer, self._taken())
        finally:
            self._refuse(self._waiting)
            self._waiting.clear()
            await give_up(producer)

    def _taken(self) -> list[_List]:
        taken: list[_List] = []
        room = MOST
        while self._waiting and (not taken or len(self._waiting[0].messages) <= room):
            first = self._waiting.popleft()
            if not first.sent.done():
                taken.append(first)
                room -= len(first.messages)
        if not self._waiting:
            self._arrived.clear()
        return taken

    async def _commit(self, producer: AIOKafkaProducer, lists: Sequence[_List]) -> None:
        if not lists:
            return
        try:
            async with asyncio.timeout(ENDED_S):
                await producer.begin_transaction()
                await hand_over(producer, [each for one in lists for each in one.messages])
                await producer.commit_transaction()
        except BaseException:
            self._refuse(lists)
            raise
        for each in lists:
            if not each.sent.done():
                each.sent.set_result(None)

    def _refuse(self, lists: Sequence[_List] | deque[_List]) -> None:
        for each in lists:
            if not each.sent.done():
                why = "The event log did not acknowledge; send the list again, with the same ids."
                each.sent.set_exception(UnavailableError(why))
