"""The synthetic catalog, and what is hidden behind each title."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from genpage.catalog import SECONDS_A_DAY, Catalog
from genpage.entity import Entity, EntityKind
from simulation.motifs import MOTIFS
from simulation.rows import service_rows
from simulation.settings import Settings
from simulation.titles import Composer, Strand
from simulation.words import COUNTRIES, DUBBED, LANGUAGES, PLACES

GENRES = tuple(sorted({genre for motif in MOTIFS for genre in motif.genres}))
# What a title may have beside its motif's genres, if it is for all ages.
_GENTLE = tuple(genre for genre in GENRES if genre not in {"Crime", "Horror", "Thriller", "War"})
_LIVELY = frozenset({"Sport", "Music", "Documentary"})
_SHARES: dict[EntityKind, float] = {"show": 0.40, "game": 0.07, "live": 0.06}
_TITLES_A_STRAND = 6
# Always on the air; the live row needs twenty that anybody may see.
_CHANNELS = 26
_NEW_SHARE, _RECENT_SHARE = 0.14, 0.08
_LIMITED_COUNTRIES, _ENDING_LICENCES = 0.07, 0.05
_OLDEST_RELEASE_DAYS, _OLDEST_YEAR = 2400, 1950
# Of what a service buys, so many titles are older than their release on it, by so many years.
_OLD_SHARE, _OLD_YEARS = 0.5, 10.0


@dataclass(frozen=True)
class Library:
    """A catalog and the strand behind each of its entities: ``strand`` is (E,)."""

    catalog: Catalog
    strands: tuple[Strand, ...]
    strand: NDArray[np.int32]


def build_library(settings: Settings, random: np.random.Generator) -> Library:
    """Compose the whole catalog."""
    composer = Composer(random)
    strands = _strands(settings.entities, composer, random)
    lively = [i for i, s in enumerate(strands) if _LIVELY & set(s.motif.genres) and _gentle(s)]
    kinds = _kinds(settings.entities, random)
    # Strands differ in size; a live title needs one that happens live.
    weights = random.gamma(3.0, size=len(strands))
    owners = random.choice(len(strands), size=len(kinds), p=weights / weights.sum())
    new = _release_days(kinds, settings, random)
    channels_left = _CHANNELS
    entities = []
    for index, kind in enumerate(kinds):
        if kind == "live":
            owners[index] = lively[int(random.integers(len(lively)))]
        strand = strands[owners[index]]
        is_channel = kind == "live" and channels_left > 0
        channels_left -= is_channel
        maker = _Maker(settings, composer, random, strand, kind)
        if is_channel:
            entities.append(maker.channel(index))
        elif kind == "live":
            entities.append(maker.event(index))
        else:
            entities.append(maker.title(index, new.get(index)))
    catalog = Catalog.build(entities, service_rows())
    return Library(catalog, strands, owners.astype(np.int32))


def _gentle(strand: Strand) -> bool:
    return set(strand.motif.genres) <= set(_GENTLE) and max(strand.motif.ages) == 0


def _strands(entities: int, composer: Composer, random: np.random.Generator) -> tuple[Strand, ...]:
    count = max(len(MOTIFS), entities // _TITLES_A_STRAND)
    # Every motif once, then evenly on; a place never twice for the same motif.
    places = {motif.name: [str(p) for p in random.permutation(PLACES)] for motif in MOTIFS}
    chosen = [MOTIFS[i % len(MOTIFS)] for i in range(min(count, len(MOTIFS) * len(PLACES)))]
    return tuple(composer.strand(motif, places[motif.name].pop()) for motif in chosen)


def _kinds(entities: int, random: np.random.Generator) -> list[EntityKind]:
    kinds: list[EntityKind] = []
    for kind, share in _SHARES.items():
        kinds += [kind] * round(share * entities)
    kinds += ["film"] * (entities - len(kinds))
    return [kinds[i] for i in random.permutation(len(kinds))]


def _release_days(
    kinds: list[EntityKind], settings: Settings, random: np.random.Generator
) -> dict[int, int]:
    """Which titles are released during the simulated days: entity -> day, some every day."""
    titles = [index for index, kind in enumerate(kinds) if kind != "live"]
    count = max(round(_NEW_SHARE * settings.entities), min(settings.days, len(titles) // 4))
    chosen = random.permutation(titles)[:count]
    return {int(entity): place % settings.days for place, entity in enumerate(chosen)}


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes the entities of one strand and kind."""

    settings: Settings
    composer: Composer
    random: np.random.Generator
    strand: Strand
    kind: EntityKind

    def title(self, index: int, release_day: int | None) -> Entity:
        """A film, show or game; ``release_day`` is the simulated day it is released on, if any."""
        released_at = self._released(release_day)
        until = None
        if self.random.random() < _ENDING_LICENCES:
            days = int(self.random.integers(self.settings.days // 2, self.settings.days + 60))
            until = max(self.settings.midnight(days), released_at + 7 * SECONDS_A_DAY)
        return self._entity(
            index,
            released_at=released_at,
            year=self._year(released_at, is_new=release_day is not None),
            available_from=released_at if until is not None else None,
            available_until=until,
            duration_s=self._duration(),
        )

    def channel(self, index: int) -> Entity:
        """A live channel that never ends, for all ages and everywhere."""
        since = self.settings.start - SECONDS_A_DAY * int(self.random.integers(60, 900))
        return self._entity(
            index, released_at=since, year=_year_of(since), live_from=since, is_channel=True
        )

    def event(self, index: int) -> Entity:
        """A live event of a few hours, during the simulated days or the two weeks after."""
        day = int(self.random.integers(0, self.settings.days + 14))
        announced = self.settings.midnight(day)
        start = announced + 900.0 * int(self.random.integers(8, 84))
        length = 1800.0 * int(self.random.integers(3, 12))
        return self._entity(
            index,
            released_at=announced,
            year=_year_of(start),
            live_from=start,
            live_until=start + length,
            duration_s=length,
        )

    def _entity(
        self,
        index: int,
        *,
        released_at: float,
        year: int,
        is_channel: bool = False,
        available_from: float | None = None,
        available_until: float | None = None,
        duration_s: float | None = None,
        live_from: float | None = None,
        live_until: float | None = None,
    ) -> Entity:
        motif = self.strand.motif
        maturity = 0 if is_channel else motif.ages[int(self.random.integers(len(motif.ages)))]
        return Entity(
            id=f"{self.kind}-{index:05d}",
            kind=self.kind,
            title=self.composer.title(self.strand, self.kind, channel=is_channel),
            synopsis=self.composer.synopsis(self.strand, self.kind, maturity),
            genres=self._genres(),
            cast=() if self.kind in {"game", "live"} else self.composer.cast(self.strand),
            year=year,
            languages=self._languages(),
            countries=() if is_channel else self._countries(),
            maturity=maturity,
            released_at=released_at,
            available_from=available_from,
            available_until=available_until,
            duration_s=duration_s,
            live_from=live_from,
            live_until=live_until,
        )

    def _released(self, release_day: int | None) -> float:
        if release_day is not None:
            return self.settings.midnight(release_day)
        if self.random.random() < _RECENT_SHARE:
            ago = int(self.random.integers(1, 45))
        else:
            ago = int(self.random.integers(45, _OLDEST_RELEASE_DAYS))
        return self.settings.start - ago * SECONDS_A_DAY

    def _year(self, released_at: float, *, is_new: bool) -> int:
        """A service buys old titles too, but what it releases as new is new."""
        is_old = not is_new and self.random.random() < _OLD_SHARE
        lag = int(self.random.exponential(_OLD_YEARS)) if is_old else 0
        return max(_OLDEST_YEAR, _year_of(released_at) - lag)

    def _duration(self) -> float | None:
        """A film's length, or that of a show's episode; a game has none."""
        if self.kind == "game":
            return None
        first, last = (78, 152) if self.kind == "film" else (22, 61)
        return 60.0 * int(self.random.integers(first, last))

    def _genres(self) -> tuple[str, ...]:
        genres = [str(genre) for genre in self.random.permutation(self.strand.motif.genres)]
        for _ in range(int(self.random.integers(0, 3))):
            extra = _GENTLE[int(self.random.integers(len(_GENTLE)))]
            if extra not in genres:
                genres.append(extra)
        return tuple(genres)

    def _languages(self) -> tuple[str, ...]:
        own = self.strand.language
        dubbed = [c for c in LANGUAGES if c != own and self.random.random() < DUBBED[c]]
        return (own, *dubbed)

    def _countries(self) -> tuple[str, ...]:
        if self.random.random() >= _LIMITED_COUNTRIES:
            return ()
        count = int(self.random.integers(3, 7))
        return tuple(sorted(str(c) for c in self.random.permutation(list(COUNTRIES))[:count]))


def _year_of(ts: float) -> int:
    return datetime.fromtimestamp(ts, UTC).year
