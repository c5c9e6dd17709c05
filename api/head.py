"""HEAD as GET without a body, for every route but a page's stream."""

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# To answer its HEAD, a stream would have to be taken up, and decoding with it.
_STREAM = re.compile(r"/v1/pages/[^/]+/events")


def has_head(path: str) -> bool:
    """Whether HEAD works where GET does."""
    return _STREAM.fullmatch(path) is None


class Head:
    """ASGI middleware: the routes see GET; what they answer goes out without its body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD" or not has_head(scope["path"]):
            await self._app(scope, receive, send)
            return

        async def bodiless(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        # In place: the router leaves its route in the scope, for the log.
        scope["method"] = "GET"
        try:
            await self._app(scope, receive, bodiless)
        finally:
            scope["method"] = "HEAD"
