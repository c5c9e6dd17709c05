"""What one KV slot holds, and what a page that gets it is told."""

from dataclasses import dataclass

from runtime.arrays import IntArray
from runtime.prefix import PrefixKey
from runtime.shown import Shown


@dataclass(frozen=True, slots=True)
class Allocation:
    """A slot, and how many leading tokens of the prompt its KV holds already.

    ``page`` is the one that was made of such a prompt before, where it is known.
    """

    slot: int
    cached: int
    page: Shown | None


@dataclass(slots=True, eq=False)
class Entry:
    """The first ``held`` of ``tokens`` (capacity,); ``key`` None is nobody's.

    Memory is taken by the first ``written`` tokens; a page in it may need ``needs``. ``page`` is
    the last one that was made here to its end.
    """

    tokens: IntArray
    held: int = 0
    key: PrefixKey | None = None
    written: int = 0
    needs: int = 0
    page: Shown | None = None
