"""Served pages on their way to ``genpage.pages``: a bounded buffer that never makes a page wait.

What does not fit into it, while the broker is away or slow, is dropped and counted.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

from structlog.typing import FilteringBoundLogger

from genpage.documents import Document
from genpage.errors import InputError, UnavailableError
from streaming.messages import Message
from streaming.page_messages import of_page
from streaming.producer import Producer

# A page of 10 x 20 takes some 9 kB.
BUFFER_BYTES: Final = 32 << 20
BATCH: Final = 200
# What is still held at the end has as long to go out. Seconds.
LAST_S: Final = 2.0
_TELL_S: Final = 10.0


class PagesOut:
    """An async context manager, owned by one event loop. ``sent`` and ``dropped`` only grow."""

    def __init__(
        self,
        producer: Producer,
        log: FilteringBoundLogger,
        *,
        most_bytes: int = BUFFER_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.sent = 0
        self.dropped = 0
        self._producer = producer
        self._log = log
        self._most_bytes = most_bytes
        self._clock = clock
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._told = -_TELL_S
        self._arrived = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._sender: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._sender = asyncio.create_task(self._send(), name="pages-out")
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Send what is held, within seconds; the rest counts as dropped."""
        assert self._sender is not None
        if self._producer.up:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_S):
                    await self._empty.wait()
        self._sender.cancel()
        await asyncio.wait([self._sender])
        self.dropped += len(self._waiting)

    @property
    def waiting(self) -> int:
        """Pages in the buffer."""
        return len(self._waiting)

    def put(self, document: Document) -> None:
        """Take a page on its way; returns at once, whatever the broker does."""
        message = of_page(document, self._clock())
        if self._bytes + _size(message) > self._most_bytes:
            self.dropped += 1
            if time.monotonic() - self._told > _TELL_S:
                self._told = time.monotonic()
                self._log.warning("served pages are dropped", dropped=self.dropped)
            return
        self._bytes += _size(message)
        self._waiting.append(message)
        self._empty.clear()
        self._arrived.set()

    def forget(self, user_id: str) -> None:
        """Drop what waits of a member."""
        kept = [message for message in self._waiting if message.key != user_id.encode()]
        self._waiting = deque(kept)
        self._bytes = sum(map(_size, kept))

    async def _send(self) -> None:
        while True:
            await self._arrived.wait()
            await self._producer.until_up()
            batch = [self._waiting[place] for place in range(min(BATCH, len(self._waiting)))]
            try:
                await self._producer.send(batch)
            except UnavailableError:
                # All of it again: readers know pages by their ids.
                await asyncio.sleep(0)
                continue
            except InputError:
                await self._one_by_one(batch)
            else:
                self.sent += len(batch)
            self._done(batch)

    async def _one_by_one(self, batch: list[Message]) -> None:
        """Send what is not too large for the broker."""
        for message in batch:
            try:
                await self._producer.send([message])
            except InputError as error:
                self.dropped += 1
                self._log.warning("a served page is dropped", why=str(error))
            except UnavailableError:
                self.dropped += 1
            else:
                self.sent += 1

    def _done(self, batch: list[Message]) -> None:
        for message in batch:
            # A member may have been forgotten meanwhile.
            if self._waiting and self._waiting[0] is message:
                self._waiting.popleft()
                self._bytes -= _size(message)
        if not self._waiting:
            self._bytes = 0
            self._arrived.clear()
            self._empty.set()


def _size(message: Message) -> int:
    return len(message.value or b"")
