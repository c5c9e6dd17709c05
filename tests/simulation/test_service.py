"""The simulated service: valid, reproducible, within its own rules, and causal."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dataset.day import day_of, day_start
from dataset.folder import DataFolder, profile_of
from dataset.validation import validate
from dataset.write import new_folder
from genpage.audit import violations
from genpage.catalog import SECONDS_A_DAY
from genpage.context import Context
from genpage.documents import parse
from genpage.errors import UsageError
from genpage.event import Event
from genpage.page import Page, PageRow
from genpage.request import PageRequest
from genpage.rules import Rules
from genpage.trends import TrendCounter
from simulation.service import Summary, simulate
from simulation.settings import Settings


def make(folder: Path, settings: Settings) -> Summary:
    """Simulate into ``folder``."""
    with new_folder(folder) as writer:
        return simulate(settings, writer)


def pages_of(impressions: pl.DataFrame) -> dict[str, Page]:
    """Page id -> the page as it was shown."""
    rows = impressions.group_by("page_id", "row_pos", maintain_order=True).agg(
        pl.col("row_id").first(), pl.col("entity_id")
    )
    pages: dict[str, list[PageRow]] = {}
    for page_id, _, row_id, entity_ids in rows.iter_rows():
        pages.setdefault(page_id, []).append(PageRow(row_id, tuple(entity_ids)))
    return {page_id: Page(tuple(rows)) for page_id, rows in pages.items()}


def test_what_is_written_is_valid(service: Path) -> None:
    """`genpage validate` finds nothing, not even something to warn of."""
    report = validate(service)
    assert report.problems == []
    assert report.lines["impressions"] > 10_000
    assert report.lines["events"] > 50


def test_the_same_seed_gives_the_same_bytes(service: Path, small: Settings, tmp_path: Path) -> None:
    """Every file of a second run is the first run's, bit for bit; another seed's are not."""
    make(tmp_path / "again", small)
    files = sorted(path.relative_to(service) for path in service.rglob("*") if path.is_file())
    assert len(files) == 5 + 2 * small.days
    for file in files:
        assert (tmp_path / "again" / file).read_bytes() == (service / file).read_bytes(), file
    make(tmp_path / "other", replace(small, seed=4))
    events = DataFolder(tmp_path / "other").events()
    assert not events.equals(DataFolder(service).events())


def test_logged_pages_break_no_rule(service: Path) -> None:
    """The audit, which shares no code with the policy's masks, finds nothing on any page."""
    folder, rules = DataFolder(service), Rules.default()
    catalog, events, impressions = folder.catalog(), folder.events(), folder.impressions()
    profiles = {line["user_id"]: profile_of(line) for line in folder.profiles().to_dicts()}
    history: dict[str, list[Event]] = {}
    for line in events.iter_rows(named=True):
        history.setdefault(line["user_id"], []).append(parse(Event, line))
    heads = impressions.group_by("page_id", maintain_order=True).first()
    pages = pages_of(impressions)
    audited = 0
    for head in heads.iter_rows(named=True):
        user_id, at = head["user_id"], head["ts"]
        own = tuple(event for event in history.get(user_id, []) if event.ts < at)
        context = Context(user_id, profiles[user_id], own, revision=1)
        request = PageRequest(user_id, at, device=head["device"])
        # The trending row stands as of the UTC midnight before.
        midnight = at - at % SECONDS_A_DAY
        counter = TrendCounter(catalog)
        for entity_id, ts in events.filter(pl.col("ts") < midnight)["entity_id", "ts"].iter_rows():
            counter.add(entity_id, ts)
        page = pages[head["page_id"]]
        assert not violations(page, catalog, rules, context, request, counter.snapshot())
        audited += 1
    assert audited > 100


def test_a_member_is_in_one_session_at_a_time(service: Path) -> None:
    """A page is opened only after all that came of the page before is over."""
    folder = DataFolder(service)
    opened = folder.impressions(columns=("user_id", "page_id", "ts")).unique()
    acted = folder.events().with_columns(over=pl.col("ts") + pl.col("duration_s").fill_null(0))
    for (user_id,), pages in opened.partition_by("user_id", as_dict=True).items():
        starts = sorted(pages["ts"].to_list())
        own = acted.filter(pl.col("user_id") == user_id)
        for start in starts:
            before = own.filter(pl.col("ts") < start)["over"]
            assert before.is_empty() or float(before.to_numpy().max()) <= start


