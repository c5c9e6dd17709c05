"""Impressions become page tokens and target weights as `training.feedback` says."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dataset.day import day_start
from dataset.folder import DataFolder
from dataset.schema import IMPRESSIONS
from genpage.catalog import Catalog
from genpage.entity import Entity
from genpage.errors import DatasetError
from genpage.page import Page, PageRow
from genpage.row import Row
from tokenizer.page import PageCodec
from tokenizer.vocabulary import Vocabulary
from training.feedback import SHOWN
from training.labels import Labels, PositiveFeedback, row_weights
from training.pages import Pages
from training.rewards.declaration import Rewards
from training.rewards.labels import RewardLabels

CATALOG = Catalog.build(
    [Entity(f"e{n}", "film", f"Film {n}") for n in range(8)],
    [Row(f"r{n}", "genre", f"Row {n}") for n in range(3)],
)
VOCABULARY = Vocabulary().grown(CATALOG)


def cell(page: str, row: int, col: int, entity: int, **fields: object) -> dict[str, object]:
    """One impressed entity; nothing was done with it unless ``fields`` say so."""
    return {
        "page_id": page,
        "user_id": f"user of {page}",
        "ts": 100.0,
        "row_pos": row,
        "col_pos": col,
        "row_id": f"r{row}",
        "entity_id": f"e{entity}",
        "propensity": 1.0,
        "seen": None,
        "action": None,
        "duration_s": None,
        "device": "tv",
        "locale": None,
        "simulated": True,
        **fields,
    }


def pages_of(*cells: dict[str, object]) -> Pages:
    """The pages of these impressions."""
    return Pages.of(pl.DataFrame(list(cells), schema=IMPRESSIONS.schema), VOCABULARY)


def words(pages: Pages, page: int = 0) -> list[str]:
    """A page's tokens as ids."""
    return [VOCABULARY.word(int(token)) for token in pages.tokens[pages.tokens_of(page)]]


def test_a_page_is_its_rows_and_entities_in_order() -> None:
    """Lines in any order give row, its entities by column, next row."""
    pages = pages_of(
        cell("p", 1, 0, 5),
        cell("p", 0, 1, 3, action="play"),
        cell("p", 0, 0, 2),
    )
    assert words(pages) == ["row:r0", "entity:e2", "entity:e3", "row:r1", "entity:e5"]
    assert pages.is_row.tolist() == [True, False, False, True, False]


def test_tokens_are_the_page_codecs() -> None:
    """The columnar way gives the same tokens as the codec gives for a page."""
    pages = pages_of(cell("p", 0, 0, 2, action="play"), cell("p", 1, 0, 5))
    page = Page((PageRow("r0", ("e2",)), PageRow("r1", ("e5",))))
    assert np.array_equal(pages.tokens, PageCodec(VOCABULARY).encode(page))


def test_pages_without_positive_feedback_are_left_out() -> None:
    """A page that was only shown, or only turned down, teaches nothing here."""
    pages = pages_of(
        cell("shown", 0, 0, 1),
        cell("liked", 0, 0, 1, action="thumbs_up"),
        cell("disliked", 0, 0, 1, action="thumbs_down"),
    )
    assert pages.page_ids == ("liked",)
    assert pages.user_ids == ("user of liked",)


def test_weights_follow_the_feedback() -> None:
    """Engaged titles weigh most, shown ones little, turned down ones nothing; a row as its best."""
    pages = pages_of(
        cell("p", 0, 0, 0, action="play"),
        cell("p", 0, 1, 1, action="abandon"),
        cell("p", 0, 2, 2),
        cell("p", 1, 0, 3),
    )
    assert pages.weights.tolist() == pytest.approx([1.0, 1.0, 0.0, SHOWN, SHOWN, SHOWN])


