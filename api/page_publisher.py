"""Tells the event log of every page that ended: tomorrow's training data."""

import time
from collections.abc import Callable
from functools import partial

from api.live_page import LivePage
from genpage.documents import Document
from genpage.exploration import NO_EXPLORATION, Exploration
from streaming.page_messages import row_document
from streaming.pages_out import PagesOut


class PagePublisher:
    """A `PageListener`."""

    def __init__(
        self,
        out: PagesOut,
        exploration: Exploration = NO_EXPLORATION,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._out = out
        self._exploration = exploration
        self._clock = clock

    def ended(self, page: LivePage, outcome: str) -> None:
        """A page ended. One taken up again afterwards is told anew, with all its rows."""
        ended_at = self._clock()
        told = page_document(page, outcome, ended_at, self._exploration)
        self._out.put(told)
        sent = told["rows_sent"]
        # What went out then is not all: whoever comes for the rest has been sent it once they left.
        rest = page.over and sent < len(page.rows)
        page.when_left = partial(self._again, outcome, ended_at, sent) if rest else None

    def _again(self, outcome: str, ended_at: float, sent: int, page: LivePage) -> None:
        if page.rows_sent > sent:
            self._out.put(page_document(page, outcome, ended_at, self._exploration))
            page.when_left = partial(self._again, outcome, ended_at, page.rows_sent)


def page_document(
    page: LivePage, outcome: str, now: float, exploration: Exploration = NO_EXPLORATION
) -> Document:
    """What is told of a page that ended at ``now`` (Unix seconds), made with ``exploration``."""
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
        # What is sampled at a temperature is not explored.
        "explored": 0.0 if request.temperature else exploration.share,
        "continued_from": plan.continued_from,
    }
