"""Checkpoints on the log: what is announced to every replica, and what each says of it.

This room knows messages, not what stands in them: the rollout parses its own documents.
"""

import asyncio
import time
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self, TypeVar

import orjson
from structlog.typing import FilteringBoundLogger

from genpage.documents import Document
from genpage.errors import InputError, PoisonError, UnavailableError
from streaming.cloud_event import headers
from streaming.messages import Message, document_of
from streaming.producer import Producer
from streaming.topics import CHECKPOINTS, STATUS

ANNOUNCED: Final = "genpage.checkpoint.announced"
REPORTED: Final = "genpage.checkpoint.reported"
# Statuses that wait for a broker that is away; beyond it the oldest are dropped.
MOST_WAITING: Final = 1_000
AGAIN_S: Final = 0.5
T = TypeVar("T")


def of_announcement(model: str, document: Document) -> Message:
    """The message that announces a bundle to every replica of ``model``."""
    about = headers(ANNOUNCED, uuid.uuid4().hex, time.time())
    return Message(CHECKPOINTS.name, model.encode(), orjson.dumps(document), about)


def of_status(replica: str, document: Document) -> Message:
    """What a replica says."""
    about = headers(REPORTED, uuid.uuid4().hex, time.time())
    return Message(STATUS.name, replica.encode(), orjson.dumps(document), about)


def reader(model: str, parse: Callable[[Document], T]) -> Callable[[Message], T | None]:
    """Reads announcements for ``model``; None is one for another model.

    A missing ``created_at`` is the time of the message. `PoisonError` where nobody can take it up.
    """

    def read(message: Message) -> T | None:
        if message.key is not None and message.key != model.encode():
            return None
        if message.value is None:
            raise PoisonError("null", f"{message.topic} takes no null; announce another bundle")
        try:
            return parse({"created_at": message.ts, **document_of(message)})
        except InputError as error:
            if isinstance(error, PoisonError):
                raise
            raise PoisonError("invalid", str(error)) from error

    return read


class StatusReports:
    """Sends what a replica says, in order, and again until the log has it."""

    def __init__(self, producer: Producer, replica: str, log: FilteringBoundLogger) -> None:
        self.dropped = 0
        self._producer = producer
        self._replica = replica
        self._log = log
        self._waiting = deque[Message]()
        self._news = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._sender = asyncio.create_task(self._send(), name="checkpoint-status")
        return self

    async def __aexit__(self, *failure: object) -> None:
        """What waits is lost; after the next start the replica says anew what it serves."""
        assert self._sender is not None
        self._sender.cancel()
        await asyncio.wait([self._sender])

    def put(self, document: Document) -> None:
        """Say something; returns at once."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(of_status(self._replica, document))
        self._news.set()

    async def _send(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                await self._producer.until_up()
                message = self._waiting[0]
                try:
                    await self._producer.send([message])
                except UnavailableError:
                    await asyncio.sleep(AGAIN_S)
                    continue
                except InputError as error:
                    self._log.warning("a status is too long for the log", why=str(error))
                with suppress(ValueError):  # it was dropped meanwhile
                    self._waiting.remove(message)
