"""The backend that serves: a bundle's trunk on onnxruntime, its KV slots updated in place."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from weakref import ref

import numpy as np

from genpage.errors import BundleError
from runtime.arrays import FloatArray, IntArray
from runtime.chunk import Chunk
from runtime.pool import KVPool, KVShape
from runtime.sessions import Binding, Session, SessionSettings
from runtime.signature import (
    EMBEDDINGS,
    HIDDEN,
    SEQLENS,
    TOTAL,
    Signature,
    past_names,
    present_names,
)
from runtime.tables import FusedTable

# onnxruntime multiplies a single row by another kernel, which rounds differently. A call of one
# token gets a second one: it attends to the first and not the other way round, and what it leaves
# in the cache is overwritten by the next chunk. Hence one token of memory behind the capacity.
LEAST_TOKENS = 2
SPARE_TOKENS = LEAST_TOKENS - 1
# A row with its fill, and a draft behind it; prompts come in longer chunks.
_KEPT_TOKENS = 48


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """The memory of one slot's chunks of n tokens, bound: ``embedded`` and ``hidden`` (1, n, d)."""

    binding: Binding
    embedded: FloatArray
    hidden: FloatArray


class TrunkBackend:
    """`runtime.backend.Backend` over an exported trunk.

    Chunks run one after the other: on the CPU GroupQueryAttention takes a chunk on top of a past
    one sequence at a time. ``embeddings`` has a row of the trunk's width for each chunk's tokens.
    """

    def __init__(
        self,
        trunk: Path,
        signature: Signature,
        embeddings: FusedTable,
        *,
        capacity: int,
        slots: int,
        settings: SessionSettings,
    ) -> None:
        session = Session(trunk, settings)
        held = Signature(session.inputs(), session.outputs())
        if held != signature:
            wrong = next(
                port
                for port in (*held.inputs, *held.outputs)
                if port not in (*signature.inputs, *signature.outputs)
            )
            raise BundleError(f"{trunk}: {wrong.name} is not what the manifest says; export again.")
        self.slots = slots
        self.capacity = capacity
        self._embeddings = embeddings
        # Earlier ones that are still in use: a page holds the snapshot that it began with.
        self._earlier: tuple[ref[FusedTable], ...] = ()
        cache = signature.inputs[-1].shape
        layers = (len(signature.inputs) - 3) // 2
        shape = KVShape(layers, int(cache[1]), int(cache[3]), capacity + SPARE_TOKENS)
        self._pool = KVPool(shape, slots)
        # Bound once, written before each run.
        self._seqlens: IntArray = np.zeros(1, np.int32)
        self._total: IntArray = np.zeros((), np.int32)
        self._session = session
        self._width = int(signature.inputs[0].shape[-1])
        self._frames: dict[tuple[int, int], _Frame] = {}

    def use(self, embeddings: FusedTable) -> None:
        """Take a newer table, of the same rows where both know a token.

        May be called beside a running pass. What this one does not know is looked up in earlier
        ones, as long as somebody holds them.
        """
        earlier = (ref(self._embeddings), *self._earlier)
        self._earlier = tuple(each for each in earlier if each() is not None)
        self._embeddings = embeddings

    def forward(self, chunks: Sequence[Chunk]) -> list[FloatArray]:
        """Per chunk the hidden states (scored, width); see `runtime.backend.Backend`."""
        return [self._run(chunk) for chunk in chunks]

    def _bind(self, slot: int) -> Binding:
        binding = self._session.bind()
        binding.input(SEQLENS, self._seqlens)
        binding.input(TOTAL, self._total)
        caches = self._pool.slot(slot)
        layers = len(caches) // 2
        for past, present, cache in zip(
            past_names(layers), present_names(layers), caches, strict=True
        ):
            binding.input(past, cache)
            binding.output(present, cache)
        return binding

    def _table_of(self, tokens: IntArray) -> FusedTable:
        """A page's tokens are of one vocabulary, so whoever knows the highest knows them all."""
        highest = int(tokens.max())
        for table in (self._embeddings, *(each() for each in self._earlier)):
            if table is not None and table.knows(highest):
                return table
        raise RuntimeError(f"token {highest} is in no table in use. This is a bug.")

    def _run(self, chunk: Chunk) -> FloatArray:
        tokens = chunk.tokens
        if not 0 <= chunk.start < chunk.end <= self.capacity:
            raise RuntimeError(
                f"tokens {chunk.start} to {chunk.end} do not fit a slot of {self.capacity}. "
                "This is a bug."
            )
        count = len(tokens)
        if count < LEAST_TOKENS:
            tokens = np.repeat(tokens, LEAST_TOKENS)
        frame = self._frame(chunk.slot, len(tokens))
        frame.embedded[0] = self._table_of(tokens).at(tokens)
        total = chunk.start + len(tokens)
        self._seqlens[0] = total - 1
        self._total[...] = total
        frame.binding.run()
        scored: FloatArray = frame.hidden[0, count - chunk.scored : count]
        return scored

    def _frame(self, slot: int, count: int) -> "_Frame":
        """What a chunk of so many tokens reads and writes; a short one's is kept, and bound once.

        Binding memory costs as much as a small trunk's pass, and a page's passes are short.
        """
        frame = self._frames.get((slot, count))
        if frame is None:
            shape = (1, count, self._width)
            binding = self._bind(slot)
            frame = _Frame(binding, np.empty(shape, np.float32), np.empty(shape, np.float32))
            binding.input(EMBEDDINGS, frame.embedded)
            binding.output(HIDDEN, frame.hidden)
            if count <= _KEPT_TOKENS:
                self._frames[slot, count] = frame
        return frame
