"""Context injection: the new, live and trending titles that go into the prompt."""

from dataclasses import dataclass

import numpy as np

from genpage.catalog import SECONDS_A_DAY, Catalog
from genpage.trends import Trends

NEW_WITHIN_S = 14 * SECONDS_A_DAY


@dataclass(frozen=True, slots=True)
class Injection:
    """Entity ids, most notable first."""

    new: tuple[str, ...] = ()
    live: tuple[str, ...] = ()
    trending: tuple[str, ...] = ()


def inject(catalog: Catalog, trends: Trends, at: float, *, limit: int = 8) -> Injection:
    """What is new, live and trending at ``at`` (Unix seconds), at most ``limit`` of each.

    New: the latest released within two weeks. Live: on air, the latest started first. Trending:
    the highest decayed counts.
    """
    released, started = catalog.released_at, catalog.live_from
    with np.errstate(invalid="ignore"):
        fresh = (released <= at) & (released >= at - NEW_WITHIN_S)
        on_air = (started <= at) & (catalog.closes > at)
    return Injection(
        new=_latest(catalog, fresh, released, limit),
        live=_latest(catalog, on_air, started, limit),
        trending=tuple(catalog.entities[index].id for index in trends.top(limit)),
    )


def _latest(
    catalog: Catalog,
    chosen: "np.ndarray[tuple[int], np.dtype[np.bool_]]",
    times: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    limit: int,
) -> tuple[str, ...]:
    found = np.flatnonzero(chosen)
    order = found[np.argsort(-times[found], kind="stable")][:limit]
    return tuple(catalog.entities[int(index)].id for index in order)
