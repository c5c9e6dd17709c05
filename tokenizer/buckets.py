"""Continuous values as buckets: when, for how long, for whom, how long ago.

Edges are ascending; a value belongs to the first bucket whose edge lies above it
(``bisect_right``), so that NumPy's ``searchsorted(side="right")`` agrees to the bit.
"""

import math
from bisect import bisect_right

from genpage.profile import Profile

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

# --- when an event happened, against the anchor: the request's UTC midnight -----------------------
# Before the anchor by age; on the anchor's own day by the hour. A day's events thereby keep their
# tokens all day long, whatever the request's time.
AGE_EDGES: tuple[float, ...] = tuple(
    [3 * HOUR, 6 * HOUR, 12 * HOUR]
    + [days * DAY for days in (1, 2, 3, 4, 5, 6, 7, 10, 14, 21, 28, 42, 56, 84, 112, 168, 365, 730)]
)
HOURS_A_SLOT = 3
SLOTS_A_DAY = 24 // HOURS_A_SLOT
_AGE_TEXTS = (
    "in the 3 hours before midnight",
    "in the 6 hours before midnight",
    "in the 12 hours before midnight",
    "the day before",
    *(f"{int(edge // DAY)} days before or less" for edge in AGE_EDGES[4:]),
    "more than 2 years before",
)
AGES = len(AGE_EDGES) + 1 + SLOTS_A_DAY
# How soon it followed the member's previous event: within an hour, within a sitting (12 hours), or
# later. Titles had in one sitting belong together more than titles had days apart.
GAP_EDGES: tuple[float, ...] = (HOUR, 12 * HOUR)
_GAPS = (
    (",1h", ", within the hour"),
    (",12h", ", in the same sitting"),
    ("", ""),
)


def _age_names() -> list[tuple[str, str]]:
    hours = [f"{int(edge // HOUR)}h" for edge in AGE_EDGES[:3]]
    days = [f"{int(edge // DAY)}d" for edge in AGE_EDGES[3:]]
    before = list(zip([*hours, *days, "older"], _AGE_TEXTS, strict=True))
    slots = range(0, 24, HOURS_A_SLOT)
    today = [
        (f"today-{hour:02d}", f"the same day, {hour}-{hour + HOURS_A_SLOT} h") for hour in slots
    ]
    return before + today


# The token of (gap, age) is the block's first id + gap * AGES + age.
TIME_NAMES: tuple[tuple[str, str], ...] = tuple(
    (name + suffix, text + extra) for suffix, extra in _GAPS for name, text in _age_names()
)


def anchor_of(at: float) -> float:
    """UTC midnight of the day of ``at`` (Unix seconds)."""
    return math.floor(at / DAY) * DAY


def age_bucket(ts: float, anchor: float) -> int:
    """0..AGES-1: by age before the anchor, by time slot on its day (and after it)."""
    if ts < anchor:
        return bisect_right(AGE_EDGES, anchor - ts)
    slot = min(int((ts - anchor) // (HOURS_A_SLOT * HOUR)), SLOTS_A_DAY - 1)
    return len(AGE_EDGES) + 1 + slot


# --- for how long (seconds) -----------------------------------------------------------------------
DURATION_EDGES: tuple[float, ...] = tuple(
    minutes * MINUTE for minutes in (1, 5, 10, 20, 30, 45, 60, 90, 120, 180)
)
DURATION_NAMES: tuple[tuple[str, str], ...] = (
    ("none", "no duration"),
    *((f"{int(edge // MINUTE)}m", f"under {int(edge // MINUTE)} min") for edge in DURATION_EDGES),
    ("longer", "3 hours or more"),
)


def duration_bucket(duration_s: float | None) -> int:
    """0 for no duration, then by length."""
    return 0 if duration_s is None else 1 + bisect_right(DURATION_EDGES, duration_s)


# --- how long since the member's last event, at the time of the request (seconds) -----------------
SINCE_EDGES: tuple[float, ...] = (
    5 * MINUTE,
    30 * MINUTE,
    HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    3 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
    84 * DAY,
)


def _since_names(
    short: str, unit: str, length: float, edges: tuple[float, ...]
) -> list[tuple[str, str]]:
    counts = [int(edge // length) for edge in edges]
    return [(f"{count}{short}", f"last seen within {count} {unit}") for count in counts]


SINCE_NAMES: tuple[tuple[str, str], ...] = (
    ("never", "nothing seen yet"),
    *_since_names("m", "min", MINUTE, SINCE_EDGES[:2]),
    *_since_names("h", "h", HOUR, SINCE_EDGES[2:6]),
    *_since_names("d", "d", DAY, SINCE_EDGES[6:]),
    ("longer", "last seen 12 weeks ago or more"),
)


def since_bucket(since_s: float | None) -> int:
    """0 for a member without events, then by the seconds since the last one."""
    return 0 if since_s is None else 1 + bisect_right(SINCE_EDGES, since_s)


# --- whom -----------------------------------------------------------------------------------------
# Ages at which services rate titles.
MATURITY_EDGES: tuple[int, ...] = (7, 10, 13, 16, 18)
MATURITY_NAMES: tuple[tuple[str, str], ...] = (
    ("unknown", "maturity unknown"),
    *((f"under-{edge}", f"rated under {edge}") for edge in MATURITY_EDGES),
    ("18", "rated 18 and over"),
)
LANGUAGES: tuple[str, ...] = (
    "unknown", "other",
    "ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he", "hi",
    "hr", "hu", "id", "is", "it", "ja", "ko", "lt", "lv", "ms", "nl", "no", "pl", "pt", "ro", "ru",
    "sk", "sl", "sr", "sv", "ta", "te", "th", "tr", "uk", "ur", "vi", "zh",
)  # fmt: skip
COUNTRIES: tuple[str, ...] = (
    "unknown", "other",
    "AE", "AR", "AT", "AU", "BD", "BE", "BG", "BR", "CA", "CH", "CL", "CN", "CO", "CZ", "DE", "DK",
    "EG", "ES", "FI", "FR", "GB", "GR", "HK", "HR", "HU", "ID", "IE", "IL", "IN", "IT", "JP", "KE",
    "KR", "MA", "MX", "MY", "NG", "NL", "NO", "NZ", "PE", "PH", "PK", "PL", "PT", "RO", "RS", "RU",
    "SA", "SE", "SG", "SK", "TH", "TR", "TW", "UA", "US", "VN", "ZA",
)  # fmt: skip
WEEKDAYS: tuple[str, ...] = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip
# 1970-01-01 was a Thursday.
_EPOCH_WEEKDAY = 3


def language_name(profile: Profile | None) -> str:
    """The bucket of a profile's language; regions are dropped (``pt-BR`` is ``pt``)."""
    if profile is None or not profile.language:
        return "unknown"
    language = profile.language.replace("_", "-").split("-")[0].lower()
    return language if language in LANGUAGES[2:] else "other"


def country_name(profile: Profile | None) -> str:
    """The bucket of a profile's country."""
    if profile is None or not profile.country:
        return "unknown"
    country = profile.country.upper()
    return country if country in COUNTRIES[2:] else "other"


def maturity_bucket(profile: Profile | None) -> int:
    """0 where unknown, then by the highest minimum age the profile admits."""
    return 0 if profile is None else 1 + bisect_right(MATURITY_EDGES, profile.maturity)


def hour_of(at: float) -> int:
    """The hour of the day, UTC."""
    return int(at // HOUR) % 24


def weekday_of(at: float) -> int:
    """The day of the week, UTC; 0 is Monday."""
    return (int(at // DAY) + _EPOCH_WEEKDAY) % 7
