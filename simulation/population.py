"""The members of the synthetic service: households, profiles, tastes, habits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genpage.profile import PROFILE_TYPES, ProfileType
from simulation.library import GENRES
from simulation.settings import Settings
from simulation.truth import Floats, Ints
from simulation.words import COUNTRIES, GIVEN_NAMES, LANGUAGES

# Dimensions of a taste: one a genre, then styles that no field of the catalog names.
STYLES = 8
DIMENSIONS = len(GENRES) + STYLES

_HOUSEHOLD_SIZES = (0.35, 0.3, 0.2, 0.15)
# Profile types of a household's second and further members: adult, teen, kid.
_OTHERS = (0.5, 0.2, 0.3)
_AGES: dict[ProfileType, tuple[int, ...]] = {"adult": (18,), "teen": (12, 16), "kid": (0, 7, 7)}
_SPEAKS_MAIN_LANGUAGE = 0.9
# What profile types and times of day lean to; the unit is one standard deviation of taste.
_LEANINGS: dict[ProfileType, dict[str, float]] = {
    "adult": {"Drama": 0.2, "Crime": 0.2, "Documentary": 0.1},
    "teen": {"Action": 0.5, "Sci-Fi": 0.4, "Comedy": 0.4, "Horror": 0.3, "History": -0.4},
    "kid": {"Family": 1.0, "Animation": 1.2, "Adventure": 0.3, "Documentary": -0.3},
}
_DAYPARTS: tuple[dict[str, float], ...] = (
    {"Documentary": 0.6, "Family": 0.5, "Animation": 0.5, "Music": 0.3, "Horror": -1.0},
    {"Sport": 0.6, "Comedy": 0.4, "Adventure": 0.3, "Horror": -0.5},
    {"Drama": 0.5, "Action": 0.4, "Romance": 0.3, "Thriller": 0.3},
    {"Horror": 1.0, "Thriller": 0.6, "Sci-Fi": 0.4, "Mystery": 0.4, "Family": -0.6},
)
_WEEKEND = {"Sport": 0.5, "Family": 0.4, "Action": 0.3, "Documentary": -0.3}
# Relative use by local hour, from midnight.
_HOURS: dict[ProfileType, tuple[float, ...]] = {
    "adult": (3, 1, 1, 0, 0, 1, 2, 3, 3, 2, 2, 3, 4, 3, 3, 3, 4, 6, 8, 10, 12, 12, 9, 6),
    "teen": (4, 2, 1, 0, 0, 0, 1, 3, 2, 1, 1, 2, 3, 3, 4, 7, 9, 9, 9, 10, 11, 11, 9, 7),
    "kid": (0, 0, 0, 0, 0, 1, 5, 8, 8, 7, 6, 5, 4, 4, 5, 8, 10, 12, 10, 6, 2, 0, 0, 0),
}
_DEVICE_HABITS: dict[ProfileType, tuple[float, ...]] = {
    "adult": (6.0, 2.5, 1.0, 2.0),
    "teen": (2.0, 6.0, 1.0, 2.5),
    "kid": (4.0, 1.0, 5.0, 0.5),
}


@dataclass(frozen=True)
class Population:
    """Shape legend: M members, D taste dimensions, Y days, S strands."""

    ids: tuple[str, ...]
    household: Ints  # (M,)
    profile_type: Ints  # (M,) positions in `PROFILE_TYPES`
    maturity: Ints  # (M,)
    country: tuple[str, ...]  # (M,)
    language: Ints  # (M,) positions in `LANGUAGES`
    created_at: NDArray[np.float64]  # (M,)
    taste_first: Floats  # (M, D)
    taste_last: Floats  # (M, D)
    craving: Ints  # (Y, M) strand, -1 for none
    patience: Floats  # (M,)
    eagerness: Floats  # (M,)
    sessions_a_day: Floats  # (M,)
    device_habits: Floats  # (M, 4) shares, in the order of `DEVICES`
    hour_habits: Floats  # (M, 24) shares of local hours

    @property
    def hours_ahead(self) -> Floats:
        """(M,) local time less UTC, hours."""
        return np.array([COUNTRIES[country][2] for country in self.country], np.float32)


def build_population(settings: Settings, strands: int, random: np.random.Generator) -> Population:
    """Draw the members; ``strands`` is how many there are to crave."""
    count = settings.members
    sizes = random.choice(4, size=count, p=_HOUSEHOLD_SIZES) + 1
    household = np.repeat(np.arange(count), sizes)[:count].astype(np.int32)
    head = np.r_[True, household[1:] != household[:-1]]
    types = np.where(head, 0, random.choice(3, size=count, p=_OTHERS)).astype(np.int32)
    names: list[ProfileType] = [PROFILE_TYPES[t] for t in types]
    maturity = np.array([random.choice(_AGES[name]) for name in names], np.int32)
    shares = np.array([share for share, _, _ in COUNTRIES.values()])
    places = random.choice(len(COUNTRIES), size=count, p=shares)[household]
    country = tuple(list(COUNTRIES)[place] for place in places)
    language = _languages(country, household, random)
    first = _tastes(names, household, random)
    # A taste turns by an angle between 10 and 50 degrees over the simulated days.
    angle = random.uniform(0.17, 0.87, size=(count, 1))
    last = np.cos(angle) * first + np.sin(angle) * _tastes(names, household, random)
    devices = np.array([_DEVICE_HABITS[name] for name in names])
    hours = np.array([_HOURS[name] for name in names], np.float64) + 0.05
    return Population(
        ids=_ids(language, random),
        household=household,
        profile_type=types,
        maturity=maturity,
        country=country,
        language=language,
        created_at=np.floor(settings.start - 86_400.0 * random.uniform(1, 1500, size=count)),
        taste_first=first,
        taste_last=last.astype(np.float32),
        craving=_cravings(settings, strands, random),
        patience=random.normal(1.8, 0.5, size=count).astype(np.float32),
        eagerness=random.normal(0.0, 0.35, size=count).astype(np.float32),
        sessions_a_day=np.clip(random.gamma(1.6, 0.25, size=count), 0.03, 2.0).astype(np.float32),
        device_habits=_normalised(random.gamma(devices)),
        hour_habits=_normalised(hours * random.gamma(2.0, size=(count, 24))),
    )


def daypart_tastes() -> Floats:
    """(4, D) how the time of day moves every taste: morning, afternoon, evening, night."""
    return np.stack([_leaning(part) for part in _DAYPARTS])


def weekend_taste() -> Floats:
    """(D,) how the weekend moves every taste."""
    return _leaning(_WEEKEND)


def _languages(country: tuple[str, ...], household: Ints, random: np.random.Generator) -> Ints:
    """The country's main language for most households; another for the rest."""
    main = np.array([LANGUAGES.index(COUNTRIES[name][1]) for name in country])
    other = random.integers(len(LANGUAGES), size=len(country))[household]
    speaks = (random.random(len(country)) < _SPEAKS_MAIN_LANGUAGE)[household]
    return np.where(speaks, main, other).astype(np.int32)


