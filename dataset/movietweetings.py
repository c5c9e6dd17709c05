"""MovieTweetings as the project's nouns: ratings become events, titles a catalog with rows.

Every line is checked; what is dropped is counted by reason, with its first lines. What the source
does not say is estimated, and said here:

1. ``released_at``: 1 January of the title's year; for titles of the data's own year or the one
   before that are first rated after the data's first two weeks, the time of that rating itself.
   Never later than the first rating, and never before it became known: a title is not new hours
   before anybody could have told, so the act that releases it has no page that could show it.
2. ``maturity`` 0 and no countries: the source has no age ratings and no licences.
3. Profiles: adult, English, no country, created at the first rating.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import orjson

from dataset.checks import IDENTIFIER, is_identifier
from genpage.catalog import SECONDS_A_DAY
from genpage.entity import Entity
from genpage.errors import DatasetError
from genpage.event import Action, Event
from genpage.profile import Profile
from genpage.row import Row, Where

_LIKED, _DISLIKED, _BEST = 8, 4, 10
_SETTLING_S = 14 * SECONDS_A_DAY
# A genre row needs enough titles to fill several pages' worth.
_LEAST_A_GENRE = 100
_FIRST_DECADE = 1960
_ITEM = re.compile(r"tt\d{7,}")
_WHOLE = re.compile(r"[0-9]{1,12}")
_ITEMS_HEADING = ("item_id", "title", "year", "genres")
_RATINGS_HEADING = ("user_id", "item_id", "rating", "timestamp")
_FIRST_YEAR, _LAST_YEAR = 1870, 2100
_EARLIEST, _LATEST = 1_230_768_000, 2_524_608_000  # 2009 to 2049: no rating is from elsewhere
_SHOWN = 3


@dataclass(slots=True)
class Dropped:
    """Lines that were left out, by reason. Mutated by `add`."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, where: str) -> None:
        """Count one line; the first few of a reason are remembered."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        shown = self.examples.setdefault(reason, [])
        if len(shown) < _SHOWN:
            shown.append(where)


@dataclass(frozen=True, slots=True)
class Imported:
    """The source as nouns. Events stand by time; ``dropped`` tells what is not among them."""

    entities: tuple[Entity, ...]
    rows: tuple[Row, ...]
    profiles: tuple[Profile, ...]
    events: tuple[Event, ...]
    dropped: Dropped


@dataclass(frozen=True, slots=True)
class _Title:
    id: str
    title: str
    year: int | None
    genres: tuple[str, ...]


def read_movietweetings(source: Path) -> Imported:
    """Read the three files of ``source``; a missing one is a `DatasetError`.

    So is one of the tables without its heading line: its first line would be lost. Without
    ``synopses.jsonl`` titles have no synopsis and no cast, which is counted as one thing dropped.
    """
    dropped = Dropped()
    titles = {
        title.id: title for title in _titles(_lines(source / "items.tsv", _ITEMS_HEADING), dropped)
    }
    if not titles:
        raise DatasetError(f"{source / 'items.tsv'} has no title that can be used")
    ratings = _lines(source / "interactions.tsv", _RATINGS_HEADING)
    events = tuple(_events(ratings, titles, dropped))
    if not events:
        raise DatasetError(f"{source / 'interactions.tsv'} has no rating that can be used")
    first_rated: dict[str, float] = {}
    first_seen: dict[str, float] = {}
    for event in events:
        first_rated.setdefault(event.entity_id, event.ts)
        first_seen.setdefault(event.user_id, event.ts)
    about = _synopses(source / "synopses.jsonl", titles, dropped)
    start = events[0].ts
    entities = tuple(
        _entity(title, about.get(title.id, ("", ())), first_rated.get(title.id), start)
        for title in titles.values()
    )
    profiles = tuple(
        Profile(user_id, language="en", maturity=18, ts=ts) for user_id, ts in first_seen.items()
    )
    return Imported(entities, derived_rows(entities), profiles, events, dropped)


def derived_rows(entities: Iterable[Entity]) -> tuple[Row, ...]:
    """Rows by genre and decade, and those that time, the counts or the member fill."""
    counts: dict[str, int] = {}
    for entity in entities:
        for genre in entity.genres:
            counts[genre] = counts.get(genre, 0) + 1
    genres = sorted(genre for genre, count in counts.items() if count >= _LEAST_A_GENRE)
    last = max((entity.year or 0 for entity in entities), default=0)
    decades = range(_FIRST_DECADE, last + 1, 10)
    return (
        Row("continue", "continue", "Continue Watching", pinned_position=0),
        Row("my-list", "my_list", "My List"),
        Row("because", "because", "Because You Watched"),
        Row("trending", "trending", "Trending Now"),
        Row("top-picks", "picks", "Top Picks for You"),
        Row("new", "new", "New This Month", Where(released_within_days=30.0)),
        *(
            Row(f"genre-{genre.lower()}", "genre", genre, Where(genres_all=(genre,)))
            for genre in genres
        ),
        Row("before", "decade", f"Before {_FIRST_DECADE}", Where(year_to=_FIRST_DECADE - 1)),
        *(
            Row(
                f"decade-{year}s", "decade", f"The {year}s", Where(year_from=year, year_to=year + 9)
            )
            for year in decades
        ),
    )


def _lines(path: Path, heading: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """The fields of each line after the heading, with where it stands."""
    try:
        content = path.read_text("utf-8")
    except FileNotFoundError as error:
        raise DatasetError(
            f"{path} is missing; give the folder with the MovieTweetings files as --source"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    first, *lines = content.removeprefix("\ufeff").split("\n")
    if tuple(first.rstrip("\r").split("\t")) != heading:
        raise DatasetError(
            f"{path} does not begin with its heading; its first line must be "
            f"{' '.join(heading)}, with tabs between"
        )
    for number, line in enumerate(lines, start=2):
        if line:
            yield f"{path.name}:{number}", line.rstrip("\r").split("\t")


def _titles(lines: Iterable[tuple[str, list[str]]], dropped: Dropped) -> Iterator[_Title]:
    seen: set[str] = set()
    for where, fields in lines:
        if len(fields) != len(_ITEMS_HEADING):
            dropped.add("title: not four fields", where)
            continue
        identifier, title, year, genres = fields
        if not _ITEM.fullmatch(identifier):
            dropped.add("title: malformed item_id", where)
        elif not title.strip():
            dropped.add("title: no title", where)
        elif year and not _is_whole(year, _FIRST_YEAR, _LAST_YEAR):
            dropped.add(f"title: year not from {_FIRST_YEAR} to {_LAST_YEAR}", where)
        elif identifier in seen:
            dropped.add("title: item_id stands twice", where)
        else:
            seen.add(identifier)
            known = tuple(dict.fromkeys(genre for genre in genres.split("|") if genre))
            yield _Title(identifier, title, int(year) if year else None, known)


def _events(
    lines: Iterable[tuple[str, list[str]]], titles: dict[str, _Title], dropped: Dropped
) -> list[Event]:
    seen: set[tuple[str, str, str]] = set()
    events: list[Event] = []
    for where, fields in lines:
        if len(fields) != len(_RATINGS_HEADING):
            dropped.add("rating: not four fields", where)
            continue
        user_id, item_id, rating, ts = fields
        if not user_id:
            dropped.add("rating: no user_id", where)
        elif not is_identifier(user_id):
            dropped.add(f"rating: user_id is not {IDENTIFIER}", where)
        elif item_id not in titles:
            dropped.add("rating: unknown item_id", where)
        elif not _is_whole(rating, 0, _BEST):
            dropped.add("rating: not a whole number from 0 to 10", where)
        elif not _is_whole(ts, _EARLIEST, _LATEST):
            dropped.add("rating: not a plausible Unix time", where)
        elif (user_id, item_id, ts) in seen:
            dropped.add("rating: stands twice", where)
        else:
            seen.add((user_id, item_id, ts))
            number = where.rpartition(":")[2]
            events.append(Event(f"mt-{number}", user_id, item_id, _action(int(rating)), float(ts)))
    return sorted(events, key=lambda event: event.ts)


def _is_whole(text: str, least: int, most: int) -> bool:
    return _WHOLE.fullmatch(text) is not None and least <= int(text) <= most


def _action(rating: int) -> Action:
    if rating >= _LIKED:
        return "thumbs_up"
    return "thumbs_down" if rating <= _DISLIKED else "play"


def _synopses(
    path: Path, titles: Collection[str], dropped: Dropped
) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Title -> its synopsis and cast; the first usable line of a title counts."""
    about: dict[str, tuple[str, tuple[str, ...]]] = {}
    if not path.is_file():
        dropped.add("synopsis: the file is missing; titles go without", path.name)
        return about
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            where = f"{path.name}:{number}"
            try:
                document = orjson.loads(line)
                identifier, synopsis = document["item_id"], document["synopsis"]
                cast = document.get("cast") or []
            except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
                dropped.add("synopsis: not a document with item_id and synopsis", where)
                continue
            if not isinstance(identifier, str):
                dropped.add("synopsis: item_id is not text", where)
            elif not isinstance(synopsis, str):
                dropped.add("synopsis: not text", where)
            elif not isinstance(cast, list) or not all(isinstance(name, str) for name in cast):
                dropped.add("synopsis: cast is not a list of names", where)
            elif identifier not in titles:
                dropped.add("synopsis: unknown item_id", where)
            elif identifier in about:
                dropped.add("synopsis: item_id stands twice", where)
            else:
                about[identifier] = synopsis, tuple(cast)
    return about


def _entity(
    title: _Title, about: tuple[str, tuple[str, ...]], first_rated: float | None, start: float
) -> Entity:
    synopsis, cast = about
    return Entity(
        id=title.id,
        kind="film",
        title=title.title,
        synopsis=synopsis,
        genres=title.genres,
        cast=cast,
        year=title.year,
        released_at=_released_at(title.year, first_rated, start),
    )


def _released_at(year: int | None, first_rated: float | None, start: float) -> float | None:
    new_years_day = None if year is None else datetime(year, 1, 1, tzinfo=UTC).timestamp()
    if first_rated is None:
        return new_years_day
    current = datetime.fromtimestamp(start, tz=UTC).year - 1
    if year is not None and year >= current and first_rated >= start + _SETTLING_S:
        return first_rated
    return first_rated if new_years_day is None else min(new_years_day, first_rated)
