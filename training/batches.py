"""Batches: examples in a seeded order, packed until a number of tokens is reached.

A batch is a pure function of the seed and of how many examples came before it, so that a run that
was killed goes on with exactly the batches that it would have had.

Shape legend: T tokens, K targets, V vocabulary, R known rows, E known entities.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from genpage.catalog import Catalog
from model.packing import Packing
from tokenizer.symbols import ITEM_START, SYMBOL_IDS
from tokenizer.vocabulary import Vocabulary
from training.examples import Example, ExampleBuilder, Targets

# A known item loses its ID for a batch with this probability (ID dropout to the type's fallback).
ID_DROPOUT = 0.1
# A title in a sequence is replaced by the token of one that nobody knows.
UNSEEN_SHARE = 0.01
_SECONDS_A_DAY = 86_400.0


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What may be predicted: all known rows, or all known entities.

    ``released`` are days since ``Candidates`` began to count, -inf where unknown: a title is no
    candidate of a moment before its release.
    """

    rows: torch.Tensor  # (R,) tokens
    entities: torch.Tensor  # (E,) tokens
    released: torch.Tensor  # (E,) days
    place: torch.Tensor  # (V,) an item's position among the rows or the entities
    epoch: float  # Unix seconds

    @classmethod
    def of(cls, vocabulary: Vocabulary, catalog: Catalog, device: torch.device) -> "Candidates":
        """All items of the vocabulary; release times by the catalog."""
        is_row = np.array([item.noun == "row" for item in vocabulary.items], np.bool_)
        place = np.zeros(vocabulary.size, np.int64)
        place[ITEM_START:][is_row] = np.arange(is_row.sum())
        place[ITEM_START:][~is_row] = np.arange((~is_row).sum())
        released = np.full(vocabulary.size, np.nan)
        released[vocabulary.item_tokens(catalog)[1]] = catalog.released_at
        known = released[~np.isnan(released)]
        epoch = float(known.max()) if len(known) else 0.0
        days = np.nan_to_num((released - epoch) / _SECONDS_A_DAY, nan=-np.inf)[ITEM_START:]
        items = np.arange(ITEM_START, vocabulary.size)
        return cls(
            rows=torch.from_numpy(items[is_row]).to(device),
            entities=torch.from_numpy(items[~is_row]).to(device),
            released=torch.from_numpy(days[~is_row].astype(np.float32)).to(device),
            place=torch.from_numpy(place).to(device),
            epoch=epoch,
        )


@dataclass(frozen=True, slots=True, eq=False)
class BatchTargets:
    """`Targets` of a whole batch; ``days`` is each one's time, counted as `Candidates` count."""

    positions: torch.Tensor  # (K,)
    places: torch.Tensor  # (K,) among the candidates
    weights: torch.Tensor  # (K,)
    days: torch.Tensor  # (K,)


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
        device, candidates = self._candidates.place.device, self._candidates
        starts = np.cumsum([0, *(len(example.tokens) for example in examples)])[:-1]
        positions = np.concatenate(
            [t.positions + start for t, start in zip(targets, starts, strict=True)]
        )
        tokens = np.concatenate([t.tokens for t in targets]).astype(np.int64)
        sizes = [len(t.positions) for t in targets]
        at = np.repeat([example.at for example in examples], sizes)
        days = ((at - candidates.epoch) / _SECONDS_A_DAY).astype(np.float32)
        return BatchTargets(
            positions=torch.from_numpy(positions.astype(np.int64)).to(device),
            places=candidates.place[torch.from_numpy(tokens).to(device)],
            weights=torch.from_numpy(np.concatenate([t.weights for t in targets])).to(device),
            days=torch.from_numpy(days).to(device),
        )
