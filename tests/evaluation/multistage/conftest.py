"""A small log with structure to find, and a small simulated service."""

import numpy as np
import pytest

from dataset.folder import DataFolder
from dataset.write import new_folder
from evaluation.log import EventLog
from evaluation.multistage.columns import Columns
from evaluation.source import Source
from genpage.catalog import SECONDS_A_DAY, Catalog
from genpage.entity import Entity
from genpage.row import Row
from simulation.service import simulate
from simulation.settings import Settings

TITLES, CIRCLES, DAYS = 60, 6, 50


@pytest.fixture(scope="session")
def paired() -> Source:
    """Members who go through the titles of one of six circles: what comes next can be known.

    Each circle is a tenth of the catalog and has its own cast; all titles are equally popular.
    """
    chance = np.random.default_rng(0)
    size = TITLES // CIRCLES
    catalog = Catalog.build(
        [
            Entity(f"e{i}", "film", f"Film {i}", cast=(f"Star {i // size}",), year=1990 + i // size)
            for i in range(TITLES)
        ],
        [Row("all", "genre", "All")],
    )
    events: list[tuple[str, str, float]] = []
    for member in range(240):
        circle = int(chance.integers(CIRCLES))
        start = float(chance.uniform(0, (DAYS - 1) * SECONDS_A_DAY))
        for place in chance.permutation(size)[:8].tolist():
            start += float(chance.uniform(60, 1800))
            events.append((f"u{member}", f"e{circle * size + place}", start))
    log = EventLog.of([u for u, _, _ in events], [e for _, e, _ in events], [t for *_, t in events])
    count = len(log.ts)
    return Source(log, ["play"] * count, [None] * count, catalog, {})


@pytest.fixture(scope="session")
def columns(paired: Source) -> Columns:
    """The log's events by catalog index."""
    log = paired.log
    ids = [log.entity_ids[entity] for entity in log.entity.tolist()]
    return Columns.of(paired.catalog, log.user, ids, log.ts, paired.actions, paired.durations)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    """A small simulated service's data; nobody may change it."""
    folder = tmp_path_factory.mktemp("multistage") / "data"
    with new_folder(folder) as writer:
        simulate(Settings(members=70, entities=420, days=6, seed=3), writer)
    return DataFolder(folder)
