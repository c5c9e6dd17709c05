"""How often was asked lately for each of some things, and which of them give way to another.

Pure counting. What is asked for is worth keeping as often as it is asked for, so a newcomer takes
another's place only where it was asked for twice as often, and often enough to pay for being made:
where more is asked for in turn than there is room for, what is held stays, and nothing is made
again and again. (A frequency sketch does this for caches: Einziger, Friedman and Manes, "TinyLFU: A
Highly Efficient Cache Admission Policy", 2017. Here there are few enough to count them all.)
"""

from collections.abc import Hashable, Mapping
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
# After so many askings all counts are halved, so that what was liked once does not stay for ever.
WINDOW: Final = 2_048
# A newcomer beats those whose place it takes by this factor: chance alone does not.
_LEAD: Final = 2


class Demand(Generic[K]):
    """Counts of askings. One owner."""

    def __init__(self) -> None:
        # None is zero, so that there are no more than two windows' askings.
        self._counts: dict[K, int] = {}
        self._askings = 0

    def __len__(self) -> int:
        """How many are counted."""
        return len(self._counts)

    def of(self, key: K) -> int:
        """How often it was asked for."""
        return self._counts.get(key, 0)

    def ask(self, key: K) -> int:
        """It is asked for; how often that was, this time included."""
        self._askings += 1
        if self._askings >= WINDOW:
            self._askings = 0
            self._counts = {each: n // 2 for each, n in self._counts.items() if n > 1}
        self._counts[key] = count = self.of(key) + 1
        return count

    def forget(self, key: K) -> None:
        """As if it had not been asked for."""
        self._counts.pop(key, None)

    def copy(self) -> "Demand[K]":
        """Another one with the same counts."""
        other = Demand[K]()
        other._counts, other._askings = dict(self._counts), self._askings
        return other

    def displaced(
        self, key: K, needed: int, held: Mapping[K, int], most: int, pays: int
    ) -> tuple[K, ...] | None:
        """Which of those ``held`` (their sizes) go, so that ``key`` fits too; None: it may not.

        All together take ``most`` at most, and ``key`` no more than ``needed``, in the same unit.
        It ``pays`` once it was asked for so many times more than those in whose place it comes.
        """
        asked, going, lost = self.of(key), list[K](), 0
        left = most - sum(size for each, size in held.items() if each != key)
        for each in sorted((each for each in held if each != key), key=self.of):
            if needed <= left:
                break
            going.append(each)
            left += held[each]
            lost += self.of(each)
        return tuple(going) if needed <= left and asked >= pays + _LEAD * lost else None
