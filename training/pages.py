"""Impressed pages, as columns of tokens and target weights.

Which pages are taken and what a title counts for are the objective's business (`training.labels`).

Shape legend: P pages, N page tokens (rows and entities) of all pages together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dataset.folder import DataFolder
from genpage.request import Device
from tokenizer.symbols import ITEM_START, SYMBOL_IDS
from tokenizer.vocabulary import IntArray, Vocabulary
from training.labels import Aggregate, Labels, PositiveFeedback, row_weights
from training.late import LateActs

_COLUMNS = (
    *("page_id", "user_id", "ts", "row_pos", "col_pos", "row_id", "entity_id"),
    *("seen", "action", "device"),
    "duration_s",
    "propensity",  # a folder that has it wrong is refused, whoever uses it
)
_POSITIVE = PositiveFeedback()
# A page of a streaming service with its prompt rarely takes fewer: a batch holds no more pages than
# its tokens have room for.
FEWEST_TOKENS = 128


@dataclass(frozen=True, slots=True)
class Sharding:
    """Which pages are held: those of the shards ``mine``, of ``count`` that share all pages.

    A day's pages go to the shards in turn, whoever reads them.
    """

    count: int = 1
    mine: tuple[int, ...] = (0,)


WHOLE = Sharding()


@dataclass(frozen=True, slots=True, eq=False)
class Pages:
    """Pages in an order. Page ``p`` is tokens ``offsets[p]:offsets[p + 1]``.

    ``sizes`` counts the pages of each shard, held here or not.
    """

    page_ids: tuple[str, ...]  # P
    user_ids: tuple[str, ...]  # P
    devices: tuple[Device, ...]  # P
    ts: NDArray[np.float64]  # (P,) Unix seconds
    offsets: NDArray[np.int64]  # (P + 1,)
    tokens: IntArray  # (N,) row, its entities, next row...
    weights: NDArray[np.float32]  # (N,) as targets
    is_row: NDArray[np.bool_]  # (N,)
    shard: NDArray[np.int32]  # (P,)
    sizes: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.page_ids)

    def tokens_of(self, page: int) -> slice:
        """Where a page stands in the token columns."""
        return slice(int(self.offsets[page]), int(self.offsets[page + 1]))

    def taken(self, places: NDArray[np.int64]) -> "Pages":
        """Those pages, in that order, as if there were no others."""
        lengths = np.diff(self.offsets)[places]
        offsets = np.cumsum([0, *lengths], dtype=np.int64)
        # (N',) each token's place here: its page's first one and how far it stands behind it.
        tokens = np.arange(offsets[-1]) + np.repeat(self.offsets[places] - offsets[:-1], lengths)
        shard = self.shard[places]
        return Pages(
            page_ids=tuple(self.page_ids[place] for place in places),
            user_ids=tuple(self.user_ids[place] for place in places),
            devices=tuple(self.devices[place] for place in places),
            ts=self.ts[places],
            offsets=offsets,
            tokens=self.tokens[tokens],
            weights=self.weights[tokens],
            is_row=self.is_row[tokens],
            shard=shard,
            sizes=tuple(np.bincount(shard, minlength=len(self.sizes)).tolist()),
        )

    @classmethod
    def read(
        cls,
        folder: DataFolder,
        vocabulary: Vocabulary,
        days: Sequence[str],
        most: int | None,
        *,
        until: float = float("inf"),
        labels: Labels = _POSITIVE,
        sharding: Sharding = WHOLE,
    ) -> "Pages":
        """The pages of ``days``, newest days first until there are ``most`` (None: all).

        Pages that were acted on at ``until`` (Unix seconds) or later are left out
        (`training.late`). A day is read at a time, so that memory holds what is kept and one day:
        of several processes each keeps its own shards.
        """
        late = LateActs.read(folder, until) if until < float("inf") else None
        parts: list[Pages] = []
        for day in sorted(days, reverse=True):
            if most is not None and sum(sum(part.sizes) for part in parts) >= most:
                break
            impressions = folder.impressions(day, day, columns=_COLUMNS)
            if late is not None:
                impressions = late.without(impressions)
            parts.insert(0, cls.of(impressions, vocabulary, labels, sharding))
        return cls.joined(parts, sharding.count)

    @classmethod
    def drawn(
        cls,
        folder: DataFolder,
        vocabulary: Vocabulary,
        day: str,
        wanted: int,
        chance: np.random.Generator,
        *,
        until: float = float("inf"),
        labels: Labels = _POSITIVE,
    ) -> "Pages":
        """``wanted`` of a day's pages, each as likely as the other, or all; as `read` has them.

        The others are not read: many days have a thousand times as many.
        """
        ids = folder.impressions(day, day, columns=("page_id",))["page_id"].unique().sort()
        order = chance.permutation(len(ids)).astype(np.uint32)
        late = LateActs.read(folder, until) if until < float("inf") else None
        parts: list[Pages] = []
        left, begun, portion = wanted, 0, wanted
        # Not every page is learnt from: more are looked at until there are enough.
        while left > 0 and begun < len(ids):
            chosen = ids[order[begun : begun + portion]]
            impressions = folder.impressions(day, day, columns=_COLUMNS, page_ids=chosen)
            if late is not None:
                impressions = late.without(impressions)
            part = cls.of(impressions, vocabulary, labels)
            parts.append(part.taken(np.sort(chance.permutation(len(part))[:left])))
            left, begun, portion = left - len(parts[-1]), begun + portion, 2 * portion
        found = cls.joined(parts)
        return found.taken(np.argsort(found.ts, kind="stable"))

    @classmethod
    def of(
        cls,
        impressions: pl.DataFrame,
        vocabulary: Vocabulary,
        labels: Labels = _POSITIVE,
        sharding: Sharding = WHOLE,
    ) -> "Pages":
        """The pages that ``labels`` learns from among ``impressions``."""
        cells = (
            labels.lines(impressions)
            .sort("ts", "page_id", "row_pos", "col_pos")
            .select(
                *("page_id", "user_id", "ts", "row_pos", "device", "weight"),
                _tokens("row_id", _row_tokens(vocabulary), "unseen:row").alias("row"),
                _tokens("entity_id", vocabulary.entity_tokens, "unseen:entity").alias("entity"),
            )
        )
        return cls._assembled(cells, labels.aggregate, sharding)

    @classmethod
    def _assembled(cls, cells: pl.DataFrame, aggregate: Aggregate, sharding: Sharding) -> "Pages":
        page = cells["page_id"].rle_id().to_numpy().astype(np.int64)  # (cells,)
        numbers = np.unique(page)
        sizes = np.bincount(numbers % sharding.count, minlength=sharding.count)
        if sharding.count > 1:
            held = np.isin(page % sharding.count, sharding.mine)
            numbers, page = np.unique(page[held]), page[held]
            cells = cells.filter(held)
        row_pos = cells["row_pos"].to_numpy().astype(np.int64)
        first = np.flatnonzero(np.diff(page, prepend=-1))  # each page's first cell
        opens = (np.diff(page, prepend=-1) != 0) | (np.diff(row_pos, prepend=-1) != 0)
        # Each row puts its own token before its first cell.
        place = np.arange(len(page)) + np.cumsum(opens)
        count = len(page) + int(opens.sum())
        tokens, weights = np.empty(count, np.int32), np.empty(count, np.float32)
        is_row = np.zeros(count, np.bool_)
        row_place = place[opens] - 1
        weight = cells["weight"].to_numpy().astype(np.float32)
        tokens[place], weights[place] = cells["entity"].to_numpy(), weight
        tokens[row_place], is_row[row_place] = cells["row"].to_numpy()[opens], True
        if count:
            weights[row_place] = row_weights(weight, np.flatnonzero(opens), aggregate)
        heads = cells[first.astype(np.uint32)]
        return cls(
            page_ids=tuple(heads["page_id"]),
            user_ids=tuple(heads["user_id"]),
            devices=tuple(heads["device"]),
            ts=heads["ts"].to_numpy().astype(np.float64),
            offsets=np.append(place[first] - 1, count).astype(np.int64),
            tokens=tokens,
            weights=weights,
            is_row=is_row,
            shard=(numbers % sharding.count).astype(np.int32),
            sizes=tuple(sizes.tolist()),
        )

    @classmethod
    def joined(cls, parts: Sequence["Pages"], shards: int = 1) -> "Pages":
        """One part's pages after the other's."""
        lengths = [size for part in parts for size in np.diff(part.offsets)]
        return cls(
            page_ids=tuple(name for part in parts for name in part.page_ids),
            user_ids=tuple(name for part in parts for name in part.user_ids),
            devices=tuple(device for part in parts for device in part.devices),
            ts=np.concatenate([np.zeros(0), *(part.ts for part in parts)]),
            offsets=np.cumsum([0, *lengths], dtype=np.int64),
            tokens=np.concatenate([np.zeros(0, np.int32), *(part.tokens for part in parts)]),
            weights=np.concatenate([np.zeros(0, np.float32), *(part.weights for part in parts)]),
            is_row=np.concatenate([np.zeros(0, np.bool_), *(part.is_row for part in parts)]),
            shard=np.concatenate([np.zeros(0, np.int32), *(part.shard for part in parts)]),
            sizes=tuple(sum(part.sizes[n] for part in parts) for n in range(shards)),
        )


def _row_tokens(vocabulary: Vocabulary) -> Mapping[str, int]:
    numbered = enumerate(vocabulary.items, start=ITEM_START)
    return {item.id: token for token, item in numbered if item.noun == "row"}


def _tokens(column: str, known: Mapping[str, int], fallback: str) -> pl.Expr:
    return pl.col(column).replace_strict(known, default=SYMBOL_IDS[fallback], return_dtype=pl.Int32)
