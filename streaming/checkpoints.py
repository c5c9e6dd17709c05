"""Checkpoints on the log: what is announced to every replica, and what each says of it.

This room knows messages, not what stands in them: the rollout parses its own documents.
"""

import time
import uuid
from collections.abc import Callable
from typing import Final, Literal, TypeVar

import orjson
from structlog.typing import FilteringBoundLogger

from genpage.documents import Document
from genpage.errors import InputError, PoisonError
from streaming.cloud_event import headers
from streaming.messages import Message, document_of
from streaming.outbox import Outbox
from streaming.side_producer import Sender
from streaming.topics import CHECKPOINTS, STATUS

ANNOUNCED: Final = "genpage.checkpoint.announced"
REPORTED: Final = "genpage.checkpoint.reported"
# Of statuses that wait for a broker that is away; one takes less than a kilobyte.
MOST_BYTES: Final = 1 << 20
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


class StatusReports(Outbox):
    """Sends what a replica says, in order; beyond its bound the oldest is lost.

    What waits at the end is lost too; after the next start the replica says anew what it serves.
    """

    def __init__(
        self,
        sender: Sender,
        replica: str,
        log: FilteringBoundLogger,
        *,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        super().__init__("statuses", sender, log, most_bytes=most_bytes, full="drop old")
        self._replica = replica

    @property
    def state(self) -> Literal["ok", "stale"]:
        """``stale`` while what is said does not arrive: the log does not take it, or we ended."""
        return "stale" if self._failed or not self.alive else "ok"

    def put(self, document: Document) -> None:
        """Say something; returns at once."""
        self.add(of_status(self._replica, document))
