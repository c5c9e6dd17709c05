"""Tells the event log of every page that ended: tomorrow's training data."""

import time
from collections.abc import Callable

from api.live_page import LivePage
from genpage.documents import Document
from streaming.page_messages import row_document
from streaming.pages_out import PagesOut


class PagePublisher:
    """A `PageListener`."""

    def __init__(self, out: PagesOut, *, clock: Callable[[], float] = time.time) -> None:
        self._out = out
        self._clock = clock

    def ended(self, page: LivePage, outcome: str) -> None:
        """A page ended. One taken up again afterwards is told anew, with all its rows."""
        self._out.put(page_document(page, outcome, self._clock()))


def page_document(page: LivePage, outcome: str, now: float) -> Document:
    """What is told of a page that ended at ``now`` (Unix seconds)."""
    plan, request = page.plan, page.plan.request
    catalog = plan.model.catalog
    rows = [
        row_document(
            index,
            (catalog.rows[row.row].id, catalog.rows[row.row].kind),
            [catalog.entities[entity].id for entity in row.entities],
            drawn,
        )
        for index, (row, drawn) in enumerate(zip(page.rows, page.propensities, strict=True))
    ]
    return {
        **plan.start_document(),
        "rows": rows,
        "rows_asked": request.rows,
        # Whoever still listens is being sent all of it.
        "rows_sent": len(rows) if page.watched else page.rows_sent,
        "finish_reason": outcome,
        "at": request.at,
        "ended_at": now,
        "request_id": plan.request_id,
        "device": request.device,
        "locale": request.locale,
        "temperature": request.temperature,
        "seed": request.seed,
        "continued_from": plan.continued_from,
    }