def _tastes(names: list[ProfileType], household: Ints, random: np.random.Generator) -> Floats:
    """(M, D): a share of the household's, a share of one's own, heavy-tailed; then the leaning."""
    shape = (len(names), DIMENSIONS)
    own = random.standard_t(4, size=shape) / np.sqrt(2.0)
    shared = random.normal(size=shape)[household]
    leaning = np.stack([_leaning(_LEANINGS[name]) for name in names])
    return np.asarray(0.85 * own + 0.5 * shared + leaning, np.float32)


def _leaning(genres: dict[str, float]) -> Floats:
    taste = np.zeros(DIMENSIONS, np.float32)
    for genre, weight in genres.items():
        taste[GENRES.index(genre)] = weight
    return taste


def _cravings(settings: Settings, strands: int, random: np.random.Generator) -> Ints:
    """(Y, M): a craving begins on one day in three and lasts for two days on average."""
    craving = np.full((settings.days, settings.members), -1, np.int32)
    for day in range(settings.days):
        fades = random.random(settings.members) < 0.5  # noqa: PLR2004 - two days on average
        begins = random.random(settings.members) < 1 / 3
        fresh = random.integers(strands, size=settings.members)
        before = craving[day - 1] if day else np.full(settings.members, -1, np.int32)
        stays = np.where(fades, -1, before)
        craving[day] = np.where((stays < 0) & begins, fresh, stays)
    return craving


def _ids(language: Ints, random: np.random.Generator) -> tuple[str, ...]:
    """Ids that a person can tell apart: a given name and a number."""
    names = [GIVEN_NAMES[LANGUAGES[code]] for code in language]
    picks = random.random(len(names))
    return tuple(
        f"{pool[int(pick * len(pool))].lower()}-{number:04d}"
        for number, (pool, pick) in enumerate(zip(names, picks, strict=True), 1)
    )


def _normalised(values: NDArray[np.float64]) -> Floats:
    return np.asarray(values / values.sum(axis=1, keepdims=True), np.float32)
