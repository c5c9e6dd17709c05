"""After each event of a history: which new title next? The densest supervision that there is.

One pass over a member's history asks after every event of it (SASRec, Kang and McAuley 2018, with
METHOD's four tokens an event), each time as the next event's own moment would have asked it: the
time since the last event (`model.signals.Asks`), the trend counts of then, the lists of titles
that go together as they were known then (`Moments`). Titles that the member had, and titles that
nobody had yet, are no candidates; an event with a title that the member had before is no target.

Shape legend: T tokens, K targets, E known entities, H half-lives, S sparse values, C pairs.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from genpage.catalog import SECONDS_A_DAY
from genpage.injection import Injection
from genpage.trends import SIGNAL_HALF_LIVES_S
from model.packing import Packing
from tokenizer.buckets import SINCE_EDGES
from tokenizer.prompt import PromptEncoder
from tokenizer.signals import ACTIVE, FIRST_KIND, LONG, PACES, Recent, Signals, active, recent
from tokenizer.symbols import ITEM_START, SYMBOL_IDS
from tokenizer.vocabulary import IntArray
from tokenizer.window import TOKENS_AN_EVENT
from training.batches import ID_DROPOUT, UNSEEN_SHARE
from training.timeline import Timeline
from training.together import Together

# Counts are taken at such ticks while training; serving and evaluation know them to the event.
TICK_S = 3 * 3600.0
# Lists are as of the last such day; the newest days' own lists are made daily.
LISTS_S = 7 * SECONDS_A_DAY
DAILY_LISTS_S = 10 * SECONDS_A_DAY


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One member's history with its questions; positions count from its first token."""

    tokens: IntArray  # (T,)
    positions: IntArray  # (K,) the last token of the event after which it is asked
    events: NDArray[np.int64]  # (K,) the events that came, by their place in the histories
    first: int  # the member's first event's place


@dataclass(frozen=True, slots=True, eq=False)
class Tick:
    """Counts at one moment, as logarithms; of the titles in demand (A) by all half-lives."""

    long: torch.Tensor  # (LONG, E) float16
    hot: torch.Tensor  # (ACTIVE,) titles; padded with title 0
    paces: torch.Tensor  # (ACTIVE, H); padded with zeros
    is_hot: torch.Tensor  # (ACTIVE,) False where padded

    @classmethod
    def of(cls, paces: NDArray[np.float32]) -> Self:
        """Of (H, E)."""
        found = active(paces)
        hot, held = np.zeros(ACTIVE, np.int64), np.zeros((ACTIVE, PACES), np.float32)
        hot[: len(found)], held[: len(found)] = found, paces[:, found].T
        return cls(
            torch.from_numpy(paces[list(LONG)].astype(np.float16)),
            torch.from_numpy(hot),
            torch.from_numpy(held),
            torch.from_numpy(np.arange(ACTIVE) < len(found)),
        )


@dataclass(slots=True, eq=False)
class Moments:
    """What was known when: trend counts by tick, lists by week or day. Remembers what it made."""

    timeline: Timeline
    together: Together
    newest: (
        float  # Unix seconds: training's end; the lists of the last days before it are made daily
    )
    _place: NDArray[np.int64]  # (V,) a token's place among the known entities, -1
    lists_until: float = np.inf  # no newer lists than of then: a model that is not updated
    _counted: float = -np.inf
    _position: int = 0
    _counts: NDArray[np.float64] | None = None
    _ticks: dict[float, Tick] = field(default_factory=dict)
    _lists: dict[float, Signals] = field(default_factory=dict)

    @classmethod
    def of(cls, timeline: Timeline, together: Together, place: NDArray[np.int64]) -> Self:
        """Over the known entities that ``place`` numbers."""
        return cls(timeline, together, -np.inf, place)

    def learn(self, times: NDArray[np.float64]) -> None:
        """Prepare `tick` for these moments, in one pass over the events from the last one on."""
        ticks = np.unique(np.floor(times / TICK_S) * TICK_S)
        wanted = [tick for tick in ticks.tolist() if tick not in self._ticks]
        if not wanted:
            return
        lives = np.array(SIGNAL_HALF_LIVES_S)
        if self._counts is None or wanted[0] < self._counted:
            known = int(self._place.max(initial=-1)) + 1
            self._counts, self._position, self._counted = np.zeros((PACES, known)), 0, wanted[0]
        ts, tokens = self.together.event_ts, self.together.event_token
        for tick in wanted:
            self._counts *= 0.5 ** ((tick - self._counted) / lives)[:, None]
            end = int(np.searchsorted(ts, tick, side="left"))
            new = slice(self._position, end)
            places = self._place[tokens[new]]
            known_ones = places >= 0
            weights = 0.5 ** ((tick - ts[new])[known_ones] / lives[:, None])
            for line, weight in enumerate(weights):
                counted = np.bincount(places[known_ones], weight, self._counts.shape[1])
                self._counts[line] += counted
            self._position, self._counted = end, tick
            self._ticks[tick] = Tick.of(np.log1p(self._counts).astype(np.float32))

    def tick(self, at: float) -> "Tick":
        """The counts at the last tick before ``at``."""
        return self._ticks[float(np.floor(at / TICK_S) * TICK_S)]

    def lists(self, at: float) -> Signals:
        """The lists as of the last day (or week) before ``at``."""
        step = SECONDS_A_DAY if at > self.newest - DAILY_LISTS_S else LISTS_S
        return self.lists_at(min(float(np.floor(at / step) * step), self.lists_until))

    def lists_at(self, known: float) -> Signals:
        """The lists of what happened strictly before ``known``."""
        if known not in self._lists:
            self._lists[known] = self.together.before(known)
        return self._lists[known]

    def forget(self, before: float) -> None:
        """Drop what only moments before ``before`` need."""
        self._ticks = {tick: paces for tick, paces in self._ticks.items() if tick >= before}
        self._lists = {
            known: lists
            for known, lists in self._lists.items()
            if known >= before or known % LISTS_S == 0
        }


