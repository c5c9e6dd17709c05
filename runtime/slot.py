"""What one KV slot holds, and what a page that gets it is told."""

from dataclasses import dataclass, field

import numpy as np

from runtime.arrays import IntArray
from runtime.prefix import PrefixKey

NO_PAGE: IntArray = np.array([], np.int32)


@dataclass(frozen=True, slots=True)
class Allocation:
    """A slot, and how many leading tokens of the prompt its KV holds already.

    ``page`` (n,) are the tokens of the page that was made of such a prompt before.
    """

    slot: int
    cached: int
    page: IntArray


@dataclass(slots=True, eq=False)
class Entry:
    """The first ``held`` of ``tokens`` (capacity,); ``key`` None is nobody's.

    Memory is taken by the first ``written`` tokens; a page in it may need ``needs``. ``page`` is
    the one that was made here last.
    """

    tokens: IntArray
    held: int = 0
    key: PrefixKey | None = None
    written: int = 0
    needs: int = 0
    page: IntArray = field(default_factory=lambda: NO_PAGE)
