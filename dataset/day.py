"""A UTC day: the name of a day file."""

import re
from datetime import UTC, date, datetime, timedelta

from genpage.catalog import SECONDS_A_DAY
from genpage.errors import InputError

_NAME = re.compile(r"\d{4}-\d{2}-\d{2}")


def is_day(name: str) -> bool:
    """Whether ``name`` is a calendar day, as ``2026-01-31``."""
    if not _NAME.fullmatch(name):
        return False
    try:
        date.fromisoformat(name)
    except ValueError:
        return False
    return True


def day_start(day: str) -> float:
    """The Unix time of the day's UTC midnight; a malformed day is an `InputError`."""
    if not is_day(day):
        raise InputError(f"{day!r} is no day; write it as 2026-01-31")
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


def day_of(ts: float) -> str:
    """The UTC day that ``ts`` (Unix seconds) falls on; `InputError` before year 1, after 9999."""
    try:
        return (date(1970, 1, 1) + timedelta(days=ts // SECONDS_A_DAY)).isoformat()
    except (OverflowError, ValueError) as error:
        raise InputError(f"{ts!r} is on no calendar day; times are Unix seconds") from error
