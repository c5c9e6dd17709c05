"""Messages that nobody waits for, on their way to the log: a bounded buffer and its sender.

Whoever adds one goes on at once, whatever the broker does. What does not fit, or what the log
will not take, is dropped and counted; no error ends the sender.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Literal, Self

from structlog.typing import FilteringBoundLogger

from genpage.errors import InputError, UnavailableError
from streaming.messages import Message
from streaming.side_producer import Sender

BATCH: Final = 200
# What is still held at the end has as long to go out. Seconds.
LAST_S: Final = 2.0
# After a failure, the wait until the next try; the last one stands for all after it. Seconds.
AGAIN_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
# So often in a row what is first may fail while the broker answers: longer than a partition is
# commonly without a leader. Then it makes room for what is behind it.
TRIES: Final = 10
_TELL_S: Final = 10.0


class Outbox:
    """An async context manager, owned by one event loop. ``sent`` and ``dropped`` only grow."""

    def __init__(
        self,
        name: str,
        sender: Sender,
        log: FilteringBoundLogger,
        *,
        most_bytes: int,
        full: Literal["drop new", "drop old"] = "drop new",
        again_s: tuple[float, ...] = AGAIN_S,
    ) -> None:
        """``name`` says in the log what is sent; ``full`` what is lost where there is no room."""
        self.name = name
        self.sent = 0
        self.dropped = 0
        self._sender = sender
        self._log = log
        self._most_bytes = most_bytes
        self._full = full
        self._again_s = again_s
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._failed = 0
        self._told: dict[str, float] = {}
        self._arrived = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name=f"outbox {self.name}")
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Send what is held, within seconds; the rest counts as dropped."""
        assert self._task is not None
        if self._sender.up:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_S):
                    await self._empty.wait()
        self._task.cancel()
        _, running = await asyncio.wait([self._task], timeout=LAST_S)
        if running:
            self._log.warning("an outbox does not end", what=self.name)
        self._drop(len(self._waiting))
        await self._sender.close()

    @property
    def alive(self) -> bool:
        """Whether what waits is going to be sent."""
        return self._task is not None and not self._task.done()

    @property
    def waiting(self) -> int:
        """Messages in the buffer."""
        return len(self._waiting)

    def add(self, message: Message) -> None:
        """Take a message on its way; returns at once."""
        size = _size(message)
        while self._bytes + size > self._most_bytes:
            if self._full == "drop new" or not self._waiting:
                self._drop(1)
                self._tell("dropped for want of room", dropped=self.dropped)
                return
            self._take_off(self._waiting[0])
            self._drop(1)
        self._bytes += size
        self._waiting.append(message)
        self._empty.clear()
        self._arrived.set()

    def take_back(self, gone: Callable[[Message], bool]) -> None:
        """Drop what waits of somebody, uncounted: it is not to be sent."""
        for message in [each for each in self._waiting if gone(each)]:
            self._take_off(message)

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            await self._sender.until_up()
            batch = [self._waiting[place] for place in range(min(BATCH, len(self._waiting)))]
            if not batch:
                self._arrived.clear()
                continue
            try:
                await self._send(batch)
            except UnavailableError as error:
                self._tell("not taken by the log", why=str(error), waiting=self.waiting)
                await self._fail(batch)
            except Exception:  # noqa: BLE001 - whatever it is, what comes after it is sent
                self._log.exception("the outbox fails", what=self.name)
                await self._fail(batch)
            else:
                self._failed = 0

    async def _send(self, batch: list[Message]) -> None:
        try:
            await self._sender.send(batch)
        except InputError as error:
            if len(batch) > 1:
                # One of them is too large; the others are not held up by it.
                for message in batch:
                    await self._send([message])
                return
            self._take_off(batch[0])
            self._drop(1)
            self._tell("too large for the log", why=str(error))
            return
        self.sent += len(batch)
        for message in batch:
            self._take_off(message)

    async def _fail(self, batch: list[Message]) -> None:
        """Wait until the next try; give the batch up where the log does not take it."""
        # While the broker is away everything waits; only what it refuses is given up.
        self._failed += self._sender.up
        if self._failed >= TRIES:
            left = [message for message in batch if message in self._waiting]
            for message in left:
                self._take_off(message)
            self._drop(len(left))
            self._tell("given up", dropped=self.dropped)
        await asyncio.sleep(self._again_s[min(max(0, self._failed - 1), len(self._again_s) - 1)])

    def _take_off(self, message: Message) -> None:
        """Off the buffer; a member may have been forgotten meanwhile, or room been made."""
        with suppress(ValueError):
            self._waiting.remove(message)
            self._bytes -= _size(message)
        if not self._waiting:
            self._arrived.clear()
            self._empty.set()

    def _drop(self, count: int) -> None:
        self.dropped += count

    def _tell(self, what: str, **about: object) -> None:
        """Say it, each thing at most once in a while."""
        now = time.monotonic()
        if now - self._told.get(what, -_TELL_S) >= _TELL_S:
            self._told[what] = now
            self._log.warning(f"{self.name}: {what}", **about)


def _size(message: Message) -> int:
    return len(message.value or b"")
