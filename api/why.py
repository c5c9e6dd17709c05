"""Why each row of a page stands there: computed when a person asks, never while a page is made.

Two questions apart. Why this row rather than another: its score beside the next best one's, as the
engine noted them (`runtime.choice`). Why these titles: what their appeal owes to each ground
(`tokenizer.grounds`), more than that of an average title which the member may see; and plain counts
of what the row holds, which owe nothing to the model.

Shape legend: E entities by catalog index.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from api.plan import Plan
from api.served import Served
from genpage.catalog import SECONDS_A_DAY, Catalog
from genpage.context import Context
from genpage.eligibility import eligible
from genpage.event import Action
from genpage.grammar import DecodedRow
from genpage.member_rows import TRENDING_LIMIT, listed, unfinished
from tokenizer.grounds import Ground

FloatArray = NDArray[np.float32]
# Told of a row, at most; and from how many logits on, one seventh of its strongest at least.
MOST_GROUNDS = 3
_LEAST_LOGITS = 0.05
_LEAST_SHARE = 1 / 7
# What counts as lately, in titles of the member's own and in days since a title's release.
LATELY_TITLES = 20
NEW_DAYS = 14
# A row is about a genre where at least this share of its titles are of it, and so much more than
# of the catalog's: what is in everything tells nothing.
_ABOUT, _MORE = 0.5, 1.5
_LIKED: frozenset[Action] = frozenset({"play", "thumbs_up", "add_to_list"})


@dataclass(frozen=True, slots=True)
class GroundShare:
    """A ground and what it gives: logits a title, above an average title's."""

    ground: Ground
    logits: float


@dataclass(frozen=True, slots=True)
class GenreFact:
    """Of the member's latest ``of`` titles, ``yours`` are of a genre that the row is about."""

    genre: str
    yours: int
    of: int


@dataclass(frozen=True, slots=True)
class Facts:
    """How many of a row's titles the member had to do with, and how many are watched or new now."""

    titles: int
    begun: int
    listed: int
    played: int
    trending: int
    new: int
    genre: GenreFact | None


@dataclass(frozen=True, slots=True)
class Reasons:
    """Of one row."""

    grounds: tuple[GroundShare, ...]
    facts: Facts


@dataclass(frozen=True, slots=True)
class Explanation:
    """Of a page's rows; ``told`` says whether there was a model that could tell grounds."""

    told: bool
    rows: tuple[Reasons, ...]


def explain(plan: Plan, rows: Sequence[DecodedRow], model: Served | None) -> Explanation:
    """``model`` made the page; without it, or where it learnt no grounds, there are only facts."""
    about = _Member.of(plan)
    owed = None if model is None else model.grounds(plan.context, plan.request, plan.trends)
    if owed is None:
        return Explanation(told=False, rows=tuple(Reasons((), about.facts(row)) for row in rows))
    may_see = eligible(plan.model.catalog, plan.model.rules, about.context, plan.request)
    usual = {ground: _mean(each[may_see]) for ground, each in owed.items()}
    return Explanation(
        told=True,
        rows=tuple(Reasons(_strongest(row, owed, usual), about.facts(row)) for row in rows),
    )


def _strongest(
    row: DecodedRow, owed: Mapping[Ground, FloatArray], usual: Mapping[Ground, float]
) -> tuple[GroundShare, ...]:
    """The strongest first; nothing that speaks against the row, nor next to nothing."""
    titles = list(row.entities)
    found = [
        GroundShare(ground, _mean(each[titles]) - usual[ground]) for ground, each in owed.items()
    ]
    found.sort(key=lambda share: -share.logits)
    least = max(_LEAST_LOGITS, _LEAST_SHARE * found[0].logits)
    return tuple(share for share in found[:MOST_GROUNDS] if share.logits >= least)


@dataclass(frozen=True, slots=True)
class _Member:
    """What a member did before the page, looked up once for all its rows."""

    catalog: Catalog
    context: Context
    at: float
    begun: frozenset[str]
    listed: frozenset[str]
    played: frozenset[str]
    trending: frozenset[int]
    lately: tuple[int, ...]
    genres: Counter[str]

    @classmethod
    def of(cls, plan: Plan) -> "_Member":
        """As the page saw them."""
        catalog = plan.model.catalog
        context = plan.context.before(plan.request.at)
        liked = [event.entity_id for event in context.events if event.action in _LIKED]
        lately = catalog.indices(list(dict.fromkeys(reversed(liked)))[:LATELY_TITLES])
        return cls(
            catalog,
            context,
            plan.request.at,
            frozenset(unfinished(catalog, context)),
            frozenset(listed(context)),
            frozenset(event.entity_id for event in context.events if event.action == "play"),
            frozenset(plan.trends.top(TRENDING_LIMIT)),
            lately,
            Counter(genre for index in lately for genre in set(catalog.entities[index].genres)),
        )

    def facts(self, row: DecodedRow) -> Facts:
        """Counts over the row's titles."""
        entities = [self.catalog.entities[index] for index in row.entities]
        since = self.at - NEW_DAYS * SECONDS_A_DAY
        return Facts(
            titles=len(entities),
            begun=sum(entity.id in self.begun for entity in entities),
            listed=sum(entity.id in self.listed for entity in entities),
            played=sum(entity.id in self.played for entity in entities),
            trending=sum(index in self.trending for index in row.entities),
            new=sum(e.released_at is not None and since <= e.released_at for e in entities),
            genre=self._genre(row),
        )

    def _genre(self, row: DecodedRow) -> GenreFact | None:
        """Of the genres that the row is about, the one that the member watched most lately."""
        titles = list(row.entities)
        shares = {name: float(has[titles].mean()) for name, has in self.catalog.by_genre.items()}
        about = {
            name: share
            for name, share in shares.items()
            if share >= max(_ABOUT, _MORE * float(self.catalog.by_genre[name].mean()))
        }
        best = max(about, key=lambda genre: (self.genres[genre], about[genre]), default=None)
        if best is None or not self.genres[best]:
            return None
        return GenreFact(best, self.genres[best], len(self.lately))


def _mean(logits: FloatArray) -> float:
    return float(logits.mean()) if len(logits) else 0.0
