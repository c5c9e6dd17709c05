"""What is checked of a body before anyone parses it: its size and its label.

A body is JSON whatever its label, so that ``curl -d`` works; but a browser must say so. A page of
another site can post a mislabelled body without asking first, and on loopback there is no key to
stop it.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem

_JSON = "application/json"
_DIGITS = 20
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class BodyGate:
    """ASGI middleware: 413 past ``limit`` bytes, declared or streamed; 415 for a browser."""

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._detail = f"The body is longer than {limit} bytes, the most that is taken."

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if (problem := self._problem(scope["method"], headers)) is not None:
            await problem.response(scope["request_id"])(scope, receive, send)
            return
        if scope["method"] in _WITH_BODY and not _is_json(headers):
            MutableHeaders(scope=scope)["content-type"] = _JSON
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                if scope["method"] not in _WITH_BODY:
                    # Nobody reads it, and the answer may have begun: hang up on who sends it.
                    return {"type": "http.disconnect"}
                raise HTTPException(413, self._detail)
            return message

        await self._app(scope, counted, send)

    def _problem(self, method: str, headers: Headers) -> Problem | None:
        length = headers.get("content-length", "0")
        # What is no number, or an endless one, is left to the count of what is read.
        if length.isdecimal() and int(length[:_DIGITS]) > self._limit:
            return Problem(413, "too-large", self._detail)
        if method in _WITH_BODY and "origin" in headers and not _is_json(headers):
            return Problem(
                415, "unsupported-media-type", f"A browser must send Content-Type: {_JSON}."
            )
        return None


def _is_json(headers: Headers) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == _JSON
