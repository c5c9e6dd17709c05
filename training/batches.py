"""Batches: examples in a seeded order, packed until a number of tokens is reached.

A batch is a pure function of the seed and of how many examples came before it, so that a run that
was killed goes on with exactly the batches that it would have had.

Shape legend: T tokens, V vocabulary.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from genpage.catalog import SECONDS_A_DAY
from model.packing import Packing
from tokenizer.symbols import ITEM_START, SYMBOL_IDS
from tokenizer.vocabulary import IntArray
from training.candidates import BatchTargets, Candidates
from training.examples import Example, ExampleBuilder, Targets

# A known item loses its ID for a batch with this probability (ID dropout to the type's fallback).
ID_DROPOUT = 0.1
# A title in a sequence is replaced by the token of one that nobody knows.
UNSEEN_SHARE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Packed examples. ``identity`` says whose ID each token wears (`FusedTable.rows`)."""

    tokens: torch.Tensor  # (T,)
    packing: Packing
    identity: torch.Tensor  # (V,)
    rows: BatchTargets
    entities: BatchTargets
    titles: BatchTargets
    candidates: Candidates
    # Seeds what an objective draws for this batch alone.
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """A batch and where the stream stands after it: examples taken since the beginning."""

    batch: Batch
    taken: int


class BatchStream:
    """Packs examples, epoch after epoch, each a new order that favours recent pages.

    An epoch takes every page once, ordered by weighted sampling without replacement (Efraimidis
    and Spirakis 2006) with weights that halve every ``half_life_days``: a run shorter than an
    epoch sees mostly the newest.
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
    ) -> None:
        self.builder = builder
        self._log_weights = -ages_days / half_life_days * np.log(2.0)
        self._candidates = candidates
        self._fallbacks = fallbacks
        self._batch_tokens = batch_tokens
        self._seed = seed
        self._place = candidates.place.cpu().numpy()
        self._order: tuple[int, NDArray[np.int64]] | None = None
        self._is_entity = np.zeros(len(fallbacks), np.bool_)
        self._is_entity[candidates.entities.cpu().numpy()] = True

    @property
    def examples(self) -> int:
        """Examples of one epoch."""
        return len(self.builder)

    def after(self, taken: int) -> Step:
        """The batch that follows when ``taken`` examples were taken before."""
        chosen: list[Example] = []
        tokens, first = 0, taken
        while True:
            example = self._example(taken)
            if chosen and tokens + len(example.tokens) > self._batch_tokens:
                break
            chosen.append(example)
            tokens += len(example.tokens)
            taken += 1
        chance = np.random.default_rng((self._seed, 1, first))
        return Step(self.batch(chosen, chance), taken)

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
            unseen = (chance.random(len(tokens)) < UNSEEN_SHARE) & self._is_entity[tokens]
            tokens[unseen] = SYMBOL_IDS["unseen:entity"]
        return Batch(
            tokens=torch.from_numpy(tokens).to(device),
            packing=Packing(tuple(len(example.tokens) for example in examples), device),
            identity=torch.from_numpy(identity.astype(np.int64)).to(device),
            rows=self._targets(examples, [example.rows for example in examples]),
            entities=self._targets(examples, [example.entities for example in examples]),
            titles=self._targets(examples, [example.titles for example in examples]),
            candidates=self._candidates,
            seed=0 if chance is None else int(chance.integers(1 << 62)),
        )

    def _example(self, number: int) -> Example:
        epoch, place = divmod(number, self.examples)
        if self._order is None or self._order[0] != epoch:
            chance = np.random.default_rng((self._seed, 0, epoch))
            keys = self._log_weights + chance.gumbel(size=self.examples)
            self._order = (epoch, np.argsort(-keys, kind="stable"))
        page = int(self._order[1][place])
        return self.builder.build(page, np.random.default_rng((self._seed, 2, number)))

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
            np.stack([later, places[earlier]]).astype(np.int64),
        )
        return BatchTargets(*(torch.from_numpy(array).to(device) for array in arrays))

    def _places(self, tokens: IntArray, otherwise: int = 0) -> NDArray[np.int64]:
        """Items' positions among the candidates, ``otherwise`` for what is no item."""
        return np.where(tokens >= ITEM_START, self._place[tokens], otherwise)
