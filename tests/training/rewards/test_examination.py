"""Examination is estimated from the data: a click model of known chances gives them back."""

import numpy as np
import polars as pl
import pytest

from training.rewards.examination import Counts, Examination, fit

CHANCES = np.array([[1.0, 0.8, 0.5], [0.6, 0.4, 0.1]])


def service(pages: int, *, pinned: bool = False) -> pl.DataFrame:
    """Pages of titles in random places, acted on by a position-based model."""
    chance = np.random.default_rng(3)
    attracts = np.linspace(0.05, 0.4, 20)
    # Better titles tend to stand in front, as with any ranker that is worth its name.
    noise = chance.gumbel(size=(pages, 20)) + 4.0 * attracts
    shown = np.argsort(-noise, axis=1)[:, :6]
    acted = chance.random((pages, 6)) < CHANCES.reshape(-1) * attracts[shown]
    place = np.tile(np.arange(6), pages)
    lines = pl.DataFrame(
        {
            "row_pos": place // 3,
            "col_pos": place % 3,
            "entity_id": [f"e{n}" for n in shown.reshape(-1)],
            "action": np.where(acted.reshape(-1), "play", ""),
            "propensity": np.full(pages * 6, 0.2),
        }
    ).with_columns(pl.col("action").replace("", None))
    if pinned:
        always = lines.head(600).with_columns(
            row_pos=pl.lit(1), col_pos=pl.lit(2), action=pl.lit("play"), propensity=pl.lit(1.0)
        )
        lines = pl.concat([lines, always.cast(lines.schema)])
    return lines


@pytest.mark.parametrize("pinned", [False, True])
def test_known_chances_are_found(pinned: bool) -> None:
    """Within sampling error, though attractive titles stand in front; pinned lines tell nothing."""
    found = Examination.of([service(40_000, pinned=pinned)])
    assert found.chances == pytest.approx(CHANCES, abs=0.06)


def test_a_plain_click_rate_would_be_wrong() -> None:
    """What the model is for: the naive rate by place overrates where the best titles stand."""
    lines = service(40_000).with_columns(acted=pl.col("action").is_not_null())
    rates = (
        lines.group_by("row_pos", "col_pos")
        .agg(pl.col("acted").mean())
        .sort(["row_pos", "col_pos"])
    )
    naive = rates["acted"].to_numpy() / rates["acted"].max()
    found = Examination.of([service(40_000)]).chances.reshape(-1)
    truth = CHANCES.reshape(-1)
    assert np.abs(found - truth).mean() < np.abs(naive - truth).mean()


def test_the_fit_is_a_maximum_of_the_likelihood() -> None:
    """No small step in any chance makes what happened likelier."""
    counts = Counts(
        place=np.array([0, 0, 1, 1, 2, 2]),
        group=np.array([0, 1, 0, 1, 0, 1]),
        shown=np.array([200.0, 300.0, 250.0, 250.0, 300.0, 200.0]),
        acted=np.array([90.0, 60.0, 70.0, 40.0, 30.0, 8.0]),
    )

    def likelihood(examined: np.ndarray, attracts: np.ndarray) -> float:
        chance = np.clip(examined[counts.place] * attracts[counts.group], 1e-12, 1 - 1e-12)
        passed = counts.shown - counts.acted
        return float((counts.acted * np.log(chance) + passed * np.log(1 - chance)).sum())

    examined, attracts = fit(counts, 3, iterations=5000)
    best = likelihood(examined, attracts)
    for index in range(1, 3):
        for step in (-0.02, 0.02):
            moved = examined.copy()
            moved[index] += step
            assert likelihood(moved, attracts) < best
    for index in range(2):
        for step in (-0.02, 0.02):
            moved = attracts.copy()
            moved[index] += step
            assert likelihood(examined, moved) < best


def test_without_any_act_everything_counts_as_seen() -> None:
    """Nothing can be told, and nothing is made up."""
    lines = service(10).with_columns(action=pl.lit(None, pl.String))
    assert Examination.of([lines]).chances.tolist() == [[1.0]]
    assert Examination.of([]).at(np.array([5]), np.array([7])).tolist() == [1.0]


def test_beyond_the_largest_page_the_last_place_stands() -> None:
    """A longer page than any that was logged gets its last row's and column's chances."""
    found = Examination(CHANCES).at(np.array([0, 9]), np.array([9, 0]))
    assert found.tolist() == [0.5, 0.6]
