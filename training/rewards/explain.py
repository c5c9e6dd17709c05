"""One real page's reward, term by term, for a person to read."""

from dataclasses import dataclass

import polars as pl

from genpage.errors import NotFoundError
from training.labels import row_weights
from training.rewards.labels import RewardLabels
from training.rewards.terms import IGNORED, act_terms


@dataclass(frozen=True, slots=True)
class Title:
    """An impressed title: what was done with it, what each term gave, how likely it was seen."""

    row: int
    column: int
    row_id: str
    entity_id: str
    title: str
    seen: bool | None
    examined: float
    estimated: float
    done: tuple[str, ...]
    terms: dict[str, float]
    reward: float
    counts: float  # reward x examined


@dataclass(frozen=True, slots=True)
class RowSum:
    """A row's reward, aggregated as declared."""

    row: int
    row_id: str
    title: str
    reward: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """A page's reward is the sum of what its titles count for."""

    page_id: str
    user_id: str
    at: float
    titles: tuple[Title, ...]
    rows: tuple[RowSum, ...]
    reward: float


def explain(labels: RewardLabels, page_id: str) -> Explanation:
    """The reward of a page of the folder, newest days searched first; `NotFoundError`."""
    folder = labels.folder
    for day in reversed(folder.days()):
        impressions = folder.impressions(day, day).filter(pl.col("page_id") == page_id)
        if len(impressions):
            return _explained(labels, page_id, impressions)
    raise NotFoundError(
        f"{folder.path} has no impression of a page {page_id!r}; its pages stand in impressions/"
    )


def _explained(labels: RewardLabels, page_id: str, impressions: pl.DataFrame) -> Explanation:
    lines, _ = labels.examined(impressions)
    acts = labels.with_lengths(labels.acts(lines)[0], lines)
    done: dict[int, list[str]] = {}
    for line, action, seconds, share in acts.select(
        "line", "action", "seconds", "share"
    ).iter_rows():
        watched = f" {seconds / 60:.0f} min" if action == "play" and seconds else ""
        done.setdefault(line, []).append(f"{action}{watched}{'' if share == 1 else ', later'}")
    terms: dict[int, dict[str, float]] = {}
    for line, term, worth in act_terms(acts, labels.rewards).iter_rows():
        held = terms.setdefault(line, {})
        held[term] = held.get(term, 0.0) + worth
    valued = labels.valued(impressions)
    estimates = labels.examination.at(
        valued["row_pos"].to_numpy().astype("int64"), valued["col_pos"].to_numpy().astype("int64")
    )
    names = {entity.id: entity.title for entity in labels.catalog.entities}
    titles = tuple(
        Title(
            row=line["row_pos"],
            column=line["col_pos"],
            row_id=line["row_id"],
            entity_id=line["entity_id"],
            title=names.get(line["entity_id"], "(left the catalog)"),
            seen=line["seen"],
            examined=line["examined"],
            estimated=float(estimate),
            done=tuple(done.get(line["line"], ())),
            terms=terms.get(line["line"], {IGNORED: line["reward"]} if line["examined"] else {}),
            reward=line["reward"],
            counts=line["weight"],
        )
        for line, estimate in zip(valued.iter_rows(named=True), estimates, strict=True)
    )
    shelves = {row.id: row.title for row in labels.catalog.rows}
    rows = []
    for (place, row_id), cells in valued.group_by("row_pos", "row_id", maintain_order=True):
        weights = cells["weight"].to_numpy().astype("float32")
        value = row_weights(weights, pl.Series([0]).to_numpy(), labels.aggregate)
        rows.append(
            RowSum(int(str(place)), str(row_id), shelves.get(str(row_id), ""), float(value[0]))
        )
    return Explanation(
        page_id,
        valued["user_id"][0],
        valued["ts"][0],
        titles,
        tuple(rows),
        float(valued["weight"].sum()),
    )
