"""A client that calls the ASGI application as a server would, without a socket between them."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import ASGIApp, Message

_JSON = {"content-type": "application/json"}


class Call:
    """One request: the messages that answer it, in the order the application sent them.

    ``seconds`` says when each came, counted from `run`. The client stays until it is told to leave.
    """

    def __init__(
        self,
        app: ASGIApp,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.sent: list[Message] = []
        self.seconds: list[float] = []
        self._app = app
        self._body: bytes | None = body
        self._gone = asyncio.Event()
        self._begun = 0.0
        named = {**_JSON, **(headers or {})}
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.lower().encode(), held.encode()) for name, held in named.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }

    async def run(self) -> None:
        """Make it; returns with the application."""
        self._begun = time.perf_counter()
        await self._app(self._scope, self._receive, self._send)

    def leave(self) -> None:
        """The client closes its connection."""
        self._gone.set()

    @property
    def status(self) -> int | None:
        """The status, None before it was sent."""
        return next((message["status"] for message in self.sent if "status" in message), None)

    @property
    def body(self) -> bytes:
        """What was sent of the body so far."""
        return b"".join(message.get("body", b"") for message in self.sent)

    async def _receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.seconds.append(time.perf_counter() - self._begun)
        self.sent.append(dict(message))


@dataclass(frozen=True, slots=True)
class Seen:
    """What came back: its bytes, and when they came, in seconds after asking.

    ``first_row_s`` is None where it was no stream.
    """

    content: bytes
    first_row_s: float | None
    seconds: float


async def ask(app: ASGIApp, method: str, path: str, accept: str, body: bytes = b"") -> Seen:
    """One request of a client that stays to the end."""
    call = Call(app, method, path, body, {"accept": accept})
    await call.run()
    rows = (b"event: row\n" in message.get("body", b"") for message in call.sent)
    firsts = (seconds for seconds, is_row in zip(call.seconds, rows, strict=True) if is_row)
    return Seen(call.body, next(firsts, None), call.seconds[-1])
