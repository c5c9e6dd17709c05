"""A client that calls the ASGI application as a server would, without a socket between them."""

import asyncio
import time
from dataclasses import dataclass

from starlette.types import ASGIApp, Message


@dataclass(slots=True)
class Seen:
    """What came back: its bytes, and when they came, in seconds after asking.

    ``first_row_s`` is None where it was no stream.
    """

    content: bytes = b""
    first_row_s: float | None = None
    seconds: float = 0.0


async def ask(app: ASGIApp, method: str, path: str, accept: str, body: bytes = b"") -> Seen:
    """One request of a client that stays to the end."""
    seen, asked = Seen(), False
    stays = asyncio.Event()
    begun = time.perf_counter()

    async def receive() -> Message:
        nonlocal asked
        if asked:
            await stays.wait()
        asked = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        seen.seconds = time.perf_counter() - begun
        content = message.get("body", b"")
        if seen.first_row_s is None and b"event: row\n" in content:
            seen.first_row_s = seen.seconds
        seen.content += content

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"accept", accept.encode()), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    await app(scope, receive, send)
    return seen
