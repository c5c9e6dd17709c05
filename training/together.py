"""Which titles members had together, counted from their events: the lists behind the signals.

``sit``: had by one member within 12 hours; a list's weight is the chance that a member who had the
first has the other too, shrunk where the first is rare. ``lift``: the same, divided by the
popularity of both instead (cosine of the two titles' sittings). ``any``: had by one member within
30 of their events, at any distance in time.

Shape legend: P pairs, V tokens, N events.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from genpage.catalog import Catalog
from tokenizer.content import terms
from tokenizer.history import Histories
from tokenizer.neighbours import Neighbours
from tokenizer.signals import Kind, Signals
from tokenizer.symbols import ITEM_START
from tokenizer.vocabulary import IntArray, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping

NEIGHBOURS = 100
TEXT_NEIGHBOURS = 64
# Pairs of a member's events that lie further apart than so many of their events are not counted.
LAGS = 30
SITTING_S = 12 * 3600.0
# As many made-up events with nothing beside them make a rare title's chances modest.
PRIOR = 5.0
_TEXT_TERMS = 60_000
_CHUNK = 512
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """All pairs of titles that a member had near each other, by the time of the later one."""

    size: int  # V
    ts: FloatArray  # (P,) ascending
    first: IntArray  # (P,) tokens
    second: IntArray  # (P,) tokens
    close: NDArray[np.bool_]  # (P,) within one sitting
    event_ts: FloatArray  # (N,) ascending
    event_token: IntArray  # (N,)
    text: Neighbours

    @classmethod
    def of(cls, histories: Histories, vocabulary: Vocabulary, catalog: Catalog) -> Self:
        """The pairs of all members' events, and the texts' neighbours."""
        sizes = np.diff(histories.offsets)
        member = np.repeat(np.arange(len(sizes)), sizes)
        parts = []
        for lag in range(1, LAGS + 1):
            earlier, later = histories.entity[:-lag], histories.entity[lag:]
            pairs = (member[:-lag] == member[lag:]) & (earlier != later)
            pairs &= (earlier >= ITEM_START) & (later >= ITEM_START)
            apart = (histories.ts[lag:] - histories.ts[:-lag])[pairs]
            parts.append(
                (histories.ts[lag:][pairs], earlier[pairs], later[pairs], apart < SITTING_S)
            )
        ts = np.concatenate([part[0] for part in parts])
        order = np.argsort(ts, kind="stable")
        by_time = np.argsort(histories.ts, kind="stable")
        return cls(
            vocabulary.size,
            ts[order],
            np.concatenate([part[1] for part in parts])[order],
            np.concatenate([part[2] for part in parts])[order],
            np.concatenate([part[3] for part in parts])[order],
            histories.ts[by_time],
            histories.entity[by_time],
            text_neighbours(vocabulary, catalog),
        )

    def before(self, at: float) -> Signals:
        """The lists as they were at ``at`` (Unix seconds), of what happened strictly before."""
        seen = int(np.searchsorted(self.event_ts, at, side="left"))
        counts = np.bincount(self.event_token[:seen], minlength=self.size) + PRIOR
        end = int(np.searchsorted(self.ts, at, side="left"))
        first, second, close = self.first[:end], self.second[:end], self.close[:end]
        near = self._counted(first[close], second[close])
        beside = self._counted(first, second)
        lists: Mapping[Kind, Neighbours] = {
            "sit": self._lists(near, near.counts / counts[near.first]),
            "lift": self._lists(
                near, near.counts / np.sqrt(counts[near.first] * counts[near.second])
            ),
            "any": self._lists(beside, beside.counts / counts[beside.first]),
            "text": self.text,
        }
        return Signals(lists)

    def _counted(self, first: IntArray, second: IntArray) -> "_Counts":
        """Both ways round, each pair once with its count."""
        keys = np.concatenate(
            [
                first.astype(np.int64) * self.size + second,
                second.astype(np.int64) * self.size + first,
            ]
        )
        keys, counts = np.unique(keys, return_counts=True)
        return _Counts(keys // self.size, keys % self.size, counts.astype(np.float64))

    def _lists(self, pairs: "_Counts", weights: FloatArray) -> Neighbours:
        return nearest(self.size, pairs.first, pairs.second, weights, NEIGHBOURS)


@dataclass(frozen=True, slots=True, eq=False)
class _Counts:
    """Distinct ordered pairs and how often each was seen."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    counts: FloatArray


def nearest(
    size: int,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    weights: FloatArray,
    most: int,
) -> Neighbours:
    """Of each ``first`` the ``most`` heaviest ``second``; of equals the one that came earlier.

    ``weights`` are above 0.
    """
    # One sort of one key is several times faster than three: the weight is the fraction.
    heaviest = float(weights.max(initial=0.0)) + 1.0
    order = np.argsort(first - weights / heaviest, kind="stable")
    first, second, weights = first[order], second[order], weights[order]
    starts = np.searchsorted(first, first, side="left")
    kept = np.arange(len(first)) - starts < most
    offsets = np.searchsorted(first[kept], np.arange(size + 1), side="left")
    return Neighbours(
        offsets.astype(np.int64),
        second[kept].astype(np.int32),
        weights[kept].astype(np.float32),
    )


def text_neighbours(vocabulary: Vocabulary, catalog: Catalog) -> Neighbours:
    """By the cosine of TF-IDF vectors of title, synopsis and cast."""
    if not catalog.entities:
        return Neighbours.none(vocabulary.size)
    vectorizer = TfidfVectorizer(analyzer=terms, max_features=_TEXT_TERMS, sublinear_tf=True)
    try:
        matrix = vectorizer.fit_transform(catalog.entities)
    except ValueError:  # no words in any text
        return Neighbours.none(vocabulary.size)
    tokens = vocabulary.item_tokens(catalog)[1].astype(np.int64)
    parts = []
    for start in range(0, len(tokens), _CHUNK):
        near = (matrix[start : start + _CHUNK] @ matrix.T).toarray()
        near[np.arange(len(near)), start + np.arange(len(near))] = 0.0
        most = min(TEXT_NEIGHBOURS, near.shape[1])
        best = np.argpartition(-near, most - 1, axis=1)[:, :most]
        row = np.repeat(np.arange(len(near)), most)
        weight = near[row, best.ravel()]
        parts.append((tokens[start + row], tokens[best.ravel()], weight))
    first, second, weights = (np.concatenate([part[n] for part in parts]) for n in range(3))
    kept = (weights > 0) & (first >= ITEM_START) & (second >= ITEM_START)
    return nearest(vocabulary.size, first[kept], second[kept], weights[kept], TEXT_NEIGHBOURS)
