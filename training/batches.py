"""Batches: examples in a seeded order, packed until a number of tokens is reached.

A batch is a pure function of the seed and of how many examples came before it, so that a run that
was killed goes on with exactly the batches that it would have had. Pages belong to shards
(`training.pages`), each with an order of its own, and a batch takes its part of each: processes
that share the shards out among them make the batches that one of them would, however many they are.

Shape legend: T tokens, V vocabulary.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from genpage.catalog import SECONDS_A_DAY
from model.appeal import AppealInputs
from model.packing import Packing
from tokenizer.symbols import ITEM_START, SYMBOL_IDS
from tokenizer.vocabulary import IntArray
from training.appeal import CandidateTitles
from training.candidates import BatchTargets, Candidates
from training.examples import Example, ExampleBuilder, Targets

# A known item loses its ID for a batch with this probability (ID dropout to the type's fallback).
ID_DROPOUT = 0.1
# A title in a sequence is replaced by the token of one that nobody knows.
UNSEEN_SHARE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Packed examples. ``identity`` says whose ID each token wears (`FusedTable.rows`).

    ``shown`` (rows, SHOWN) are the first titles of each target row, by place among the candidates,
    -1 where it has fewer.
    """

    tokens: torch.Tensor  # (T,)
    packing: Packing
    identity: torch.Tensor  # (V,)
    rows: BatchTargets
    entities: BatchTargets
    titles: BatchTargets
    candidates: Candidates
    shown: torch.Tensor
    appeal: AppealInputs | None = None
    # Seeds what an objective draws for this batch alone.
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Advance:
    """A batch and where the stream stands after it: examples taken since the beginning.

    ``taken`` counts those of each shard.
    """

    batch: Batch
    taken: tuple[int, ...]