def test_a_page_ends_after_its_last_judged_row() -> None:
    """Rows that nobody scrolled to are left out; rows in between stay."""
    pages = pages_of(
        cell("p", 0, 0, 0, seen=True, action="play"),
        cell("p", 1, 0, 1, seen=False),
        cell("p", 2, 0, 2, seen=False),
        cell("q", 0, 0, 3, seen=True),
        cell("q", 1, 0, 4, seen=False),
        cell("q", 2, 0, 5, seen=None, action="play"),
    )
    assert words(pages) == ["row:r0", "entity:e0"]
    assert len(words(pages, 1)) == 6


def test_pages_shown_at_the_same_time_stay_apart() -> None:
    """Lines of two pages that interleave in the file become two pages."""
    pages = pages_of(
        cell("b", 0, 0, 0, action="play"),
        cell("a", 0, 0, 1, action="play"),
        cell("b", 0, 1, 2),
        cell("a", 0, 1, 3),
    )
    assert pages.page_ids == ("a", "b")
    assert words(pages, 1) == ["row:r0", "entity:e0", "entity:e2"]


def test_no_impressions_no_pages() -> None:
    """A day without impressions is no error."""
    assert len(pages_of()) == 0
    assert pages_of().offsets.tolist() == [0]


def test_the_newest_days_are_read_first(folder: DataFolder) -> None:
    """With a bound, older days are not even opened; pages still stand in time order."""
    vocabulary = Vocabulary().grown(folder.catalog())
    some = Pages.read(folder, vocabulary, folder.days(), 30)
    everything = Pages.read(folder, vocabulary, folder.days(), None)
    assert len(some) == 48
    assert some.page_ids == everything.page_ids[-48:]
    assert np.array_equal(some.tokens, everything.tokens[-len(some.tokens) :])
    assert (np.diff(everything.ts) >= 0).all()


@pytest.mark.parametrize("rewarded", [False, True])
def test_drawn_pages_are_those_that_reading_all_gives(folder: DataFolder, rewarded: bool) -> None:
    """Token for token and weight for weight, whatever is learnt of them; no two draws are alike."""
    catalog, day, until = folder.catalog(), folder.days()[1], day_start(folder.days()[2])
    vocabulary = Vocabulary().grown(catalog)
    labels: Labels = PositiveFeedback()
    if rewarded:
        labels = RewardLabels.read(folder, catalog, Rewards.default(), until=until)
    every = Pages.read(folder, vocabulary, [day], None, until=until, labels=labels)
    draws = []
    for seed in range(4):
        chance = np.random.default_rng(seed)
        drawn = Pages.drawn(folder, vocabulary, day, 5, chance, until=until, labels=labels)
        assert len(drawn) == len(set(drawn.page_ids)) == 5
        assert (np.diff(drawn.ts) >= 0).all()
        for page, page_id in enumerate(drawn.page_ids):
            own, old = drawn.tokens_of(page), every.tokens_of(every.page_ids.index(page_id))
            assert np.array_equal(drawn.tokens[own], every.tokens[old])
            assert np.array_equal(drawn.weights[own], every.weights[old])
        draws.append(drawn.page_ids)
    assert len(set(draws)) == 4
    chance = np.random.default_rng(0)
    whole = Pages.drawn(folder, vocabulary, day, 999, chance, until=until, labels=labels)
    assert sorted(whole.page_ids) == sorted(every.page_ids)


def test_pages_that_were_not_drawn_are_not_read(folder: DataFolder, looked: list[int]) -> None:
    """More are looked at only where pages are not learnt from."""
    vocabulary, day = Vocabulary().grown(folder.catalog()), folder.days()[1]
    chance = np.random.default_rng(0)
    assert len(Pages.drawn(folder, vocabulary, day, 5, chance)) == 5
    assert looked == [5]

    class Few(PositiveFeedback):
        """One page in three is learnt from."""

        def lines(self, impressions: pl.DataFrame) -> pl.DataFrame:
            ids = sorted(folder.impressions(day, day)["page_id"].unique())[::3]
            return super().lines(impressions).filter(pl.col("page_id").is_in(ids))

    looked.clear()
    assert len(Pages.drawn(folder, vocabulary, day, 4, chance, labels=Few())) == 4
    assert len(looked) > 1
    assert looked[:2] == [4, 8]


