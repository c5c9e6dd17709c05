"""Server-sent events: the wire format, and a response that notices when its client leaves.

Written here rather than taken from a library because the bytes are a contract (PROTOCOLS: field
order, ``retry`` first, ``: ping``) and because a departure must stop the decoding at once.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PREAMBLE: Final = b"retry: 2000\n\n"
PING: Final = b": ping\n\n"
PING_S: Final = 15.0
MEDIA_TYPE: Final = "text/event-stream"
HEADERS: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def frame(event: str, identifier: str, data: bytes) -> bytes:
    """One event; ``data`` is one JSON document and so holds no line end."""
    return b"event: %b\nid: %b\ndata: %b\n\n" % (event.encode(), identifier.encode(), data)


class EventStream(Response):
    """Sends ``frames`` as they come, until they end or the client leaves.

    ``leave`` is called in either case, even where no frame was read.
    """

    media_type = MEDIA_TYPE

    def __init__(self, frames: AsyncIterator[bytes], leave: Callable[[], None]) -> None:
        super().__init__(headers=dict(HEADERS))
        del self.headers["content-length"]
        self._frames = frames
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Answer one request."""
        try:
            await until_first(self._send(send), departure(receive))
        finally:
            self._leave()

    async def _send(self, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        try:
            async for content in self._frames:
                await send({"type": "http.response.body", "body": content, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:  # the server found the client gone before `receive` said so
            return


async def departure(receive: Receive) -> None:
    """Returns when the client is gone. The request's body has been read before."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def until_first(*works: Coroutine[Any, Any, None]) -> None:
    """Run all; when one ends, the others are cancelled and waited for."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in works]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
