"""How a route gets at the server, and what every route may answer."""

from typing import Annotated, Any

from fastapi import Depends, Request

from api.problems import MEDIA_TYPE
from api.replies import ProblemReply
from api.server import Server


# A coroutine, though it waits for nothing: FastAPI runs plain functions on another thread.
async def _server(request: Request) -> Server:
    server: Server = request.app.state.server
    return server


Running = Annotated[Server, Depends(_server)]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem documents of these statuses, for a route's ``responses``."""
    schema = {"$ref": f"#/components/schemas/{ProblemReply.__name__}"}
    return {
        status: {"description": _MEANINGS[status], "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


_MEANINGS = {
    400: "the body is not JSON",
    401: "a key is missing or wrong",
    404: "there is no such thing",
    409: "the thing is in another state than this needs",
    413: "the body is longer than 1 MiB",
    415: "a browser must send application/json",
    422: "a field is wrong: which, why, and the limit",
    429: "full; `Retry-After` says when to come back",
    503: "draining, not ready, or a part is away",
}
