"""Buckets by hand, at their edges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genpage.profile import Profile
from tokenizer import buckets
from tokenizer.prompt import first_of
from tokenizer.symbols import SYMBOLS

MIDNIGHT = 1_375_315_200.0  # 2013-08-01, a Thursday
HOUR, DAY = 3600.0, 86_400.0


@pytest.mark.parametrize(
    ("offset", "name"),
    [
        (-1.0, "3h"),
        (-3 * HOUR + 1, "3h"),
        (-3 * HOUR, "6h"),
        (-DAY + 1, "1d"),
        (-DAY, "2d"),
        (-6.5 * DAY, "7d"),
        (-7 * DAY, "10d"),
        (-729 * DAY, "730d"),
        (-800 * DAY, "older"),
        (0.0, "today-00"),
        (3 * HOUR - 1, "today-00"),
        (3 * HOUR, "today-03"),
        (DAY - 1, "today-21"),
        (DAY + 1, "today-21"),
    ],
)
def test_age_against_the_anchor(offset: float, name: str) -> None:
    """An event is told by its age before midnight, or by its hours on the day."""
    age = buckets.age_bucket(MIDNIGHT + offset, MIDNIGHT)
    block = len(buckets.GAP_EDGES) * buckets.AGES
    assert SYMBOLS[first_of("time:") + block + age].name == f"time:{name}"


@pytest.mark.parametrize(
    ("seconds", "name"),
    [(None, "none"), (0.0, "1m"), (59.9, "1m"), (60.0, "5m"), (10_799.0, "180m"), (1e6, "longer")],
)
def test_durations(seconds: float | None, name: str) -> None:
    """A duration is told by the first edge above it."""
    token = first_of("duration:") + buckets.duration_bucket(seconds)
    assert SYMBOLS[token].name == f"duration:{name}"


@pytest.mark.parametrize(
    ("seconds", "name"),
    [(None, "never"), (0.0, "5m"), (300.0, "30m"), (11 * HOUR, "12h"), (12 * HOUR, "1d"),
     (85 * DAY, "longer")],
)  # fmt: skip
def test_time_since_the_last_event(seconds: float | None, name: str) -> None:
    """The request says how long ago the member was last seen."""
    assert SYMBOLS[first_of("since:") + buckets.since_bucket(seconds)].name == f"since:{name}"


def test_clock() -> None:
    """Hours and weekdays are UTC, from Monday."""
    assert buckets.anchor_of(MIDNIGHT + 5 * HOUR) == MIDNIGHT
    assert buckets.hour_of(MIDNIGHT + 5.9 * HOUR) == 5
    days = [buckets.WEEKDAYS[buckets.weekday_of(MIDNIGHT + n * DAY)] for n in range(5)]
    assert days == ["Thursday", "Friday", "Saturday", "Sunday", "Monday"]


def test_profiles() -> None:
    """Languages lose their region, countries their case; what is rare is 'other'."""
    assert buckets.language_name(Profile("u", "pt_BR")) == "pt"
    assert buckets.language_name(Profile("u", "tlh")) == "other"
    assert buckets.language_name(Profile("u")) == buckets.language_name(None) == "unknown"
    assert buckets.country_name(Profile("u", country="de")) == "DE"
    assert buckets.country_name(Profile("u", country="XX")) == "other"
    assert buckets.country_name(Profile("u")) == "unknown"
    names = [name for name, _ in buckets.MATURITY_NAMES]
    ages = (0, 7, 12, 13, 17, 18)
    assert [names[buckets.maturity_bucket(Profile("u", maturity=age))] for age in ages] == [
        *("under-7", "under-10", "under-13", "under-16", "under-18", "18"),
    ]


@given(st.floats(-1e10, 1e10))
def test_every_time_has_a_bucket(ts: float) -> None:
    """No time, however far off, falls out of the block."""
    assert 0 <= buckets.age_bucket(ts, MIDNIGHT) < buckets.AGES
