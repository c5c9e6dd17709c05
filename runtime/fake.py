"""A backend and head without a model: deterministic, cheap, and strict about its callers.

A position's hidden state is a 64-bit hash of the whole token prefix behind it, kept per slot as a
KV cache is: a wrong ``start``, a stale or a swapped slot gives other scores, so a test that
compares pages sees it. Scores are a window into one fixed random table, placed by that hash.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from genpage.catalog import Catalog
from runtime.arrays import FloatArray, IntArray
from runtime.chunk import Chunk
from runtime.foresight import Foresight

# A hidden state carries its hash in four parts of 16 bits, each exact in float32.
WIDTH = 4
_PARTS = tuple(range(0, 64, 16))
_MASK = (1 << 64) - 1
_MULTIPLIER = 0x9E3779B97F4A7C15
EMPTY = 0x243F6A8885A308D3
# A prime, so that windows spread over the whole table.
_WINDOWS = 65_537


def absorb(state: int, token: int) -> int:
    """The hash of a prefix from the hash of one token less."""
    mixed = ((state ^ token) * _MULTIPLIER) & _MASK
    return mixed ^ (mixed >> 29)


def hidden_of(state: int) -> list[float]:
    """The hidden state (WIDTH,) that carries a prefix's hash."""
    return [float((state >> shift) & 0xFFFF) for shift in _PARTS]


class FakeBackend:
    """Slots that hold prefix hashes instead of keys and values."""

    def __init__(self, slots: int = 4, capacity: int = 2048) -> None:
        self.slots = slots
        self.capacity = capacity
        self._held: list[list[int]] = [[EMPTY] for _ in range(slots)]

    @property
    def token_bytes(self) -> int:
        """That of a hash."""
        return 8

    def drop(self, slot: int) -> None:
        """Empty a slot."""
        self._held[slot] = [EMPTY]

    def forward(self, chunks: Sequence[Chunk]) -> list[FloatArray]:
        """Per chunk the hidden states (scored, WIDTH); refuses what no backend may be handed."""
        self._check(chunks)
        results = []
        for chunk in chunks:
            held = self._held[chunk.slot]
            del held[chunk.start + 1 :]
            state = held[-1]
            for token in chunk.tokens.tolist():
                state = absorb(state, token)
                held.append(state)
            states = np.array(held[-chunk.scored :], "<u8")
            results.append(states.view("<u2").reshape(-1, WIDTH).astype(np.float32))
        return results

    def _check(self, chunks: Sequence[Chunk]) -> None:
        if len({chunk.slot for chunk in chunks}) < len(chunks):
            raise RuntimeError("two chunks of one call name the same slot. This is a bug.")
        for chunk in chunks:
            if not 0 <= chunk.slot < self.slots:
                raise RuntimeError(f"there is no slot {chunk.slot}. This is a bug.")
            held = len(self._held[chunk.slot]) - 1
            if not 0 <= chunk.start <= held:
                raise RuntimeError(
                    f"slot {chunk.slot} holds {held} tokens; a chunk starts at {chunk.start}. "
                    "This is a bug."
                )
            if chunk.end > self.capacity:
                raise RuntimeError(
                    f"a chunk ends at {chunk.end}, slot {chunk.slot} holds {self.capacity}. "
                    "This is a bug."
                )
            if not 1 <= chunk.scored <= len(chunk.tokens):
                raise RuntimeError(
                    f"{chunk.scored} of {len(chunk.tokens)} positions cannot be scored. "
                    "This is a bug."
                )


class FakeHead:
    """Scores by prefix hash. With ``levels``, that many distinct values: ties everywhere.

    ``steady`` (0 to 1) is the share of a score that does not depend on the prefix: near 1 the next
    best of a place is mostly the best of the one after it, as with a trained model.
    """

    def __init__(
        self,
        rows: int,
        entities: int,
        *,
        seed: int = 0,
        levels: int | None = None,
        steady: float = 0.0,
    ) -> None:
        generator = np.random.default_rng(seed)
        table = generator.standard_normal(_WINDOWS + rows + entities, np.float32)
        self._liked = np.float32(steady) * generator.standard_normal(rows + entities, np.float32)
        table *= np.float32(1.0 - steady)
        if levels is not None:
            table = np.floor(table * levels / 4).astype(np.float32)
        self._windows = sliding_window_view(table, rows + entities)  # (_WINDOWS + 1, R + E)

    def scores(self, hidden: FloatArray) -> FloatArray:
        """Scores (n, R + E) of hidden states (n, WIDTH)."""
        if hidden.shape[1:] != (WIDTH,):
            raise RuntimeError(f"hidden states of shape {hidden.shape}. This is a bug.")
        states = hidden.astype("<u2", order="C").view("<u8")[:, 0]  # the parts joined again
        places = (states % _WINDOWS).tolist()
        scores: FloatArray = (
            self._windows[places[0] : places[0] + 1] if len(places) == 1 else self._windows[places]
        )
        return scores + self._liked


@dataclass(frozen=True, slots=True, eq=False)
class FakeModel:
    """A `ServedModel` over a catalog, with no bundle behind it."""

    backend: FakeBackend
    head: FakeHead
    row_tokens: IntArray
    entity_tokens: IntArray
    digest: str = "fake"
    serialised: int | None = None
    foresight: Foresight | None = None

    @classmethod
    def of(
        cls,
        catalog: Catalog,
        *,
        slots: int = 4,
        capacity: int = 2048,
        first_token: int = 512,
        seed: int = 0,
        levels: int | None = None,
        steady: float = 0.0,
        serialised: int | None = None,
    ) -> "FakeModel":
        """A model whose item tokens follow ``first_token``, rows before entities."""
        rows, entities = len(catalog.rows), len(catalog.entities)
        tokens = np.arange(first_token, first_token + rows + entities, dtype=np.int32)
        head = FakeHead(rows, entities, seed=seed, levels=levels, steady=steady)
        backend = FakeBackend(slots, capacity)
        return cls(backend, head, tokens[:rows], tokens[rows:], serialised=serialised)
