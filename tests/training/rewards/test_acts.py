"""What was done with impressed titles: from events and impressions, on the page and elsewhere."""

import polars as pl

from training.rewards.acts import acts_of, numbered
from training.rewards.declaration import Attribution

DAY = 1_700_000_000.0
HERE = Attribution(window_s=0.0)
NEXT_HOUR = Attribution(window_s=3600.0, share=0.5)


def impressions(*lines: tuple[str, int, int, str, str | None]) -> pl.DataFrame:
    """(page, row, column, entity, action) of member u, a page a minute."""
    pages = list(dict.fromkeys(page for page, *_ in lines))
    return pl.DataFrame(
        [
            {
                "page_id": page,
                "user_id": "u",
                "ts": DAY + 60.0 * pages.index(page),
                "row_pos": row,
                "col_pos": column,
                "row_id": f"r{row}",
                "entity_id": entity,
                "seen": True,
                "action": action,
                "duration_s": None if action is None else 100.0,
            }
            for page, row, column, entity, action in lines
        ],
        schema_overrides={"action": pl.String, "duration_s": pl.Float64},
    )


def events(*lines: tuple[str, str, float, float | None, str | None]) -> pl.DataFrame:
    """(entity, action, seconds after `DAY`, seconds watched, page)."""
    return pl.DataFrame(
        [
            {
                "user_id": "u",
                "entity_id": entity,
                "action": action,
                "ts": DAY + at,
                "duration_s": watched,
                "page_id": page,
            }
            for entity, action, at, watched, page in lines
        ],
        schema={
            "user_id": pl.String,
            "entity_id": pl.String,
            "action": pl.String,
            "ts": pl.Float64,
            "duration_s": pl.Float64,
            "page_id": pl.String,
        },
    )


def acts(shown: pl.DataFrame, done: pl.DataFrame, rule: Attribution) -> set[tuple[object, ...]]:
    """(line, action, seconds, share) of each act."""
    return set(acts_of(numbered(shown)[0], done, rule)[0].iter_rows())


def test_several_acts_on_one_title_are_kept_apart_and_its_plays_are_one() -> None:
    """Details, then two sittings: the seconds add up, the base is had once."""
    shown = impressions(("p", 0, 0, "a", "play"), ("p", 0, 1, "b", None))
    done = events(
        ("a", "details", 1, None, "p"), ("a", "play", 2, 50.0, "p"), ("a", "play", 900, 70.0, "p")
    )
    assert acts(shown, done, HERE) == {(0, "details", 0.0, 1.0), (0, "play", 120.0, 1.0)}


def test_an_impression_that_bears_an_action_needs_no_event() -> None:
    """A log without page ids in its events still tells what was done, once."""
    shown = impressions(("p", 0, 0, "a", "thumbs_up"), ("p", 0, 1, "b", "play"))
    done = events(("b", "play", 5, 40.0, "p"))
    assert acts(shown, done, HERE) == {(0, "thumbs_up", 100.0, 1.0), (1, "play", 40.0, 1.0)}


def test_what_is_done_elsewhere_is_credited_to_the_latest_page_in_time() -> None:
    """Searched and played half an hour later; the second of two pages had shown it."""
    shown = impressions(("p", 0, 0, "a", None), ("q", 0, 0, "a", None))
    done = events(("a", "play", 1800, 60.0, None), ("a", "play", 9000, 60.0, None))
    assert acts(shown, done, NEXT_HOUR) == {(1, "play", 60.0, 0.5)}
    assert acts(shown, done, HERE) == set()


def test_what_a_page_of_another_part_of_the_log_is_owed_is_not_credited_again() -> None:
    """The log of two pages in two parts: the later one has the play, either way round."""
    shown = impressions(("p", 0, 0, "a", None), ("q", 0, 0, "a", None))
    done = events(("a", "play", 1800, 60.0, None))
    earlier, later = (
        acts_of(numbered(shown.filter(pl.col("page_id") == page))[0], done, NEXT_HOUR, shown)[0]
        for page in ("p", "q")
    )
    assert not len(earlier)
    assert later.rows() == [(0, "play", 60.0, 0.5)]


def test_what_came_before_the_page_is_not_credited() -> None:
    """Nor what another member did."""
    shown = impressions(("p", 0, 0, "a", None))
    before = events(("a", "play", -5, 60.0, None))
    another = events(("a", "play", 5, 60.0, None)).with_columns(pl.lit("v").alias("user_id"))
    assert acts(shown, before, NEXT_HOUR) == set()
    assert acts(shown, another, NEXT_HOUR) == set()


def test_a_title_that_was_not_seen_is_not_credited() -> None:
    """The page cannot have suggested it."""
    shown = impressions(("p", 0, 0, "a", None)).with_columns(pl.lit(value=False).alias("seen"))
    assert acts(shown, events(("a", "play", 5, 60.0, None)), NEXT_HOUR) == set()


def test_a_light_act_counts_once_wherever_it_was_done() -> None:
    """Listed on the page and again elsewhere: the page's own stands."""
    shown = impressions(("p", 0, 0, "a", "add_to_list"))
    done = events(("a", "add_to_list", 1, None, "p"), ("a", "add_to_list", 60, None, None))
    assert acts(shown, done, NEXT_HOUR) == {(0, "add_to_list", 0.0, 1.0)}


def test_duplicates_and_lost_events_are_counted() -> None:
    """A place logged twice counts once, with its action; an event of an unknown page is lost."""
    shown = impressions(("p", 0, 0, "a", None), ("p", 0, 0, "a", "play"), ("p", 0, 1, "b", None))
    late = impressions(("q", 0, 0, "a", None)).with_columns(ts=pl.lit(DAY + 40_000.0))
    lines, twice = numbered(pl.concat([shown, late]))
    assert (twice, lines["action"].to_list()) == (1, ["play", None, None])
    done = events(("b", "play", 1, 9.0, "p"), ("b", "play", 30_000, 9.0, "nowhere"))
    found, lost = acts_of(lines, done, HERE)
    assert lost == 1
    assert sorted(found["line"]) == [0, 1]


def test_a_gap_in_the_positions_is_no_obstacle() -> None:
    """Rows 0 and 3, columns 1 and 5: what is there is taken as it stands."""
    lines, twice = numbered(impressions(("p", 3, 5, "b", None), ("p", 0, 1, "a", None)))
    assert twice == 0
    assert lines.select("row_pos", "col_pos").rows() == [(0, 1), (3, 5)]
