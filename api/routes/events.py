"""Engagement events in."""

import time
from typing import Annotated

from fastapi import APIRouter, Body

from api import examples
from api.bodies import EventsBody
from api.replies import EventsReply
from api.routes.running import Running, problems

router = APIRouter(prefix="/v1/events", tags=["events"])


@router.post(
    "",
    summary="Record what members did",
    status_code=202,
    responses=problems(400, 401, 413, 415, 422, 503),
)
async def take(
    body: Annotated[EventsBody, Body(openapi_examples=examples.EVENT_BODIES)], server: Running
) -> EventsReply:
    """One event or a list; a list is taken whole or not at all. An `event_id` counts once."""
    now = time.time()
    bodies = body if isinstance(body, list) else [body]
    events = [each.event(each.user_id, now) for each in bodies]
    await server.sink.publish(events)
    server.metrics.events.inc(len(events))
    return EventsReply(accepted=len(events), event_ids=[event.event_id for event in events])
