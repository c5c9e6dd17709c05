"""The ports to the model: a trunk with KV slots, and an output head of a catalog snapshot."""

from collections.abc import Sequence
from typing import Protocol

from runtime.arrays import FloatArray
from runtime.chunk import Chunk


class Backend(Protocol):
    """A trunk and its KV cache. One thread calls it.

    An object by identity: hashable and weakly referable, so that the slots' books go with it.
    """

    @property
    def slots(self) -> int:
        """The number of KV slots, numbered from 0."""
        ...

    @property
    def capacity(self) -> int:
        """The tokens that a slot holds; any padding of the backend's own comes on top."""
        ...

    @property
    def token_bytes(self) -> int:
        """What a token in a slot takes of memory."""
        ...

    def drop(self, slot: int) -> None:
        """Give back what a slot takes of memory; nothing of what it held is left."""
        ...

    def forward(self, chunks: Sequence[Chunk]) -> list[FloatArray]:
        """Run the chunks; per chunk the hidden states (scored, width) of its last positions.

        Mutates the KV of the slots named, and of no other. No two chunks of a call name the same
        slot. A chunk's result depends on the tokens of its own slot alone, bit for bit: not on
        the other chunks, nor on where earlier chunks were cut. The arrays returned are the
        caller's own. After an exception the slots named hold nothing that may be relied
        on behind their chunk's ``start``; what stands before it is untouched, so a chunk may be
        run again.
        """
        ...


class Head(Protocol):
    """The output head of one catalog snapshot. One thread calls it."""

    def scores(self, hidden: FloatArray) -> FloatArray:
        """Scores (n, R + E) of the hidden states (n, width), in catalog order.

        A line depends on its own hidden state alone, bit for bit. The array stays valid until
        the next call.
        """
        ...