def test_every_page_of_a_day_is_drawn_as_often(folder: DataFolder) -> None:
    """Whenever it was shown: the binomial's six deviations around a quarter of 96 draws."""
    vocabulary, day = Vocabulary().grown(folder.catalog()), folder.days()[1]
    every = Pages.read(folder, vocabulary, [day], None).page_ids
    wanted = len(every) // 4
    counts = dict.fromkeys(every, 0)
    for seed in range(96):
        for page in Pages.drawn(
            folder, vocabulary, day, wanted, np.random.default_rng(seed)
        ).page_ids:
            counts[page] += 1
    assert sum(counts.values()) == 96 * wanted
    assert min(counts.values()) > 0
    assert max(counts.values()) < 24 + 6 * 4.3


def test_a_wrong_value_of_a_drawn_page_is_told_by_its_line_in_the_file(
    folder: DataFolder, tmp_path: Path
) -> None:
    """Though the lines before it were not read."""
    shutil.copytree(folder.path, tmp_path / "data")
    day = folder.days()[1]
    file = tmp_path / "data" / "impressions" / f"{day}.parquet"
    lines = pl.read_parquet(file)
    last = pl.int_range(pl.len()) == len(lines) - 1
    wrong = pl.when(last).then(-1).otherwise(pl.col("col_pos")).alias("col_pos")
    lines.with_columns(wrong.cast(lines.schema["col_pos"])).write_parquet(file)
    page = lines["page_id"].tail(1)
    altered = DataFolder(tmp_path / "data")
    with pytest.raises(DatasetError, match=rf"\.parquet:{len(lines)} col_pos"):
        altered.impressions(day, day, columns=("page_id", "col_pos"), page_ids=page)
    others = lines["page_id"].filter(lines["page_id"] != page[0]).unique()
    found = altered.impressions(day, day, columns=("page_id", "col_pos"), page_ids=others)
    assert len(found) == lines["page_id"].is_in(others.implode()).sum()


def test_an_unseen_title_is_not_a_rows_best() -> None:
    """What nobody saw is worth nothing, which is more than what was passed over: it takes no part.

    Rows: passed over and unseen; unseen alone; acted on and unseen.
    """
    weights = np.array([-0.02, 0.0, -0.01, 0.0, 0.0, 0.5, 0.0, -0.02], np.float32)
    starts = np.array([0, 3, 5])
    for aggregate, expected in (
        ("max", [-0.01, 0.0, 0.5]),
        ("mean", [-0.015, 0.0, 0.24]),
        ("sum", [-0.03, 0.0, 0.48]),
    ):
        found = row_weights(weights, starts, aggregate)  # type: ignore[arg-type]  # by name
        assert found.tolist() == pytest.approx(expected)


def test_taken_pages_keep_their_tokens_in_the_order_asked_for() -> None:
    """Two of three pages of different lengths, the last one first."""
    pages = pages_of(
        *(cell("a", 0, col, col, action="play") for col in range(2)),
        *(cell("b", 1, col, col, action="play") for col in range(3)),
        *(cell("c", 2, col, col + 3, action="play") for col in range(4)),
    )
    taken = pages.taken(np.array([2, 0]))
    assert taken.page_ids == ("c", "a")
    assert taken.user_ids == ("user of c", "user of a")
    assert [words(taken, page) for page in (0, 1)] == [words(pages, 2), words(pages, 0)]
    for page, before in enumerate((2, 0)):
        own, old = taken.tokens_of(page), pages.tokens_of(before)
        assert np.array_equal(taken.weights[own], pages.weights[old])
        assert np.array_equal(taken.is_row[own], pages.is_row[old])
    assert taken.sizes == (2,)
    assert len(pages.taken(np.zeros(0, np.int64))) == 0
