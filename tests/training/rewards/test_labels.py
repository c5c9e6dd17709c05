"""Rewards of a whole folder: rows, pages, what is estimated and what is left out."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from dataset.day import day_of, day_start
from dataset.folder import DataFolder
from genpage.errors import NotFoundError
from tokenizer.vocabulary import Vocabulary
from training.pages import Pages
from training.rewards.declaration import Rewards
from training.rewards.explain import explain
from training.rewards.labels import RewardLabels

DAY = "2026-01-02"
PLAY = 0.2 + 0.3 * 5000 / 6000 + 0.4 * 5000 / 3600
IGNORED = -0.02


@pytest.fixture
def labels(folder: DataFolder) -> RewardLabels:
    """The default rewards over the small service: two plays a page, ten titles passed over."""
    return RewardLabels.read(folder, folder.catalog(), Rewards.default())


def test_a_page_is_the_sum_over_its_seen_titles(labels: RewardLabels) -> None:
    """Two plays of 5,000 of 6,000 seconds, and ten titles that were seen."""
    valued = labels.valued(labels.folder.impressions(DAY, DAY))
    pages = valued.group_by("page_id").agg(pl.col("weight").sum())
    assert pages["weight"].to_list() == pytest.approx([2 * PLAY + 10 * IGNORED] * 24)
    assert (labels.tally.pages, labels.tally.without_feedback) == (24, 0)


@pytest.mark.parametrize(
    ("aggregate", "played"),
    [("sum", 2 * PLAY + 2 * IGNORED), ("mean", (2 * PLAY + 2 * IGNORED) / 4), ("max", PLAY)],
)
def test_a_row_is_the_aggregate_of_its_titles(
    folder: DataFolder, aggregate: str, played: float
) -> None:
    """The row with both plays, as declared."""
    text = Rewards.default().text.replace('aggregate = "sum"', f'aggregate = "{aggregate}"')
    catalog = folder.catalog()
    labels = RewardLabels.read(folder, catalog, Rewards.parse(text))
    pages = Pages.read(folder, Vocabulary().grown(catalog), [DAY], None, labels=labels)
    rows = pages.weights[pages.is_row]
    assert sorted(rows)[-24:] == pytest.approx([played] * 24)


def test_what_is_not_logged_as_seen_is_estimated(folder: DataFolder) -> None:
    """With no ``seen`` at all, a passed-over title counts by its place's estimated chance."""
    catalog, rewards = folder.catalog(), Rewards.default()
    known = RewardLabels.read(folder, catalog, rewards)
    text = rewards.text.replace('source = "logged"', 'source = "estimated"')
    estimated = RewardLabels.read(folder, catalog, Rewards.parse(text))
    day = folder.impressions(DAY, DAY)
    guessed = estimated.valued(day)
    blind = estimated.valued(day.with_columns(seen=pl.lit(None, pl.Boolean)))
    assert guessed["weight"].to_list() == blind["weight"].to_list()
    # In this service the last two columns are never acted on: nobody can tell that they are seen.
    passed = guessed.filter(pl.col("action").is_null())
    by_column = passed.group_by("col_pos").agg(pl.col("examined").mean()).sort("col_pos")
    chances = by_column["examined"].to_list()
    assert chances[2] < chances[0] / 4
    assert known.valued(day)["examined"].to_list() == [1.0] * len(day)


def test_acts_after_until_are_not_seen(folder: DataFolder) -> None:
    """A run up to a moment must not know what came later."""
    catalog = folder.catalog()
    until = day_start(DAY) + 6 * 3600.0
    labels = RewardLabels.read(folder, catalog, Rewards.default(), until=until)
    day = folder.impressions(DAY, DAY).with_columns(action=pl.lit(None, pl.String))
    valued = labels.valued(day)
    assert valued.filter((pl.col("reward") > 0) & (pl.col("ts") > until)).is_empty()
    assert not valued.filter((pl.col("reward") > 0) & (pl.col("ts") < until - 600)).is_empty()


