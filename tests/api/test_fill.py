"""A data folder into an empty context store: the same as if every event had been posted."""

from functools import partial
from pathlib import Path

import polars as pl
import pytest

import api.compose
import api.fill
from api.compose import Settings, compose
from api.fake import Logbook
from api.fill import Filled, fill
from dataset.folder import DataFolder
from genpage.catalog import Catalog
from genpage.context import Context, apply_event, apply_profile
from genpage.entity import Entity
from genpage.errors import DatasetError
from genpage.event import Event
from genpage.profile import Profile
from streaming.memory import MemoryContextStore
from streaming.trending import LiveTrends

CATALOG = Catalog.build([Entity(f"e{n}", "film", f"Film {n}") for n in range(5)], [])
DAY = 86_400.0


def write(folder: Path, events: list[Event], profiles: list[Profile]) -> DataFolder:
    """A folder with events by day, and profiles."""
    (folder / "events").mkdir()
    days: dict[str, list[dict[str, object]]] = {}
    for event in events:
        day = f"1970-01-{1 + int(event.ts // DAY):02}"
        days.setdefault(day, []).append(
            {name: getattr(event, name) for name in Event.__dataclass_fields__}
        )
    schema = {
        "event_id": pl.String,
        "user_id": pl.String,
        "entity_id": pl.String,
        "action": pl.String,
        "ts": pl.Float64,
        "duration_s": pl.Float64,
        "page_id": pl.String,
        "row_id": pl.String,
        "row_pos": pl.Int32,
        "col_pos": pl.Int32,
    }
    for day, lines in days.items():
        pl.DataFrame(lines, schema=schema).write_parquet(folder / "events" / f"{day}.parquet")
    pl.DataFrame(
        [
            {
                "user_id": p.user_id,
                "language": p.language,
                "profile_type": p.profile_type,
                "country": p.country,
                "maturity": p.maturity,
                "created_at": p.ts,
            }
            for p in profiles
        ],
        schema={
            "user_id": pl.String,
            "language": pl.String,
            "profile_type": pl.String,
            "country": pl.String,
            "maturity": pl.Int32,
            "created_at": pl.Float64,
        },
    ).write_parquet(folder / "profiles.parquet")
    return DataFolder(folder)


async def test_filled_contexts_are_the_folded_ones(tmp_path: Path) -> None:
    """Profiles and events of members with both, with one alone, and with too many events."""
    events = [
        Event(f"a{n}", "ada", f"e{n % 5}", "play", 100.0 * n, duration_s=float(n))
        for n in range(700)
    ]
    events += [Event("b1", "bob", "e1", "thumbs_up", 5.0), Event("b2", "bob", "x", "search", 9.0)]
    profiles = [Profile("ada", "en", "adult", "NZ", 18, 1.0), Profile("cyd", "fr", ts=2.0)]
    store, trends = MemoryContextStore(), LiveTrends(CATALOG)
    filled = fill(write(tmp_path, events, profiles), store, trends, CATALOG)
    assert filled == Filled(members=3, events=702, newest=69_900.0)
    for user_id in ("ada", "bob", "cyd"):
        expected = Context(user_id)
        for profile in profiles:
            if profile.user_id == user_id:
                expected = apply_profile(expected, profile)
        for event in events:
            if event.user_id == user_id:
                expected = apply_event(expected, event)
        assert await store.get(user_id) == expected
    counted = LiveTrends(CATALOG)
    counted.add(sorted(events, key=lambda event: event.ts))
    assert trends.snapshot().scores.tolist() == pytest.approx(counted.snapshot().scores.tolist())


def test_summed_counts_are_the_counted_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the latest events are summed in columns, with the same decay; unknown ones not."""
    monkeypatch.setattr(api.fill, "RECENT", 20)
    events = [Event(f"{n}", f"u{n % 7}", f"e{n * n % 6}", "play", 3_600.0 * n) for n in range(500)]
    filled, counted = LiveTrends(CATALOG, recent=20), LiveTrends(CATALOG)
    fill(write(tmp_path, events, []), MemoryContextStore(), filled, CATALOG)
    counted.add(events)
    for at in (None, events[-5].ts):
        found, expected = filled.snapshot(at).scores, counted.snapshot(at).scores
        assert found.tolist() == pytest.approx(expected.tolist(), rel=1e-5)


async def test_a_repeated_event_counts_once(tmp_path: Path) -> None:
    """As it would if it had been posted twice."""
    event = Event("same", "ada", "e1", "play", 5.0)
    store = MemoryContextStore()
    fill(write(tmp_path, [event, event], []), store, LiveTrends(CATALOG), CATALOG)
    context = await store.get("ada")
    assert context is not None
    assert len(context.events) == 1
    assert context.version == "1"


def test_an_empty_folder_fills_nothing(tmp_path: Path) -> None:
    """No events, no members, no clock."""
    filled = fill(write(tmp_path, [], []), MemoryContextStore(), LiveTrends(CATALOG), CATALOG)
    assert filled == Filled(0, 0, None)


def test_an_unknown_action_is_named(tmp_path: Path) -> None:
    """Data that validation would refuse does not reach a server."""
    event = Event("1", "ada", "e1", "applaud", 5.0)  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match="action: 'applaud' is none of"):
        fill(write(tmp_path, [event], []), MemoryContextStore(), LiveTrends(CATALOG), CATALOG)


async def test_more_members_than_the_store_holds_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit is counted and warned of; a member with a profile keeps it."""
    monkeypatch.setattr(
        api.compose, "MemoryContextStore", partial(MemoryContextStore, members=2, profiles=1)
    )
    events = [Event(f"{n}", f"u{n}", "e1", "play", float(n)) for n in range(5)]
    write(tmp_path, events, [Profile("u0", profile_type="kid", ts=0.0)])
    logbook = Logbook()
    server = compose(Settings(data=tmp_path), logbook.logger())
    kept = await server.stores.contexts.get("u0")
    assert kept is not None
    assert kept.profile is not None
    told = [line for line in logbook.lines if "more members" in str(line["event"])]
    assert [(line["histories_lost"], line["members_lost"]) for line in told] == [(3, 2)]
