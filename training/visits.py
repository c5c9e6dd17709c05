"""Page requests as they really came: who asked, when, on what, and what was known of them then.

What pages are sampled for in training and judged for in evaluation. The request is the log's, the
context what lay strictly before it, and the grammar the one that serving would have started.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from dataset.folder import DataFolder, profile_of
from genpage.catalog import Catalog
from genpage.context import HISTORY_LIMIT, Context
from genpage.errors import DatasetError
from genpage.event import Event
from genpage.grammar import DecodedRow, PageGrammar
from genpage.injection import inject
from genpage.page import Page, PageRow
from genpage.request import PageRequest
from genpage.rules import Rules
from genpage.trends import TrendCounter, Trends
from model.sampling import SampledPage
from tokenizer.prompt import PromptEncoder
from tokenizer.vocabulary import IntArray
from training.bounds import COUNT, check
from training.timeline import TICK_S

_EVENT = (
    *("event_id", "user_id", "entity_id", "action", "ts", "duration_s"),
    *("page_id", "row_id", "row_pos", "col_pos"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """A request, and what was known of its member and of the service just before it."""

    request: PageRequest
    context: Context
    trends: Trends
    prompt: IntArray  # (n,)
    page_id: str  # of the page that was served then

    def grammar(self, catalog: Catalog, rules: Rules) -> PageGrammar:
        """A fresh page for this request, by serving's own rules."""
        return PageGrammar.start(catalog, rules, self.context, self.request, self.trends)


@dataclass(frozen=True, slots=True)
class PageSize:
    """How large the pages are that are asked for."""

    rows: int = 10
    entities_per_row: int = 20

    def __post_init__(self) -> None:
        """A page without a place is none."""
        check(self, rows=COUNT, entities_per_row=COUNT)


@dataclass(frozen=True, slots=True, eq=False)
class Visits:
    """Visits in the order of their time."""

    catalog: Catalog
    visits: tuple[Visit, ...]

    @classmethod
    def read(
        cls,
        folder: DataFolder,
        catalog: Catalog,
        encoder: PromptEncoder,
        days: Sequence[str],
        *,
        count: int,
        size: PageSize,
        seed: int = 0,
    ) -> Self:
        """``count`` of the pages that were asked for on these days (all, where there are fewer)."""
        asked = pl.concat(
            [
                folder.impressions(
                    day, day, columns=("page_id", "user_id", "ts", "device", "locale")
                ).unique("page_id", keep="first", maintain_order=True)
                for day in days
            ]
        )
        if not len(asked):
            raise DatasetError(f"{folder.path} has no pages on {days[0]} to {days[-1]}")
        chosen = np.random.default_rng(seed).permutation(len(asked))[:count]
        asked = asked[np.sort(chosen).astype(np.uint32)].sort("ts", maintain_order=True)
        events = folder.events(last=days[-1], columns=_EVENT)
        wanted = events.filter(pl.col("user_id").is_in(asked["user_id"].unique().implode()))
        histories: dict[str, tuple[Event, ...]] = {
            str(key[0]): tuple(Event(**line) for line in lines.iter_rows(named=True))
            for key, lines in wanted.partition_by(
                "user_id", as_dict=True, maintain_order=True
            ).items()
        }
        profiles = {
            line["user_id"]: profile_of(line) for line in folder.profiles().iter_rows(named=True)
        }
        counter, counted = TrendCounter(catalog), 0
        times, titles = events["ts"].to_numpy(), events["entity_id"]
        visits, trends, ticked = [], Trends.none(catalog), float("-inf")
        for line in asked.iter_rows(named=True):
            tick = float(np.floor(line["ts"] / TICK_S) * TICK_S)
            if tick > ticked:
                end = int(np.searchsorted(times, tick, side="left"))
                for index in range(counted, end):
                    counter.add(titles[index], float(times[index]))
                counted, ticked = end, tick
                trends = counter.snapshot()
                injection = inject(catalog, trends, tick)
            every = [e for e in histories.get(line["user_id"], ()) if e.ts < line["ts"]]
            kept = tuple(every[-HISTORY_LIMIT:])
            context = Context(
                line["user_id"],
                profiles.get(line["user_id"]),
                kept,
                dropped=len(every) - len(kept),
                revision=len(every) + 1,
            )
            request = PageRequest(
                line["user_id"],
                line["ts"],
                rows=size.rows,
                entities_per_row=size.entities_per_row,
                device=line["device"],
                locale=line["locale"],
            )
            prompt = encoder.encode(context, request, injection).tokens
            visits.append(Visit(request, context, trends, prompt, line["page_id"]))
        return cls(catalog, tuple(visits))

    def page(self, sampled: SampledPage) -> Page:
        """A sampled page by ids."""
        return self.page_of(sampled.rows)

    def page_of(self, rows: Sequence[DecodedRow]) -> Page:
        """A page of rows by ids."""
        catalog = self.catalog
        return Page(
            tuple(
                PageRow(
                    catalog.rows[row.row].id, tuple(catalog.entities[e].id for e in row.entities)
                )
                for row in rows
            )
        )