class BatchStream:
    """Packs examples, epoch after epoch, each a new order that favours recent pages.

    An epoch takes every page once, ordered by weighted sampling without replacement (Efraimidis
    and Spirakis 2006) with weights that halve every ``half_life_days``: a run shorter than an
    epoch sees mostly the newest. ``shard`` says which shard each page belongs to, all to shard 0
    where None.
    """

    def __init__(
        self,
        builder: ExampleBuilder,
        ages_days: NDArray[np.float64],
        candidates: Candidates,
        fallbacks: NDArray[np.int32],
        *,
        batch_tokens: int,
        seed: int,
        half_life_days: float = 7.0,
        titles: CandidateTitles | None = None,
        shard: NDArray[np.int32] | None = None,
    ) -> None:
        """``titles`` are the builder's, where its examples have signs."""
        self.builder = builder
        self._log_weights = -ages_days / half_life_days * np.log(2.0)
        self._candidates = candidates
        self._fallbacks = fallbacks
        self._batch_tokens = batch_tokens
        self._seed = seed
        self._place = candidates.place.cpu().numpy()
        self._titles = titles
        self._shard = np.zeros(len(builder), np.int32) if shard is None else shard
        self._orders: dict[int, _Order] = {}
        self._is_entity = np.zeros(len(fallbacks), np.bool_)
        self._is_entity[candidates.entities.cpu().numpy()] = True

    @property
    def examples(self) -> int:
        """Examples of one epoch."""
        return len(self.builder)

    def after(self, taken: Sequence[int], mine: Sequence[int] = (0,)) -> Advance:
        """The batch that follows when ``taken`` examples of each shard were taken before.

        The part of it, that is, that the shards ``mine`` have in it.
        """
        chosen: list[Example] = []
        following = list(taken)
        for shard in mine:
            tokens, held = 0, 0
            while True:
                example = self._example(shard, following[shard])
                if held and tokens + len(example.tokens) > self._batch_tokens // len(taken):
                    break
                chosen.append(example)
                tokens, held = tokens + len(example.tokens), held + 1
                following[shard] += 1
        chance = np.random.default_rng((self._seed, 1, sum(taken)))
        return Advance(self.batch(chosen, chance), tuple(following))

    def packed(self, examples: Iterable[Example]) -> Iterator[Batch]:
        """All of these examples, in their order, with every ID worn."""
        chosen: list[Example] = []
        for example in examples:
            if chosen and sum(len(e.tokens) for e in (*chosen, example)) > self._batch_tokens:
                yield self.batch(chosen, None)
                chosen = []
            chosen.append(example)
        if chosen:
            yield self.batch(chosen, None)

    def batch(self, examples: list[Example], chance: np.random.Generator | None) -> Batch:
        """Pack examples; without ``chance`` every token keeps its ID."""
        device = self._candidates.place.device
        tokens = np.concatenate([example.tokens for example in examples]).astype(np.int64)
        identity = np.arange(len(self._fallbacks), dtype=np.int64)
        if chance is not None:
            identity = np.where(
                chance.random(len(identity)) < ID_DROPOUT, self._fallbacks, identity
            )
        return Batch(
            tokens=torch.from_numpy(tokens).to(device),
            packing=Packing(tuple(len(example.tokens) for example in examples), device),
            identity=torch.from_numpy(identity.astype(np.int64)).to(device),
            rows=self._targets(examples, [example.rows for example in examples]),
            entities=self._targets(examples, [example.entities for example in examples]),
            titles=self._targets(examples, [example.titles for example in examples]),
            candidates=self._candidates,
            shown=torch.from_numpy(self._shown([e.shown for e in examples])).to(device),
            appeal=None
            if self._titles is None
            else self._titles.inputs([e.signs for e in examples if e.signs is not None]),
            seed=0 if chance is None else int(chance.integers(1 << 62)),
        )

    def _example(self, shard: int, number: int) -> Example:
        if shard not in self._orders or not self._orders[shard].has(number):
            self._orders[shard] = self._order(shard, number)
        page = self._orders[shard].page(number)
        chance = np.random.default_rng((self._seed, 2, number, shard))
        example = self.builder.build(page, chance)
        lost = (chance.random(len(example.tokens)) < UNSEEN_SHARE) & self._is_entity[example.tokens]
        tokens = np.where(lost, SYMBOL_IDS["unseen:entity"], example.tokens)
        return replace(example, tokens=tokens.astype(np.int32))

    def _order(self, shard: int, number: int) -> "_Order":
        """The order of the epoch that the shard's example ``number`` falls into."""
        pages = np.flatnonzero(self._shard == shard)
        epoch = number // len(pages)
        chance = np.random.default_rng((self._seed, 0, epoch, shard))
        keys = self._log_weights[pages] + chance.gumbel(size=len(pages))
        return _Order(epoch, pages[np.argsort(-keys, kind="stable")])

    def _targets(self, examples: list[Example], targets: list[Targets]) -> BatchTargets:
        candidates, device = self._candidates, self._candidates.place.device
        starts = np.cumsum([0, *(len(example.tokens) for example in examples)])[:-1]
        sizes = [len(target.tokens) for target in targets]
        at = np.repeat([example.at for example in examples], sizes)
        days = ((at - candidates.epoch) / SECONDS_A_DAY).astype(np.float32)
        positions = [t.positions + start for t, start in zip(targets, starts, strict=True)]
        places = self._places(np.concatenate([t.tokens for t in targets]))
        rows = self._places(np.concatenate([t.rows for t in targets]), len(candidates.rows))
        # Each target against those before it on its page.
        pairs = [
            np.tril_indices(size if t.on_page else 0, -1)
            for size, t in zip(sizes, targets, strict=True)
        ]
        first = np.cumsum([0, *sizes])[:-1]
        later = np.concatenate([pair[0] + f for pair, f in zip(pairs, first, strict=True)])
        earlier = np.concatenate([pair[1] + f for pair, f in zip(pairs, first, strict=True)])
        arrays = (
            np.concatenate(positions).astype(np.int64),
            places,
            np.concatenate([t.weights for t in targets]),
            days,
            rows,
            np.concatenate([t.columns for t in targets]).astype(np.int64),
            np.concatenate([t.told for t in targets]),
            np.stack([later, places[earlier]]).astype(np.int64),
            np.repeat(np.arange(len(targets)), sizes),
        )
        return BatchTargets(*(torch.from_numpy(array).to(device) for array in arrays))

    def _places(self, tokens: IntArray, otherwise: int = 0) -> NDArray[np.int64]:
        """Items' positions among the candidates, ``otherwise`` for what is no item."""
        return np.where(tokens >= ITEM_START, self._place[tokens], otherwise)

    def _shown(self, tokens: list[IntArray]) -> NDArray[np.int64]:
        return self._places(np.concatenate(tokens), otherwise=-1)


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """The pages of one shard in the order of one epoch."""

    epoch: int
    pages: NDArray[np.int64]

    def has(self, number: int) -> bool:
        """The shard's example ``number`` is one of this epoch."""
        return number // len(self.pages) == self.epoch

    def page(self, number: int) -> int:
        """Which page that is."""
        return int(self.pages[number % len(self.pages)])
