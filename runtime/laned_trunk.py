"""A trunk's graph for N sequences a pass, bound to the memory that it reads and writes."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import numpy as np

from runtime.arrays import FloatArray, IntArray
from runtime.chunk import LEAST_TOKENS, Chunk
from runtime.lanes import LENGTHS, lane_name
from runtime.sessions import Binding, Buffer, Memory, Session
from runtime.signature import EMBEDDINGS, HIDDEN, SEQLENS, TOTAL, past_names, present_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROOM_STEP = 64
# Who shares a pass changes as pages come and go; so many sets of slots stay bound.
_KEPT_BINDINGS = 32


Held = TypeVar("Held", FloatArray, Buffer)


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
    """What a pass of T tokens reads and writes, (1, T, width) each."""

    embedded: Held
    hidden: Held


@dataclass(slots=True, eq=False)
class _Bound:
    """The caches of some slots, bound, and the frame that is bound beside them."""

    binding: Binding
    frame: Frame[FloatArray] | Frame[Buffer] | None = None


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
        self._frames: dict[int, Frame[FloatArray]] = {}

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
        frame = self._frame(sum(lengths))
        firsts = np.cumsum([0, *lengths]).tolist()
        for first, length, part in zip(firsts, lengths, embedded, strict=False):
            # A single token stands twice: the second attends to the first and not the other way
            # round, and what it leaves in the cache is overwritten by the next chunk.
            frame.embedded[0, first : first + length] = part
        frame.embedded[0, firsts[len(chunks)] :] = 0.0
        self._pass(tuple(slots), frame)
        states = []
        for chunk, first, part in zip(chunks, firsts, embedded, strict=False):
            end = first + len(part)
            states.append(frame.hidden[0, end - chunk.scored : end].copy())
        return states

    def _pass(self, slots: tuple[int, ...], frame: Frame[FloatArray]) -> None:
        """Run the graph over the slots and what the frame holds."""
        self._binding(slots, frame).run()

    def _reaching(self, lane: int) -> Memory:
        """What a lane reads the length of its cache from."""
        return self._seqlens[lane]

    def _reaches(self, lane: int, start: int, length: int) -> None:
        self._lengths[lane] = length
        self._seqlens[lane][0] = start + length - 1
        self._totals[lane][...] = start + length

    def _frame(self, tokens: int) -> Frame[FloatArray]:
        room = self._room
        if tokens > room.hidden.shape[1]:
            # As much as the longest chunk needed, which the scheduler bounds.
            self._room = room = _frame_of(-(-tokens // _ROOM_STEP) * _ROOM_STEP, self._width)
            self._frames.clear()
        frame = self._frames.get(tokens)
        if frame is None:
            frame = Frame(room.embedded[:, :tokens], room.hidden[:, :tokens])
            self._frames[tokens] = frame
        return frame

    def _binding(self, slots: tuple[int, ...], frame: Frame[FloatArray] | Frame[Buffer]) -> Binding:
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


def _frame_of(tokens: int, width: int) -> Frame[FloatArray]:
    shape = (1, tokens, width)
    return Frame(np.empty(shape, np.float32), np.empty(shape, np.float32))
