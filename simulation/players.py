"""The members of a simulated service, meeting pages that they were really served.

Each page is walked once, by the feedback model of `simulation.behaviour`, with a random stream that
its id names: who plays the same page again does the same, under the same event ids. Titles that
came after the simulation have no truth, so nobody acts on them.
"""

import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from genpage.errors import NotFoundError
from genpage.event import Event
from genpage.page import Page
from genpage.request import DEVICES
from genpage.served_page import ServedPage, ServedRow
from simulation.behaviour import OUTCOMES
from simulation.familiarity import NEW
from simulation.feedback import sample
from simulation.judge import Judge, Showing
from simulation.odds import Visits, weigh


class Players:
    """Remembers what each member came to know. One owner."""

    def __init__(
        self, judge: Judge, seed: int = 0, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._judge = judge
        self._seed = seed
        self._clock = clock
        self._states: dict[str, dict[str, int]] = {}

    @classmethod
    def open(cls, folder: Path, seed: int = 0) -> "Players":
        """The members of a folder that ``genpage simulate`` wrote."""
        return cls(Judge.open(folder), seed)

    def react(self, page: ServedPage) -> list[Event]:
        """What its member does with a page, in order; nothing for a stranger.

        Nothing is done after now: what would take longer is told as of now.
        """
        truth, rows = self._judge.truth, page.rows[: page.rows_sent]
        try:
            member = self._judge.member(page.user_id)
        except NotFoundError:
            return []
        if not rows or page.device not in DEVICES:
            return []
        device = DEVICES.index(page.device)
        states = self._known(page)
        # By row the places whose titles have a truth; the eye passes over the others.
        places = [self._places(row) for row in rows]
        width = max(map(len, places))
        entities = np.full((1, len(rows), width), -1, np.int32)
        known = np.zeros_like(entities)
        for row_pos, told in enumerate(places):
            entities[0, row_pos, : len(told)] = [entity for _, entity in told]
            ids = [rows[row_pos].entity_ids[column] for column, _ in told]
            known[0, row_pos, : len(told)] = [states.get(id_, NEW) for id_ in ids]
        visits = Visits(
            np.array([member], np.int32), np.array([page.at]), np.array([device], np.int32)
        )
        odds = weigh(truth, visits, entities, known)
        stream = np.random.default_rng([self._seed, zlib.crc32(page.page_id.encode())])
        feedback = sample(truth.behaviour, odds, stream)
        acted = np.flatnonzero(feedback.outcome[0] >= 0)
        order = acted[np.argsort(feedback.after_s[0, acted], kind="stable")]
        events, latest = [], max(self._clock(), page.at)
        for place in order.tolist():
            row_pos, among = divmod(place, width)
            col_pos = places[row_pos][among][0]
            ts = min(page.at + float(feedback.after_s[0, place]), latest)
            watched = round(float(feedback.watched_s[0, place]), 1)
            events.append(
                Event(
                    event_id=f"simulated-{page.page_id}-{row_pos}-{col_pos}",
                    user_id=page.user_id,
                    entity_id=rows[row_pos].entity_ids[col_pos],
                    action=OUTCOMES[feedback.outcome[0, place]],
                    ts=round(ts, 3),
                    duration_s=watched or None,
                    page_id=page.page_id,
                    row_id=rows[row_pos].row_id,
                    row_pos=row_pos,
                    col_pos=col_pos,
                )
            )
        self._judge.fold(((e.entity_id, e.action, e.duration_s) for e in events), states)
        return events

    def _places(self, row: ServedRow) -> list[tuple[int, int]]:
        """(column, number of the entity) of those that the simulation knows."""
        numbers = self._judge.entities(row.entity_ids)
        return [(column, number) for column, number in enumerate(numbers) if number >= 0]

    def _known(self, page: ServedPage) -> dict[str, int]:
        states = self._states.get(page.user_id)
        if states is None:
            states = self._judge.states(Showing(Page(), page.user_id, page.at))
            self._states[page.user_id] = states
        return states
