"""Served pages on their way to ``genpage.pages``: a bounded buffer that never makes a page wait."""

import time
from collections.abc import Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

from genpage.documents import Document
from streaming.outbox import AGAIN_S, Outbox
from streaming.page_messages import of_page
from streaming.side_producer import Sender

# A page of 10 x 20 takes some 9 kB.
BUFFER_BYTES: Final = 32 << 20


class PagesOut(Outbox):
    """What does not fit while the broker is away or slow is dropped and counted."""

    def __init__(
        self,
        sender: Sender,
        log: FilteringBoundLogger,
        *,
        most_bytes: int = BUFFER_BYTES,
        again_s: tuple[float, ...] = AGAIN_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__("served pages", sender, log, most_bytes=most_bytes, again_s=again_s)
        self._clock = clock

    def put(self, document: Document) -> None:
        """Take a page on its way; returns at once, whatever the broker does."""
        self.add(of_page(document, self._clock()))

    def forget(self, user_id: str) -> None:
        """Drop what waits of a member."""
        key = user_id.encode()
        self.take_back(lambda message: message.key == key)