def test_a_title_that_left_the_catalog_keeps_its_reward(folder: DataFolder, service: Path) -> None:
    """Its length is not known any more: the terms that need none remain, and it is counted."""
    catalog = folder.catalog()
    fewer = type(catalog).build(catalog.entities[:-6], catalog.rows)
    labels = RewardLabels.read(DataFolder(service), fewer, Rewards.default())
    valued = labels.valued(folder.impressions("2026-01-04", "2026-01-04"))
    assert labels.tally.gone_titles > 0
    gone = {entity.id for entity in catalog.entities[-6:]}
    lines = valued.filter(pl.col("entity_id").is_in(gone) & pl.col("action").is_not_null())
    assert lines["reward"].to_list() == pytest.approx([0.2 + 0.4 * 5000 / 3600] * len(lines))


def test_an_explanation_adds_up(labels: RewardLabels) -> None:
    """Terms to titles, titles to rows, rows to the page; and the page to what training uses."""
    found = explain(labels, f"p-{DAY}-3")
    for title in found.titles:
        assert sum(title.terms.values()) == pytest.approx(title.reward)
    for row in found.rows:
        counts = [title.counts for title in found.titles if title.row == row.row]
        assert row.reward == pytest.approx(sum(counts))
    assert found.reward == pytest.approx(sum(row.reward for row in found.rows))
    assert found.reward == pytest.approx(2 * PLAY + 10 * IGNORED)
    played = [title for title in found.titles if title.done]
    assert [title.done for title in played] == [("play 83 min",)] * 2


def shown_twice(service: Path, path: Path, between: float) -> DataFolder:
    """A title on a page just before a moment and on one just behind it, then played elsewhere."""
    shutil.copytree(service, path)
    for page, at in (("earlier", between - 600.0), ("later", between + 600.0)):
        file = path / "impressions" / f"{day_of(at)}.parquet"
        lines = pl.read_parquet(file)
        line = lines.head(1).with_columns(
            pl.lit(page).alias("page_id"),
            pl.lit("owl").alias("user_id"),
            pl.lit(at).alias("ts"),
            pl.lit("e0").alias("entity_id"),
            pl.lit(None, pl.String).alias("action"),
        )
        pl.concat([lines, line]).sort("ts", maintain_order=True).write_parquet(file)
    file = path / "events" / f"{day_of(between)}.parquet"
    events = pl.read_parquet(file)
    play = events.head(1).with_columns(
        pl.lit("elsewhere").alias("event_id"),
        pl.lit("owl").alias("user_id"),
        pl.lit(between + 3600.0).alias("ts"),
        pl.lit("e0").alias("entity_id"),
        *(
            pl.lit(None, events.schema[name]).alias(name)
            for name in ("page_id", "row_id", "row_pos", "col_pos")
        ),
    )
    pl.concat([events, play]).sort("ts", maintain_order=True).write_parquet(file)
    return DataFolder(path)


@pytest.mark.parametrize("hour", [0, 12])
def test_an_act_elsewhere_is_credited_once_and_explained_as_it_is_taught(
    service: Path, tmp_path: Path, hour: int
) -> None:
    """A day is learnt from at a time, a page explained by itself: the later page has the play."""
    between = day_start("2026-01-03") + 3600.0 * hour
    folder = shown_twice(service, tmp_path / "data", between)
    labels = RewardLabels.read(folder, folder.catalog(), Rewards.default())
    taught: dict[str, float] = {}
    for day in folder.days():
        valued = labels.valued(folder.impressions(day, day))
        taught |= dict(valued.filter(pl.col("user_id") == "owl").select("page_id", "reward").rows())
    assert taught == pytest.approx({"earlier": IGNORED, "later": PLAY / 2})
    told = {page: explain(labels, page) for page in taught}
    assert {page: found.reward for page, found in told.items()} == pytest.approx(taught)
    assert told["earlier"].titles[0].done == ()
    assert told["later"].titles[0].done == ("play 83 min, later",)
    # Before the later page was served, nobody knew of it, nor of the play.
    soon = RewardLabels.read(folder, folder.catalog(), Rewards.default(), until=between)
    assert explain(soon, "earlier").reward == pytest.approx(IGNORED)


def test_an_unknown_page_is_said_to_be_unknown(labels: RewardLabels) -> None:
    """By its id."""
    with pytest.raises(NotFoundError, match="'p-none'"):
        explain(labels, "p-none")
