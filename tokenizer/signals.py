"""What the moment says of each title, beside the prompt: numbers that the model's scores weigh.

METHOD's "context": recent counts, so that a frozen model follows trends, and which titles go with
what the member just had, so that what is done now acts on the next page. A signal is a number a
title; `model.signals` learns from the hidden state how much each counts, and adds it to the
title's score. A page's signals are a pure function of its prompt's tokens, of the trend counts
that were pinned with it and of the lists in the bundle.

========= =========================================================================
``heat``  of the `ACTIVE` titles in most demand these days: what a small network makes of the
          decayed counts by all of `SIGNAL_HALF_LIVES_S` (`model.signals.Heat`)
``pace``  the logarithm of the decayed counts by the long half-lives alone, of every title
``sit``   titles that members had within 12 hours of those in this member's last sitting
``lift``  the same, where it is not their popularity that explains it
``any``   titles that members had at any time beside this member's last ones
``text``  titles whose texts are like those of this member's last sitting
========= =========================================================================

Shape legend: F signals, E entities of a catalog, V tokens, H half-lives.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from genpage.errors import CheckpointError
from genpage.sources import Sources
from genpage.trends import SIGNAL_HALF_LIVES_S, Trends
from tokenizer.buckets import AGES, GAP_EDGES, SINCE_NAMES
from tokenizer.neighbours import Neighbours
from tokenizer.prompt import DURATION_START, TIME_START
from tokenizer.symbols import ITEM_START, SYMBOL_IDS
from tokenizer.vocabulary import IntArray
from tokenizer.window import TOKENS_AN_EVENT

FloatArray = NDArray[np.float32]
Kind = Literal["sit", "lift", "any", "text"]
KINDS: tuple[Kind, ...] = get_args(Kind)
PACES = len(SIGNAL_HALF_LIVES_S)
HEATS, HEAT_WIDTH = 8, 16
# The paces that stand for themselves, by their place among the half-lives: a month's, a year's.
LONG = (3, 4)
# Titles in demand are those with the highest counts of this half-life (5 days).
ACTIVE, ACTIVE_PACE = 1024, 2
FIRST_PACE = HEATS
FIRST_KIND = HEATS + len(LONG)
SIGNALS = FIRST_KIND + len(KINDS)
# How many of the newest events count, and how much less each earlier one does.
REACH: Mapping[Kind, int] = {"sit": 6, "lift": 6, "any": 20, "text": 6}
FADE: Mapping[Kind, float] = {"sit": 0.8, "lift": 0.8, "any": 0.95, "text": 0.8}
# A weight w is felt as log(1 + STRETCH w): a chance of 3% as much as two counts.
STRETCH = np.float32(30.0)
_HISTORY, _NEW = SYMBOL_IDS["<history>"], SYMBOL_IDS["<new>"]
_SAME_SITTING = len(GAP_EDGES)  # gap buckets below it


def signal_parameters(width: int) -> int:
    """How many numbers weigh them and what sessions say, beside hidden states (width,)."""
    heat = PACES * HEAT_WIDTH + HEAT_WIDTH + HEAT_WIDTH * HEATS
    return SIGNALS * (width + 1 + len(SINCE_NAMES)) + heat + 2 * len(SINCE_NAMES) * width


def heard_of(sources: Sources) -> FloatArray:
    """(F,) 1 for the signals of sources that are on, 0 for the others."""
    heard = np.ones(SIGNALS, np.float32)
    heard[:FIRST_KIND] = sources.trending
    heard[FIRST_KIND:] = sources.together
    return heard


@dataclass(frozen=True, slots=True, eq=False)
class Recent:
    """A member's newest events: whose neighbours count, and how much. Newest first."""

    tokens: IntArray  # (n,)
    in_sitting: NDArray[np.bool_]  # (n,) had in one sitting with the newest

    def shares(self, kind: Kind) -> FloatArray:
        """(n,) how much each event counts for a kind; 0 past its reach."""
        age = np.arange(len(self.tokens))
        counts = (age < REACH[kind]) & (self.tokens >= ITEM_START)
        if kind != "any":
            counts &= self.in_sitting
        shares: FloatArray = np.where(counts, FADE[kind] ** age, 0.0).astype(np.float32)
        return shares


def recent(history: IntArray) -> Recent:
    """Of the history's tokens (4 n,), oldest first: four an event (`tokenizer.prompt`)."""
    events = history.reshape(-1, TOKENS_AN_EVENT)[-max(REACH.values()) :][::-1]
    gaps = (events[:, 2] - TIME_START) // AGES
    # An event is of the newest one's sitting where no later one followed after more than 12 hours.
    apart = np.concatenate([[False], gaps[:-1] >= _SAME_SITTING])[: len(events)]
    return Recent(events[:, 0].astype(np.int32), ~np.logical_or.accumulate(apart))


