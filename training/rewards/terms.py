"""The terms of an impression's reward: each a column, and their sum the reward.

Everything is an expression over acts (`training.rewards.acts`) and lines, so that what training
uses and what is explained to a person are the same numbers.
"""

import polars as pl

from training.rewards.declaration import Rewards

_HOUR = 3600.0
PLAY_TERMS = ("play", "completed", "hours", "binge")
IGNORED = "ignored"


def act_terms(acts: pl.DataFrame, rewards: Rewards) -> pl.DataFrame:
    """``line``, ``term``, ``worth`` of acts with their title's ``length_s`` (null: it has none)."""
    play, seconds = rewards.play, pl.col("seconds").fill_null(0.0)
    lengths = seconds / pl.col("length_s")
    share = lengths.clip(0.0, 1.0).fill_null(0.0).fill_nan(0.0)
    further = (lengths - 1.0).clip(0.0, play.most_binge).fill_null(0.0).fill_nan(0.0)
    is_play = pl.col("action") == "play"
    of_plays = (
        pl.lit(play.base),
        play.completed * share,
        play.hour * (seconds / _HOUR).clip(0.0, play.most_hours),
        play.binge * further,
    )
    others = rewards.actions.by_action()
    parts = [
        acts.filter(is_play).select(
            "line", pl.lit(term).alias("term"), (worth * pl.col("share")).alias("worth")
        )
        for term, worth in zip(PLAY_TERMS, of_plays, strict=True)
    ]
    parts.append(
        acts.filter(~is_play).select(
            "line",
            pl.col("action").alias("term"),
            (pl.col("action").replace_strict(others, return_dtype=pl.Float64) * pl.col("share"))
            .alias("worth"),
        )
    )  # fmt: skip
    return pl.concat(parts)


def line_rewards(lines: pl.DataFrame, terms: pl.DataFrame, rewards: Rewards) -> pl.DataFrame:
    """The lines with their ``reward``, and ``weight`` = reward x the chance that it was seen.

    ``lines`` have ``examined`` (a probability). What was acted on was seen; a passed-over title's
    small loss counts by how likely it was seen at all.
    """
    worth = terms.group_by("line").agg(pl.col("worth").sum().alias("acted"))
    acted = pl.col("acted").is_not_null()
    return (
        lines.join(worth, on="line", how="left", maintain_order="left")
        .with_columns(
            pl.when(acted).then(1.0).otherwise(pl.col("examined")).alias("examined"),
            pl.col("acted").fill_null(rewards.shown.ignored).alias("reward"),
        )
        .with_columns((pl.col("reward") * pl.col("examined")).alias("weight"))
        .drop("acted")
    )
