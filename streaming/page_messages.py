"""Served pages as messages on ``genpage.pages``, and back. Pure.

The value is the page's own JSON with what an audit or a training day needs beside it: ``at`` (the
page's clock, Unix seconds), ``device``, ``locale``, ``temperature``, ``request_id``,
``continued_from``, ``explored`` (the share of choices that the server declared to draw, where the
page was not sampled), and for each entity its ``propensity``. ``rows_sent`` says how many of the
rows went out to a client: the others were decoded and nobody saw them. Titles are left out, ids
stay.
"""

import math
from collections.abc import Sequence
from sys import intern
from typing import Final

import orjson

from genpage.documents import Document
from genpage.errors import PoisonError
from genpage.served_page import ServedPage, ServedRow
from streaming.cloud_event import headers
from streaming.messages import Message, document_of
from streaming.topics import PAGES

SERVED: Final = "genpage.page.served"
_END_OF_9999: Final = 253_402_300_800.0


def of_page(document: Document, now: float) -> Message:
    """The message of a page's document."""
    page_id, user_id = document["page_id"], document["user_id"]
    about = headers(SERVED, page_id, now)
    return Message(PAGES.name, user_id.encode(), orjson.dumps(document), about)


def row_document(
    index: int, row: tuple[str, str], entity_ids: Sequence[str], propensities: Sequence[float]
) -> Document:
    """A row of the document: ``row`` is (id, kind); no propensities stand for certainty."""
    drawn = propensities or [1.0] * len(entity_ids)
    entities = [
        {"id": id_, "propensity": chance} for id_, chance in zip(entity_ids, drawn, strict=True)
    ]
    return {"index": index, "row": {"id": row[0], "kind": row[1]}, "entities": entities}


def read_page(message: Message) -> ServedPage:
    """The page of a message; `PoisonError` where it says none."""
    if message.value is None:
        raise PoisonError("null", "a page is not withdrawn")
    document = document_of(message)
    try:
        rows = tuple(_row(row) for row in document["rows"])
        page = ServedPage(
            page_id=_text(document["page_id"]),
            user_id=_text(document["user_id"]),
            at=_moment(document["at"]),
            device=intern(_text(document["device"])),
            locale=None if document.get("locale") is None else _text(document["locale"]),
            rows_sent=int(document.get("rows_sent", len(rows))),
            rows=rows,
            simulated=document.get("simulated") is True,
            explored=_explored(document),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PoisonError("invalid", f"not a served page: {error!r}") from error
    return page


def _row(document: Document) -> ServedRow:
    entities = document["entities"]
    # One object an id, and one for certainty: whoever collects holds days of pages.
    ids = tuple(intern(_text(entity["id"])) for entity in entities)
    told = (_number(entity.get("propensity", 1.0)) for entity in entities)
    drawn = tuple(1.0 if chance == 1.0 else chance for chance in told)
    return ServedRow(intern(_text(document["row"]["id"])), ids, drawn)


def _explored(document: Document) -> float | None:
    """The share of choices that are declared to be drawn; at a temperature all of them are."""
    if document.get("temperature"):
        return 1.0
    told = document.get("explored")
    if told is None:
        return None
    share = _number(told)
    if not 0 <= share <= 1:
        raise ValueError(f"{told!r} is no share")
    return share


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is no text")
    return value


def _moment(value: object) -> float:
    """Unix seconds that a calendar has."""
    at = _number(value)
    if not 0 <= at < _END_OF_9999:
        raise ValueError(f"{value!r} is on no calendar day")
    return at


def _number(value: object) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)
