"""A sender of messages whose broker is as the test says."""

import asyncio
from collections.abc import Sequence

from genpage.errors import InputError
from streaming.messages import Message


class StandIn:
    """A `Sender` whose broker is as the test says."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.tries = 0
        self.refuses: Exception | None = None
        self.huge: bytes | None = None
        self.closed = False
        self._up = asyncio.Event()

    @property
    def up(self) -> bool:
        """Whether the broker answers."""
        return self._up.is_set()

    async def until_up(self) -> None:
        """Return once it does."""
        await self._up.wait()

    def come(self) -> None:
        """The broker answers from now on."""
        self._up.set()

    async def send(self, messages: Sequence[Message]) -> None:
        """Take messages, unless told otherwise."""
        self.tries += 1
        if self.refuses is not None:
            raise self.refuses
        if any(message.key == self.huge for message in messages):
            raise InputError("too large")
        self.taken += messages

    async def close(self) -> None:
        """The end."""
        self.closed = True
