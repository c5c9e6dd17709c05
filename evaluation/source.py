"""What evaluation reads of a data folder: the events as columns, the catalog, the profiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataset.day import day_of, day_start, is_day
from dataset.folder import DataFolder, profile_of
from evaluation.log import EventLog
from genpage.catalog import SECONDS_A_DAY, Catalog
from genpage.errors import DatasetError, UsageError
from genpage.event import Action
from genpage.profile import Profile

FOUR_WEEKS_S = 28 * SECONDS_A_DAY


@dataclass(frozen=True, slots=True)
class Period:
    """The days ``[first, last)``: ``last`` is the day after the last one."""

    first: str
    last: str

    @property
    def start(self) -> float:
        """Unix seconds."""
        return day_start(self.first)

    @property
    def end(self) -> float:
        """Unix seconds, exclusive."""
        return day_start(self.last)

    @classmethod
    def of(cls, folder: DataFolder, first: str | None, last: str | None) -> "Period":
        """The days asked for; by default the last four weeks of the folder's data."""
        for flag, day in (("--from", first), ("--to", last)):
            if day is not None and not is_day(day):
                raise UsageError(f"{flag} {day!r} is no day; write it as 2026-01-31")
        days = folder.days()
        if not days:
            raise DatasetError(f"{folder.path} has no day of events")
        last = last or day_of(day_start(days[-1]) + SECONDS_A_DAY)
        first = first or day_of(day_start(last) - FOUR_WEEKS_S)
        if day_start(first) >= day_start(last):
            raise UsageError(f"--from {first} must be a day before --to {last}")
        return cls(first, last)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Events up to a day, in order of time; ``actions`` and ``durations`` run beside the log."""

    log: EventLog
    actions: Sequence[Action]
    durations: Sequence[float | None]
    catalog: Catalog
    profiles: Mapping[str, Profile]

    @classmethod
    def read(cls, folder: DataFolder, until: str) -> "Source":
        """Everything before the day ``until``."""
        columns = ("user_id", "entity_id", "action", "ts", "duration_s")
        last = day_of(day_start(until) - SECONDS_A_DAY)
        events = folder.events(last=last, columns=columns)
        profiles = map(profile_of, folder.profiles().iter_rows(named=True))
        return cls(
            EventLog.of(
                events["user_id"].to_list(), events["entity_id"].to_list(), events["ts"].to_numpy()
            ),
            events["action"].to_list(),
            events["duration_s"].to_list(),
            folder.catalog(),
            {profile.user_id: profile for profile in profiles},
        )