def test_engagements_are_told_twice_alike(service: Path) -> None:
    """An event with a page is that impression's action, duration and place, and the other way."""
    folder = DataFolder(service)
    on_page = folder.events().drop_nulls("page_id")
    acted = folder.impressions().drop_nulls("action")
    keys = ["page_id", "row_pos", "col_pos", "row_id", "entity_id", "user_id", "action"]
    assert (
        on_page.sort(keys)
        .select(*keys, "duration_s")
        .equals(acted.sort(keys).select(*keys, "duration_s"))
    )
    assert acted["seen"].all()


def test_propensities_are_the_chances_of_pages(service: Path) -> None:
    """Pinned rows are certain; all else was a choice, but for the last title of a short row."""
    impressions = DataFolder(service).impressions()
    pinned = impressions.filter(pl.col("row_id") == "continue")["propensity"]
    chosen = impressions.filter(pl.col("row_id") != "continue")["propensity"]
    assert len(pinned)
    assert (pinned == 1.0).all()
    assert ((chosen > 0) & (chosen <= 1)).all()
    assert (chosen.to_numpy() == 1).mean() < 0.01


def test_position_bias_is_in_the_log(service: Path) -> None:
    """Earlier rows and columns are seen more, and what is not seen is not acted on."""
    impressions = DataFolder(service).impressions()
    by_row = impressions.group_by("row_pos").agg(pl.col("seen").mean()).sort("row_pos")["seen"]
    by_column = impressions.group_by("col_pos").agg(pl.col("seen").mean()).sort("col_pos")["seen"]
    for seen in (by_row.to_numpy(), by_column.to_numpy()):
        assert seen[0] > 2 * seen[-1] > 0


def test_every_day_has_its_files_and_nothing_is_later(service: Path, small: Settings) -> None:
    """As many days as asked for, none with an event or a page past its end."""
    days = DataFolder(service).days()
    assert len(days) == small.days
    assert day_start(days[0]) == small.start
    assert day_of(small.end - 1) == days[-1]
    assert DataFolder(service).events()["ts"].to_numpy().max() < small.end


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"members": 0}, "--members"),
        ({"entities": 10}, "--entities"),
        ({"days": 0}, "--days"),
        ({"seed": -1}, "--seed"),
    ],
)
def test_settings_name_what_is_wrong(change: dict[str, int], name: str) -> None:
    """A size that cannot be simulated is refused by its flag."""
    with pytest.raises(UsageError, match=name):
        Settings(**change)


def test_one_member_one_day_is_a_service(tmp_path: Path) -> None:
    """The smallest service is valid too, even if nobody comes."""
    make(tmp_path / "data", Settings(members=1, entities=60, days=1))
    assert validate(tmp_path / "data").ok


def test_nothing_stays_when_it_is_interrupted(tmp_path: Path, small: Settings) -> None:
    """A run that is stopped half-way leaves no folder behind, under no name."""

    def stop(day: str) -> None:
        if day == small.name(2):
            raise KeyboardInterrupt

    def go(progress: Callable[[str], None]) -> None:
        with new_folder(tmp_path / "data") as writer:
            simulate(small, writer, progress=progress)

    with pytest.raises(KeyboardInterrupt):
        go(stop)
    assert list(tmp_path.iterdir()) == []


def test_tastes_can_be_learnt_from_the_log(tmp_path: Path) -> None:
    """Of what is seen on the last day, what resembles earlier likes is engaged with more."""
    settings = Settings(members=600, entities=420, days=7, seed=1)
    make(tmp_path / "data", settings)
    folder = DataFolder(tmp_path / "data")
    catalog = folder.catalog()
    last = settings.name(settings.days - 2)
    liked = folder.events(last=settings.name(settings.days - 3)).filter(
        pl.col("action").is_in(["play", "thumbs_up", "add_to_list"])
    )
    genres = catalog.genre_matrix
    taste = {
        str(key[0]): genres[list(catalog.indices(lines["entity_id"]))].mean(axis=0)
        for key, lines in liked.partition_by("user_id", as_dict=True).items()
    }
    seen = folder.impressions(first=last).filter(pl.col("seen") & (pl.col("row_id") != "continue"))
    known = seen.filter(pl.col("user_id").is_in(list(taste)))
    fit = np.array(
        [
            taste[user_id] @ genres[catalog.entity_positions[entity_id]]
            for user_id, entity_id in known["user_id", "entity_id"].iter_rows()
        ]
    )
    acted = known["action"].is_not_null().to_numpy()
    error = fit.std() / np.sqrt(acted.sum())
    assert fit[acted].mean() > fit[~acted].mean() + 2 * error


def test_a_day_of_two_thousand_members_takes_no_minute(tmp_path: Path) -> None:
    """Loosely, as machines are noisy: two days in less processor time than thirty may take."""
    began = time.process_time()
    summary = make(tmp_path / "data", Settings(days=2))
    assert summary.pages > 500
    assert time.process_time() - began < 15
