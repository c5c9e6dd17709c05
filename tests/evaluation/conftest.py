"""Small event logs, a catalog over them, and scorers without a model."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from evaluation.log import EventLog
from evaluation.scorer import Question
from evaluation.source import Source
from genpage.catalog import Catalog
from genpage.entity import Entity
from genpage.row import Row
from genpage.trends import Trends
from tokenizer.prompt import Prompt, Segment
from tokenizer.vocabulary import IntArray

MakeLog = Callable[..., EventLog]
MakeSource = Callable[[EventLog], Source]


@pytest.fixture(scope="session")
def make_log() -> MakeLog:
    """A log of (user, entity, ts) rows, or a seeded one with repeats and equal times."""

    def make(rows: Sequence[tuple[str, str, float]] | None = None, *, seed: int = 0) -> EventLog:
        if rows is None:
            generator = np.random.default_rng(seed)
            rows = [
                (
                    f"u{generator.integers(9)}",
                    f"e{int(generator.exponential(9))}",
                    # Whole hours: users and entities often tie.
                    float(generator.integers(500)) * 3600.0,
                )
                for _ in range(400)
            ]
        return EventLog.of([u for u, _, _ in rows], [e for _, e, _ in rows], [t for *_, t in rows])

    return make


def question(tokens: IntArray, catalog: Catalog) -> Question:
    """A question whose prompt ends, at its ``<next>``, with these tokens."""
    place = len(tokens) - 1
    prompt = Prompt(
        np.append(tokens, 0).astype(np.int32), 0.0, (Segment("next", place, place + 1),)
    )
    return Question(prompt, Trends.none(catalog))


@pytest.fixture(scope="session")
def make_source() -> MakeSource:
    """A source over a log: everything is played, every entity a film of the catalog."""

    def make(log: EventLog) -> Source:
        entities = [Entity(id_, "film", f"Film {id_}") for id_ in sorted(log.entity_ids)]
        catalog = Catalog.build(entities, [Row("all", "genre", "All")])
        count = len(log.ts)
        return Source(log, ["play"] * count, [None] * count, catalog, {})

    return make