@dataclass(frozen=True, slots=True, eq=False)
class QuestionBatch:
    """Packed histories with their questions."""

    tokens: torch.Tensor  # (T,)
    packing: Packing
    identity: torch.Tensor  # (V,)
    positions: torch.Tensor  # (K,)
    since: torch.Tensor  # (K,) buckets
    places: torch.Tensor  # (K,) what came, among the known entities
    long: torch.Tensor  # (K, LONG, E) float16
    hot: torch.Tensor  # (K, A) titles in demand
    paces: torch.Tensor  # (K, A, H) their counts
    is_hot: torch.Tensor  # (K, A)
    sparse_at: torch.Tensor  # (2, S) question and entity
    sparse_kind: torch.Tensor  # (S,) which signal
    sparse: torch.Tensor  # (S,)
    closed: torch.Tensor  # (2, C) question and entity: had before
    unseen: torch.Tensor  # (K, E) nobody had it yet


class QuestionStream:
    """Builds histories and packs them."""

    def __init__(
        self,
        timeline: Timeline,
        encoder: PromptEncoder,
        moments: Moments,
        fallbacks: NDArray[np.int32],
        place: NDArray[np.int64],
    ) -> None:
        self._timeline = timeline
        self._encoder = encoder
        self._moments = moments
        self._fallbacks = fallbacks
        self._place = place
        histories = timeline.histories
        sizes = np.diff(histories.offsets)
        self._member = np.repeat(np.arange(len(sizes)), sizes)
        self._user_ids = tuple(histories.members)
        self._first_seen = np.full(int(place.max(initial=-1)) + 1, np.inf)
        known = place[histories.entity] >= 0
        np.minimum.at(self._first_seen, place[histories.entity][known], histories.ts[known])
        self._is_title = place >= 0

    def between(self, since: float, until: float) -> list[Asked]:
        """The histories that ask about all events in ``[since, until)``, by member."""
        histories = self._timeline.histories
        token, ts = histories.entity, histories.ts
        wanted = (
            (ts >= since) & (ts < until) & self._timeline.first_time & (self._place[token] >= 0)
        )
        wanted[histories.offsets[:-1][np.diff(histories.offsets) > 0]] = False
        # A title that nobody had before is no candidate, so it is no target either.
        wanted[wanted] &= self._first_seen[self._place[token[wanted]]] < ts[wanted]
        targets = np.flatnonzero(wanted)
        asked = []
        for member in np.unique(self._member[targets]).tolist():
            first, end = (int(histories.offsets[member + n]) for n in (0, 1))
            mine = targets[slice(*np.searchsorted(targets, [first, end]))]
            while len(mine):
                cut = int(mine[-1]) - first
                start = self._encoder.window.start(cut)
                held = mine[mine > first + start]
                if len(held):
                    asked.append(self._asked(member, first, cut, start, held))
                mine = mine[: len(mine) - max(1, len(held))]
        return asked

    def _asked(
        self, member: int, first: int, cut: int, start: int, targets: NDArray[np.int64]
    ) -> Asked:
        user_id = self._user_ids[member]
        prompt = self._timeline.histories.prompt(
            self._encoder,
            member,
            cut,
            at=float(self._timeline.histories.ts[targets[-1]]),
            device="web",
            profile=self._timeline.profiles.get(user_id),
            injection=Injection(),
        )
        history = prompt.segment("history")
        positions = history.start + TOKENS_AN_EVENT * (targets - first - start)
        return Asked(prompt.tokens[: history.end], positions.astype(np.int32), targets, first)

    def packed(self, asked: Sequence[Asked], targets: int) -> Iterator[QuestionBatch]:
        """Batches of about so many targets, in the order given, with every ID worn."""
        for chosen in groups(asked, targets):
            yield self.batch(chosen, None)

    def batch(self, chosen: Sequence[Asked], chance: np.random.Generator | None) -> QuestionBatch:
        """Pack histories; without ``chance`` every token keeps its ID."""
        histories, moments = self._timeline.histories, self._moments
        tokens = np.concatenate([each.tokens for each in chosen]).astype(np.int64)
        identity = np.arange(len(self._fallbacks), dtype=np.int64)
        if chance is not None:
            dropped = chance.random(len(identity)) < ID_DROPOUT
            identity = np.where(dropped, self._fallbacks, identity)
            lost = (chance.random(len(tokens)) < UNSEEN_SHARE) & self._is_title[tokens]
            tokens[lost] = SYMBOL_IDS["unseen:entity"]
        starts = np.cumsum([0, *(len(each.tokens) for each in chosen)])[:-1]
        events = np.concatenate([each.events for each in chosen])
        times, before = histories.ts[events], histories.ts[events - 1]
        since = [1 + bisect_right(SINCE_EDGES, gap) for gap in (times - before).tolist()]
        moments.learn(times)
        ticks = [moments.tick(at) for at in times.tolist()]
        sparse = _Sparse()
        closed: list[NDArray[np.int64]] = []
        number = 0
        for each in chosen:
            for position, event in zip(each.positions.tolist(), each.events.tolist(), strict=True):
                newest = recent(_history_until(each.tokens, position))
                sparse.add(number, moments.lists(float(histories.ts[event])), newest, self._place)
                had = np.unique(self._place[histories.entity[each.first : event]])
                had = had[had >= 0]
                closed.append(np.stack([np.full(len(had), number), had]))
                number += 1
        positions = [e.positions + start for e, start in zip(chosen, starts, strict=True)]
        return QuestionBatch(
            tokens=torch.from_numpy(tokens),
            packing=Packing(tuple(len(each.tokens) for each in chosen)),
            identity=torch.from_numpy(identity.astype(np.int64)),
            positions=torch.from_numpy(np.concatenate(positions).astype(np.int64)),
            since=torch.tensor(since),
            places=torch.from_numpy(self._place[histories.entity[events]]),
            long=torch.stack([tick.long for tick in ticks]),
            hot=torch.stack([tick.hot for tick in ticks]),
            paces=torch.stack([tick.paces for tick in ticks]),
            is_hot=torch.stack([tick.is_hot for tick in ticks]),
            sparse_at=torch.from_numpy(sparse.at()),
            sparse_kind=torch.from_numpy(sparse.kind()),
            sparse=torch.from_numpy(sparse.value()),
            closed=torch.from_numpy(np.concatenate(closed, axis=1).astype(np.int64)),
            unseen=torch.from_numpy(self._first_seen[None, :] >= times[:, None]),
        )


