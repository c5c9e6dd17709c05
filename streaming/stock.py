"""Taking stock of the partitions that a consumer was given: what of them is in which store.

Pure: the consumer asks broker and store, and tells what they said. Stock is `taken`, or it is not:

::

          begin ... take
    not taken --------> taken
        ^                 |
        +-- rewind, forget +

An offset is worth something only for the store that the messages before it were applied to, named
by its epoch. Stock taken across a `forget` (partitions came or went) is worth nothing; across a
`rewind` it holds, and is to be taken again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Taking:
    """Stock that is about to be taken: as of which assignment, for how many rewinds."""

    generation: int
    rewinds: int


class Stock:
    """Mutable; owned by one event loop."""

    def __init__(self) -> None:
        self.taken = False
        # Of the partitions that stock was taken of: the epoch that their offsets are of, how far
        # they are where nothing is in flight, and where they ended, until that is reached.
        self._epochs: dict[Place, str] = {}
        self._positions: dict[Place, int] = {}
        self._ends: dict[Place, int] = {}
        # Counts the times that partitions came or went.
        self._generation = 0
        self._rewinds = 0
        self._rewound = 0

    @property
    def behind(self) -> bool:
        """Whether a rewind waits, or messages that were there when stock was taken."""
        return self._rewinding or bool(self._ends)

    def filled(self, epoch: str) -> frozenset[Place]:
        """The partitions that the epoch has all of, from when stock was taken."""
        if not self.taken or self._rewinding:
            return frozenset()
        done = (place for place, of in self._epochs.items() if of == epoch)
        return frozenset(place for place in done if place not in self._ends)

    def position(self, place: Place) -> int | None:
        """All before it is applied, as noted last; None while unknown."""
        return self._positions.get(place)

    def end(self, place: Place) -> int:
        """Where it ended when stock was taken, until that is reached; then 0."""
        return self._ends.get(place, 0)

    def offsets(self, positions: Mapping[Place, int]) -> dict[Place, tuple[int, str]]:
        """What to commit: offsets with their epochs, of what stock was taken of."""
        return {
            place: (position, self._epochs[place])
            for place, position in positions.items()
            if place in self._epochs
        }

    def rewind(self) -> None:
        """The store lost what it had: stock is to be taken again."""
        self._rewinds += 1
        self.taken = False

    def forget(self) -> None:
        """Partitions come or go: others may read them meanwhile."""
        self.taken = False
        self._generation += 1
        self._epochs, self._positions, self._ends = {}, {}, {}

    def begin(self) -> Taking:
        """Begin to take stock."""
        return Taking(self._generation, self._rewinds)

    def holds(self, taking: Taking) -> bool:
        """Whether the partitions are still those of then."""
        return taking.generation == self._generation

    def outdated(self, places: Iterable[Place], epoch: str) -> set[Place] | None:
        """Those whose offset is of another epoch; None where only the broker knows."""
        wanted = set(places)
        if not self._epochs.keys() >= wanted:
            return None
        return {place for place in wanted if self._epochs[place] != epoch}

    def take(
        self, taking: Taking, epoch: str, ends: Mapping[Place, int], starts: Mapping[Place, int]
    ) -> None:
        """All partitions are read for ``epoch``: to ``ends`` at least, some again from ``starts``.

        Of those alone it is known how far they are.
        """
        if not self.holds(taking):
            raise ValueError("stock was taken across a rebalance. This is a bug.")
        self._epochs = dict.fromkeys(ends, epoch)
        self._positions, self._ends = dict(starts), dict(ends)
        self._rewound = taking.rewinds
        self.taken = not self._rewinding

    def note(self, place: Place, position: int) -> None:
        """All before ``position`` is applied."""
        self._positions[place] = position
        if position >= self._ends.get(place, position + 1):
            del self._ends[place]

    @property
    def _rewinding(self) -> bool:
        return self._rewinds > self._rewound
