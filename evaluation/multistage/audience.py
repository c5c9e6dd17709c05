"""Who asks and how: the request's side of the features, and what its like engages with.

Shape legend: E entities by catalog index, N events, L languages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation.multistage.columns import Columns
from genpage.catalog import SECONDS_A_DAY, Catalog
from genpage.profile import PROFILE_TYPES, Profile
from genpage.request import DEVICES, PageRequest
from genpage.trends import TrendCounter

Floats = NDArray[np.float32]
_HALF_LIFE_S: Final = 10 * SECONDS_A_DAY
REQUEST: Final = ("device", "profile_type", "maturity_limit", "hour", "weekday")


def request_features(profile: Profile | None, request: PageRequest) -> Floats:
    """In the order of `REQUEST`."""
    moment = datetime.fromtimestamp(request.at, UTC)
    values = (
        DEVICES.index(request.device),
        np.nan if profile is None else PROFILE_TYPES.index(profile.profile_type),
        np.nan if profile is None else profile.maturity,
        moment.hour + moment.minute / 60,
        moment.weekday(),
    )
    return np.array(values, np.float32)


class Segments:
    """What members of a profile type, and of a language, engage with lately.

    Mutated by `advance`; one owner.
    """

    def __init__(
        self, catalog: Catalog, columns: Columns, profiles: Sequence[Profile | None]
    ) -> None:
        """``profiles`` by the user numbers of ``columns``."""
        self._columns, self._counted = columns, 0
        types = {name: place for place, name in enumerate(PROFILE_TYPES)}
        languages = sorted({p.language for p in profiles if p is not None and p.language})
        self._languages: Mapping[str, int] = {
            name: place + len(types) for place, name in enumerate(languages)
        }
        self._segments_of = [_segments(profile, self._languages) for profile in profiles]
        count = len(types) + len(languages)
        self._counters = [TrendCounter(catalog, half_life_s=_HALF_LIFE_S) for _ in range(count)]
        self._shares = np.zeros((count, len(catalog.entities)), np.float32)

    def advance(self, at: float) -> None:
        """Take in what happened before ``at``."""
        end = int(np.searchsorted(self._columns.ts, at, side="left"))
        if end <= self._counted:
            return
        fresh = range(self._counted, end)
        touched: dict[int, list[int]] = {}
        for event in fresh:
            for segment in self._segments_of[int(self._columns.user[event])]:
                touched.setdefault(segment, []).append(event)
        for segment, events in touched.items():
            counter = self._counters[segment]
            counter.add_all(self._columns.entity[events].astype(np.int32), self._columns.ts[events])
            counts = counter.snapshot().scores
            self._shares[segment] = 1000.0 * counts / max(1.0, float(counts.sum()))
        self._counted = end

    def shares(self, profile: Profile | None) -> Floats:
        """(2, E) per mille of its profile type's, and of its language's, engagements."""
        found = np.zeros((2, self._shares.shape[1]), np.float32)
        segments = _segments(profile, self._languages)
        if segments:
            found[0] = self._shares[segments[0]]
        if len(segments) > 1:
            found[1] = self._shares[segments[1]]
        return found


def _segments(profile: Profile | None, languages: Mapping[str, int]) -> tuple[int, ...]:
    if profile is None:
        return ()
    first = PROFILE_TYPES.index(profile.profile_type)
    second = languages.get(profile.language or "")
    return (first,) if second is None else (first, second)


@dataclass(frozen=True, slots=True)
class Rates:
    """What impressions brought before a moment: (E,) a title's, and (R,) a row's mean reward."""

    entity: Floats
    row: Floats

    @classmethod
    def none(cls, catalog: Catalog) -> "Rates":
        """Nothing was shown yet."""
        return cls(
            np.zeros(len(catalog.entities), np.float32), np.zeros(len(catalog.rows), np.float32)
        )
