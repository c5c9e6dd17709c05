"""The life of a reader of the log: sessions in the background, from when it is entered on."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Literal, Self

from structlog.typing import FilteringBoundLogger

from streaming.ending import ended
from streaming.producer import Producer
from streaming.supervision import supervise

State = Literal["ok", "joining", "away", "ended"]
# How long a session may take to end by itself; its client may take as long again.
CLOSE_S: Final = 2.0
# Sessions in a row that end for a reason of our own, before the reader has ended.
TRIES: Final = 5
AGAIN_S: Final = 0.5
POLL_MS: Final = 200
MOST_RECORDS: Final = 1_000


class Sessions:
    """An async context manager, which a reader enters and leaves as its own.

    ``session`` is one round of the reader's life: it sets `joined`, and returns once
    `closing`. One that is cancelled at the end may take ``last_s`` for it.
    """

    def __init__(
        self,
        session: Callable[[], Awaitable[None]],
        producer: Producer,
        log: FilteringBoundLogger,
        *,
        name: str,
        last_s: float,
    ) -> None:
        # Whether the reader reads: it is the reader's to say.
        self.joined = False
        self._session = session
        self._producer = producer
        self._log = log
        self._name = name
        self._last_s = last_s
        self._closing = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        supervising = supervise(
            self._session, self._producer, self._closing, self._log, tries=TRIES, again_s=AGAIN_S
        )
        self._supervisor = asyncio.create_task(supervising, name=self._name)
        return self

    async def __aexit__(self, *failure: object) -> None:
        """End, within seconds in any case."""
        assert self._supervisor is not None
        self._closing.set()
        if self.joined and self._producer.up:
            await asyncio.wait([self._supervisor], timeout=CLOSE_S)
        self._supervisor.cancel()
        await ended([self._supervisor], self._last_s, self._log)

    @property
    def closing(self) -> bool:
        """Whether the session shall end."""
        return self._closing.is_set()

    @property
    def alive(self) -> bool:
        """Whether there is a session, or will be again once the broker is back."""
        return self._supervisor is not None and not self._supervisor.done()

    @property
    def state(self) -> State:
        """How it is, for people and probes."""
        if not self.alive:
            return "ended"
        if not self._producer.up:
            return "away"
        return "ok" if self.joined else "joining"
