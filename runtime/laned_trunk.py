"""A trunk's graph for N sequences a pass, bound to the memory that it reads and writes."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

import numpy as np

from runtime.arrays import FloatArray, IntArray
from runtime.chunk import LEAST_TOKENS, Chunk
from runtime.lanes import LENGTHS, lane_name
from runtime.sessions import Binding, Buffer, Mapped, Memory, Session
from runtime.signature import EMBEDDINGS, HIDDEN, SEQLENS, TOTAL, past_names, present_names
from runtime.trimmed import SCORED

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROOM_STEP = 64
# Who shares a pass changes as pages come and go; so many sets of slots stay bound.
_KEPT_BINDINGS = 32
# How many tokens there are, and how many are scored, comes again and again.
_KEPT_FRAMES: Final = 128


Held = TypeVar("Held", Mapped, Buffer)


class CachePool(Protocol):
    """KV memory, of which a slot is bound; `runtime.pool.KVPool`, or another's twin of it."""

    @property
    def slots(self) -> int:
        """How many there are."""
        ...

    def slot(self, slot: int) -> Sequence[Memory]:
        """Its caches, key and value of each layer in turn."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Frame(Generic[Held]):
    """What a pass of T tokens, of which S are scored, reads and writes."""

    embedded: Held  # (1, T, width) float32
    scored: Held  # (S,) int64, places among the T
    hidden: Held  # (1, S, width) float32


@dataclass(slots=True, eq=False)
class _Bound:
    """The caches of some slots, bound, and the frame that is bound beside them."""

    binding: Binding
    frame: Frame[Mapped] | Frame[Buffer] | None = None


class LanedTrunk:
    """Runs up to ``lanes`` chunks in one pass. One thread calls it.

    The last slot of ``pool`` is nobody's: a lane without a chunk writes there.
    """

    def __init__(self, session: Session, pool: CachePool, lanes: int, width: int) -> None:
        self._session, self._pool, self._lanes, self._width = session, pool, lanes, width
        # Bound once, written before each run.
        self._lengths: NDArray[np.int64] = np.zeros(lanes, np.int64)
        self._seqlens: list[IntArray] = [np.zeros(1, np.int32) for _ in range(lanes)]
        self._totals: list[IntArray] = [np.zeros((), np.int32) for _ in range(lanes)]
        self._bound: OrderedDict[tuple[int, ...], _Bound] = OrderedDict()
        # Frames of all lengths are views of the same memory: one pass runs at a time.
        self._room = _frame_of(0, width)
        self._frames: OrderedDict[tuple[int, int], Frame[Mapped]] = OrderedDict()

    def run(self, chunks: Sequence[Chunk], embedded: Sequence[FloatArray]) -> list[FloatArray]:
        """Per chunk its hidden states (scored, width), of their own memory.

        ``embedded`` are the chunks' tokens (n, width) each.
        """
        lengths = [max(LEAST_TOKENS, len(part)) for part in embedded]
        slots = [chunk.slot for chunk in chunks]
        for lane, (chunk, length) in enumerate(zip(chunks, lengths, strict=True)):
            self._reaches(lane, chunk.start, length)
        for lane in range(len(chunks), self._lanes):
            lengths.append(LEAST_TOKENS)
            slots.append(self._pool.slots - 1)
            self._reaches(lane, 0, LEAST_TOKENS)
        frame = self._frame(sum(lengths), sum(chunk.scored for chunk in chunks))
        tokens, scored, hidden = frame.embedded.array[0], frame.scored.array, frame.hidden.array[0]
        first = row = 0
        for chunk, length, part in zip(chunks, lengths, embedded, strict=False):
            # A single token stands twice: the second attends to the first and not the other way
            # round, and what it leaves in the cache is overwritten by the next chunk.
            tokens[first : first + length] = part
            end = first + len(part)
            scored[row : row + chunk.scored] = np.arange(end - chunk.scored, end)
            first, row = first + length, row + chunk.scored
        tokens[first:] = 0.0
        scored[row:] = scored[0]  # a single state is computed twice
        self._pass(tuple(slots), frame)
        states, row = [], 0
        for chunk in chunks:
            states.append(hidden[row : row + chunk.scored].copy())
            row += chunk.scored
        return states

    def _pass(self, slots: tuple[int, ...], frame: Frame[Mapped]) -> None:
        """Run the graph over the slots and what the frame holds."""
        self._binding(slots, frame).run()

    def _reaching(self, lane: int) -> Memory:
        """What a lane reads the length of its cache from."""
        return self._seqlens[lane]

    def _reaches(self, lane: int, start: int, length: int) -> None:
        self._lengths[lane] = length
        self._seqlens[lane][0] = start + length - 1
        self._totals[lane][...] = start + length

    def _frame(self, tokens: int, scored: int) -> Frame[Mapped]:
        scored = max(LEAST_TOKENS, scored)
        if tokens > self._room.embedded.shape[1]:
            # As much as the longest chunk needed, which the scheduler bounds.
            self._room = _frame_of(-(-tokens // _ROOM_STEP) * _ROOM_STEP, self._width)
            self._frames.clear()
        frame = self._frames.get((tokens, scored))
        if frame is None:
            frame = self._frames[tokens, scored] = Frame(
                Mapped(self._room.embedded.array[:, :tokens]),
                Mapped(self._room.scored.array[:scored]),
                Mapped(self._room.hidden.array[:, :scored]),
            )
            if len(self._frames) > _KEPT_FRAMES:
                self._frames.popitem(last=False)
        self._frames.move_to_end((tokens, scored))
        return frame

    def _binding(self, slots: tuple[int, ...], frame: Frame[Mapped] | Frame[Buffer]) -> Binding:
        """What these slots and this frame are bound by.

        Binding all memory anew costs as much as a small trunk's pass.
        """
        bound = self._bound.get(slots)
        if bound is None:
            bound = self._bound[slots] = _Bound(self._bind(slots))
            if len(self._bound) > _KEPT_BINDINGS:
                self._bound.popitem(last=False)
        self._bound.move_to_end(slots)
        if bound.frame is not frame:
            bound.binding.input(EMBEDDINGS, frame.embedded)
            bound.binding.input(SCORED, frame.scored)
            bound.binding.output(HIDDEN, frame.hidden)
            bound.frame = frame
        return bound.binding

    def _bind(self, slots: tuple[int, ...]) -> Binding:
        binding = self._session.bind()
        alone = self._lanes == 1
        if not alone:
            binding.input(LENGTHS, self._lengths)
        for lane, slot in enumerate(slots):
            caches = self._pool.slot(slot)
            layers = len(caches) // 2
            inputs: list[tuple[str, Memory]] = [
                (SEQLENS, self._reaching(lane)),
                (TOTAL, self._totals[lane]),
                *zip(past_names(layers), caches, strict=True),
            ]
            for name, array in inputs:
                binding.input(name if alone else lane_name(name, lane), array)
            for name, cache in zip(present_names(layers), caches, strict=True):
                binding.output(name if alone else lane_name(name, lane), cache)
        return binding


def _frame_of(tokens: int, width: int) -> Frame[Mapped]:
    """Room for so many tokens, all of them scored."""
    shape = (1, tokens, width)
    embedded, hidden = np.empty(shape, np.float32), np.empty(shape, np.float32)
    return Frame(Mapped(embedded), Mapped(np.empty(tokens, np.int64)), Mapped(hidden))
