"""What the entity ranker sees of each candidate, computed at the request.

Shape legend: c candidates, E entities by catalog index, S signals, F features, G genres.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation.multistage.columns import OPINIONS, History
from evaluation.multistage.store import SIGNAL, SIGNALS, FeatureStore, sitting_of
from genpage.catalog import SECONDS_A_DAY

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
_RANKED: Final = (
    "trend_0.2d",
    "trend_1.5d",
    "trend_3650d",
    "near",
    "shared",
    "factors",
    "like_history",
)
_ITEM: Final = ("year", "age_days", "since_release_days", "idle_hours", "opinion")
_MEMBER: Final = (
    "events",
    "pause_hours",
    "sitting",
    "sitting_hours",
    "pace_s",
    "sitting_trend",
    "sitting_popularity",
    "sitting_year",
    "sitting_year_spread",
    "history_popularity",
    "own_opinion",
)
_CROSS: Final = (
    "year_off_last",
    "year_off_sitting",
    "popularity_off_sitting",
    "popularity_off_last",
    "genres_sitting",
    "genres_history",
    "genres_last",
    "near_per_popularity",
    "shared_per_popularity",
    "trend_rise",
)
FEATURES: Final = (*SIGNALS, *(f"rank_{n}" for n in _RANKED), *_ITEM, *_MEMBER, *_CROSS)


class EntityFeatures:
    """Reads a feature store; holds the catalog's own columns."""

    def __init__(self, store: FeatureStore) -> None:
        self._store = store
        catalog = store.catalog
        years = np.array([e.year if e.year is not None else np.nan for e in catalog.entities])
        self._year = years.astype(np.float32)
        genres = catalog.genre_matrix  # (E, G)
        length = np.maximum(1.0, np.sqrt(genres.sum(axis=1, keepdims=True)))
        self._genres = (genres / length).astype(np.float32)

    def of(self, candidates: Ints, signals: Floats, history: History, at: float) -> Floats:
        """(c, F) in the order of `FEATURES`."""
        store, year = self._store, self._year
        own = signals[:, candidates]  # (S, c)
        events = own[SIGNAL["trend_3650d"]]
        pop = np.log1p(events)
        parts: list[Floats] = [own, _ranks(own[[SIGNAL[name] for name in _RANKED]])]
        released = store.catalog.released_at[candidates]
        seen = store.first_seen[candidates]
        last_seen = store.last_seen[candidates]
        parts.append(
            np.stack(
                [
                    year[candidates],
                    np.where(seen < at, at - seen, np.nan) / SECONDS_A_DAY,
                    (at - released) / SECONDS_A_DAY,
                    np.where(np.isfinite(last_seen), at - last_seen, np.nan) / 3600.0,
                    store.opinions[candidates] / (events + 5.0),
                ]
            ).astype(np.float32)
        )
        had = history.entity
        sitting = sitting_of(history, at)
        now, now_ts = had[sitting], history.ts[sitting]
        count = len(candidates)
        popularity = np.log1p(signals[SIGNAL["trend_3650d"], had[-40:]])  # of the latest titles
        now_popularity = popularity[len(popularity) - min(len(popularity), len(now)) :]
        member = np.array(
            [
                len(had),
                (at - history.ts[-1]) / 3600.0 if len(had) else np.nan,
                len(now),
                (at - now_ts[0]) / 3600.0 if len(now) else np.nan,
                (at - now_ts[0]) / len(now) if len(now) else np.nan,
                _mean(np.log1p(signals[SIGNAL["trend_1.5d"], now])),
                _mean(now_popularity),
                _mean(year[now]),
                float(np.nanstd(year[now])) if len(now) > 1 else np.nan,
                _mean(popularity),
                _mean(OPINIONS[history.action[-40:]]),
            ],
            np.float32,
        )
        parts.append(np.broadcast_to(member[:, None], (len(member), count)))
        last = had[-1:] if len(now) else had[:0]
        mine = self._genres[candidates]
        parts.append(
            np.stack(
                [
                    year[candidates] - _mean(year[last]),
                    year[candidates] - _mean(year[now]),
                    pop - _mean(now_popularity),
                    pop - _mean(popularity[-len(last) :] if len(last) else popularity[:0]),
                    self._affinity(mine, now[-20:]),
                    self._affinity(mine, had[-60:]),
                    self._affinity(mine, last),
                    own[SIGNAL["near"]] / np.sqrt(events + 5.0),
                    own[SIGNAL["shared"]] / np.sqrt(events + 5.0),
                    own[SIGNAL["trend_0.2d"]] / (own[SIGNAL["trend_6d"]] + 1.0),
                ]
            ).astype(np.float32)
        )
        return np.concatenate(parts).T

    def _affinity(self, mine: Floats, titles: Ints) -> Floats:
        """(c,) the mean cosine of genres with some titles."""
        if not len(titles):
            return np.zeros(len(mine), np.float32)
        affinity: Floats = mine @ self._genres[titles].mean(axis=0)
        return affinity


def _ranks(values: Floats) -> Floats:
    """Each line's ranks from 0, the highest first."""
    order = np.argsort(-values, axis=1, kind="stable")
    ranks = np.empty_like(values)
    np.put_along_axis(
        ranks, order, np.broadcast_to(np.arange(values.shape[1], dtype=np.float32), values.shape), 1
    )
    return ranks


def _mean(values: Floats) -> float:
    return float(np.nanmean(values)) if len(values) and not np.isnan(values).all() else np.nan
