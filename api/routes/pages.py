"""Pages: make one, read it, follow it, stop it."""

import re
import time
from typing import Annotated

from fastapi import APIRouter, Body, Header, Request
from starlette.responses import Response

from api import examples, sse
from api.accept import wants_stream
from api.ask import Ask
from api.bodies import PageBody
from api.gathered import GatheredPage
from api.live_page import LivePage
from api.replies import PageReply
from api.routes.running import Running, problems
from genpage.errors import InputError

router = APIRouter(prefix="/v1/pages", tags=["pages"])
_EVENT_ID = re.compile(r"(?P<page>.*):(?P<number>\d{1,6})")
_STREAM = {sse.MEDIA_TYPE: {"schema": {"type": "string"}, "example": examples.STREAM}}
_PAGE = {"application/json": {"example": examples.PAGE}}


@router.post(
    "",
    summary="Generate a page",
    response_class=Response,
    responses={
        200: {
            "description": "the page as JSON, or its event stream, by `Accept`",
            "model": PageReply,
            "content": {**_PAGE, **_STREAM},
        },
        **problems(400, 401, 404, 409, 413, 415, 422, 429, 503),
    },
)
async def make(
    body: Annotated[PageBody, Body(openapi_examples=examples.PAGE_BODIES)],
    request: Request,
    server: Running,
) -> Response:
    """Rows leave as they are decoded with `Accept: text/event-stream`; else the page is gathered.

    `continue_from` gives the next rows of a page that has ended; no row and no entity comes again.
    `device`, `locale` and `entities_per_row` are then that page's unless given; `exclude` adds up.
    """
    ask = Ask(
        request=body.request(time.time()),
        request_id=request.scope["request_id"],
        clocked=body.at is not None,
        deadline_s=None if body.deadline_ms is None else body.deadline_ms / 1000,
        continue_from=body.continue_from,
        given=frozenset(body.model_fields_set),
    )
    page = await server.pages.begin(ask)
    request.scope["page_id"] = page.page_id
    watch = page.watch()
    if wants_stream(request.headers.get("accept")):
        return sse.EventStream(watch.frames(), watch.close)
    return GatheredPage(page, watch)


@router.get(
    "/{page_id}",
    summary="A page as it is",
    response_class=Response,
    responses={
        200: {"description": "the page", "model": PageReply, "content": _PAGE},
        **problems(401, 404),
    },
)
async def read(page_id: str, server: Running) -> Response:
    """The stream gathered so far; `state` says whether more will come."""
    return Response(server.pages.store.get(page_id).json(), media_type="application/json")


@router.get(
    "/{page_id}/events",
    summary="A page's event stream",
    response_class=Response,
    responses={
        200: {"description": "the events behind `Last-Event-ID`", "content": _STREAM},
        204: {"description": "there is nothing behind `Last-Event-ID`, and never will be"},
        **problems(401, 404, 422, 429, 503),
    },
)
async def follow(
    page_id: str,
    request: Request,
    server: Running,
    last_event_id: Annotated[str | None, Header(examples=["0a1b2c:3"])] = None,
) -> Response:
    """From the start, or behind `Last-Event-ID`. A page that was left goes on where it was."""
    page = server.pages.store.get(page_id)
    request.scope["page_id"] = page.page_id
    after = _number(page, last_event_id)
    if page.over and after >= page.events - 1:
        return Response(status_code=204)
    if after >= page.events:  # it would wait for ever, or skip what is still to be said
        raise InputError(
            f"Last-Event-ID: this page has said no more than {page.page_id}:{page.events - 1} yet"
        )
    server.pages.resume(page)
    watch = page.watch(after)
    return sse.EventStream(watch.frames(), watch.close)


@router.delete(
    "/{page_id}",
    summary="Stop generating a page",
    status_code=204,
    response_class=Response,
    responses=problems(401, 404, 503),
)
async def stop(page_id: str, server: Running) -> Response:
    """Its rows stay readable, its streams end with `cancelled`; a page that is over stays so."""
    await server.pages.stop(server.pages.store.get(page_id))
    return Response(status_code=204)


def _number(page: LivePage, last_event_id: str | None) -> int:
    """The number of the last event seen, -1 for none."""
    if not last_event_id:
        return -1
    match = _EVENT_ID.fullmatch(last_event_id)
    if match is None or match["page"] != page.page_id:
        raise InputError(
            f"Last-Event-ID: must be an id of this page's events, such as {page.page_id}:3"
        )
    return int(match["number"])