def history_of(prompt: IntArray) -> IntArray:
    """The tokens of a prompt's history segment, its opening token left out.

    The prompt may end with it.
    """
    start = int(np.argmax(prompt == _HISTORY)) + 1
    behind = np.flatnonzero(prompt[start:] == _NEW)
    end = start + int(behind[0]) if len(behind) else len(prompt)
    if not len(prompt) or prompt[start - 1] != _HISTORY or (end - start) % TOKENS_AN_EVENT:
        return prompt[:0]
    return prompt[start:end]


def active(paces: FloatArray) -> NDArray[np.int64]:
    """The titles in most demand, of (H, E): at most `ACTIVE`, none without any demand."""
    demand = paces[ACTIVE_PACE]
    if len(demand) > ACTIVE:
        hot = np.argpartition(-demand, ACTIVE - 1)[:ACTIVE].astype(np.int64)
    else:
        hot = np.arange(len(demand))
    return np.sort(hot[demand[hot] > 0])


@dataclass(frozen=True, slots=True, eq=False)
class Heat:
    """`model.signals.Heat` in NumPy."""

    inner: FloatArray  # (H, HEAT_WIDTH)
    bias: FloatArray  # (HEAT_WIDTH,)
    outer: FloatArray  # (HEAT_WIDTH, HEATS)

    def of(self, paces: FloatArray) -> FloatArray:
        """(H, n) logarithms of counts -> (HEATS, n)."""
        # Term by term, so that a title's number does not depend on the others'.
        inner = np.repeat(self.bias[:, None], paces.shape[1], axis=1)  # (HEAT_WIDTH, n)
        for pace, weight in zip(paces, self.inner, strict=True):
            inner += weight[:, None] * pace
        outer = np.zeros((HEATS, paces.shape[1]), np.float32)
        for line, weight in zip(np.maximum(inner, 0.0), self.outer, strict=True):
            outer += weight[:, None] * line
        return outer


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """The lists that signals are read from, by kind."""

    neighbours: Mapping[Kind, Neighbours]

    @classmethod
    def none(cls, tokens: int) -> "Signals":
        """No title goes with another."""
        return cls({kind: Neighbours.none(tokens) for kind in KINDS})

    def sparse(self, newest: Recent) -> list[tuple[IntArray, FloatArray]]:
        """By kind: the distinct titles that go with the newest events, and how much (log)."""
        found = []
        for kind in KINDS:
            shares = newest.shares(kind)
            counted = shares > 0
            tokens, weights = self.neighbours[kind].around(newest.tokens[counted], shares[counted])
            titles, index = np.unique(tokens, return_inverse=True)
            felt = np.log1p(STRETCH * np.bincount(index, weights, len(titles)))
            found.append((titles.astype(np.int32), felt.astype(np.float32)))
        return found

    def values(self, prompt: IntArray, trends: Trends, places: IntArray, heat: Heat) -> FloatArray:
        """(F, E) of a page with this prompt. ``places`` (V,) are tokens' catalog indices, or -1."""
        entities = len(trends.scores)
        values = np.zeros((SIGNALS, entities), np.float32)
        if trends.paces is not None:
            paces = np.log1p(trends.paces)  # (H, E)
            hot = active(paces)
            values[:HEATS, hot] = heat.of(paces[:, hot])
            values[FIRST_PACE:FIRST_KIND] = paces[list(LONG)]
        found = self.sparse(recent(history_of(prompt)))
        for row, (tokens, felt) in enumerate(found, start=FIRST_KIND):
            at = places[tokens]
            values[row, at[at >= 0]] = felt[at >= 0]
        return values

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """As arrays, for `from_arrays`."""
        parts = [self.neighbours[kind].to_arrays(kind) for kind in KINDS]
        return {name: array for part in parts for name, array in part.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Signals":
        """The lists of `to_arrays`; anything else is a `CheckpointError`."""
        return cls({kind: Neighbours.from_arrays(kind, arrays) for kind in KINDS})


def places_of(entity_tokens: IntArray, tokens: int) -> IntArray:
    """(tokens,) each token's catalog index, -1 where it is no title of the catalog's."""
    places = np.full(tokens, -1, np.int32)
    places[entity_tokens] = np.arange(len(entity_tokens), dtype=np.int32)
    places[:ITEM_START] = -1
    return places


if (DURATION_START - TIME_START) // AGES != _SAME_SITTING + 1:  # pragma: no cover
    raise CheckpointError("the time tokens are not the buckets' product. This is a bug.")
