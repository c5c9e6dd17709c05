"""A small catalog, its vocabulary, and members with made-up histories."""

from collections.abc import Callable

import numpy as np
import pytest

from genpage.catalog import Catalog
from genpage.context import Context, apply_event
from genpage.entity import ENTITY_KINDS, Entity
from genpage.event import ACTIONS, Event
from genpage.row import Row
from tokenizer.vocabulary import Vocabulary

MemberOf = Callable[..., Context]
NOON = 1_375_358_400.0  # 2013-08-01 12:00 UTC, a Thursday


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """Forty titles of all kinds and four rows."""
    entities = [
        Entity(f"e{n}", ENTITY_KINDS[n % 4], f"Title {n}", genres=("Drama",)) for n in range(40)
    ]
    rows = [Row(f"r{n}", kind, f"Row {n}") for n, kind in enumerate(("genre", "new", "x", "live"))]
    return Catalog.build(entities, rows)


@pytest.fixture(scope="session")
def vocabulary(catalog: Catalog) -> Vocabulary:
    """The vocabulary of the catalog."""
    return Vocabulary().grown(catalog)


@pytest.fixture
def member_of() -> MemberOf:
    """Makes a member with ``count`` seeded events up to ``until``, folded as a store would."""

    def make(count: int, *, seed: int = 0, until: float = NOON, limit: int = 512) -> Context:
        generator = np.random.default_rng(seed)
        # Sittings: most gaps are minutes, some are days.
        gaps = np.where(
            generator.random(count) < 0.7,
            generator.uniform(0, 2_400, count),
            generator.uniform(0, 9 * 86_400, count),
        )
        times = until - np.cumsum(gaps)[::-1]
        context = Context("u")
        for n, ts in enumerate(times):
            event = Event(
                event_id=f"v{n}",
                user_id="u",
                entity_id=f"e{generator.integers(45)}",  # e40..e44 are unknown
                action=ACTIONS[int(generator.integers(len(ACTIONS)))],
                ts=float(ts),
                duration_s=None if n % 3 == 0 else float(generator.uniform(0, 12_000)),
            )
            context = apply_event(context, event, limit=limit)
        return context

    return make
