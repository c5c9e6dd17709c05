"""What is held of a member: read it, erase it."""

from dataclasses import asdict
from typing import Annotated

import orjson
from fastapi import APIRouter, Path
from starlette.responses import Response

from api.bodies import Identifier
from api.replies import MemberReply
from api.routes.running import Running, problems
from genpage.documents import dump
from genpage.errors import NotFoundError

router = APIRouter(prefix="/v1/users", tags=["members"])
UserId = Annotated[Identifier, Path()]


@router.get(
    "/{user_id:path}/context",
    summary="What is held of a member",
    response_class=Response,
    responses={200: {"model": MemberReply}, **problems(401, 404, 422, 503)},
)
async def read(user_id: UserId, server: Running) -> Response:
    """Profile and the newest events, oldest first."""
    context = await server.stores.contexts.get(user_id)
    if context is None:
        raise NotFoundError("Nothing is known of this member.")
    note = server.planner.note(context)
    document = {
        "user_id": context.user_id,
        "version": note.version,
        "age_ms": note.age_ms,
        "profile": None if context.profile is None else asdict(context.profile),
        "events": [dump(event) for event in context.events],
    }
    return Response(orjson.dumps(document), media_type="application/json")


@router.delete(
    "/{user_id:path}/context",
    summary="Erase a member everywhere",
    status_code=204,
    response_class=Response,
    responses=problems(401, 404, 422, 503),
)
async def erase(user_id: UserId, server: Running) -> Response:
    """Context, encoded prompt, KV cache and pages. 204 as well for a member nobody knows.

    404 for an id with a line break, which no path here has and no member.
    """
    await server.erase(user_id)
    return Response(status_code=204)