def groups(asked: Sequence[Asked], targets: int) -> Iterator[list[Asked]]:
    """What makes one batch each: histories, in their order, of about so many targets together."""
    chosen: list[Asked] = []
    count = 0
    for each in asked:
        if chosen and count + len(each.events) > targets:
            yield chosen
            chosen, count = [], 0
        chosen.append(each)
        count += len(each.events)
    if chosen:
        yield chosen


def _history_until(tokens: IntArray, position: int) -> IntArray:
    """The history's tokens up to ``position``."""
    start = int(np.argmax(tokens == SYMBOL_IDS["<history>"])) + 1
    return tokens[start : position + 1]


class _Sparse:
    """Collects the signals of titles that go with recent ones."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, int, NDArray[np.int64], NDArray[np.float32]]] = []

    def add(self, number: int, lists: Signals, newest: Recent, place: NDArray[np.int64]) -> None:
        """The titles of question ``number``."""
        for kind, (tokens, felt) in enumerate(lists.sparse(newest), start=FIRST_KIND):
            at = place[tokens]
            self._parts.append((number, kind, at[at >= 0], felt[at >= 0]))

    def at(self) -> NDArray[np.int64]:
        """(2, S)."""
        number = np.repeat([part[0] for part in self._parts], self._sizes())
        return np.stack([number, np.concatenate([part[2] for part in self._parts])])

    def kind(self) -> NDArray[np.int64]:
        """(S,)."""
        return np.repeat([part[1] for part in self._parts], self._sizes())

    def value(self) -> NDArray[np.float32]:
        """(S,)."""
        return np.concatenate([part[3] for part in self._parts])

    def _sizes(self) -> list[int]:
        return [len(part[2]) for part in self._parts]


def title_places(vocabulary_items: Sequence[str], size: int) -> NDArray[np.int64]:
    """(size,) each title token's place among the known titles, in vocabulary order; -1 elsewhere.

    ``vocabulary_items`` are the items' nouns.
    """
    place = np.full(size, -1, np.int64)
    tokens = [ITEM_START + n for n, noun in enumerate(vocabulary_items) if noun == "entity"]
    place[tokens] = np.arange(len(tokens))
    return place
