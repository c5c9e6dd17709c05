"""What many members may be shown alike, kept: the eligible set of a viewer, row by row.

Eligibility changes with time at known moments only: a licence begins or ends, a title comes out, a
live event draws near, a "new" row moves on. Between two of them a set holds for every `Viewer` who
is alike, so it is made once, and a page starts from it. Where it is less than half of the catalog,
it is held by *places*: the eligible entities alone, in catalog order, so that what a page does at
each step follows their number and not the catalog's.

Shape legend: R rows, E entities, k eligible ones; C columns, which are k and one that is nobody's,
or E where a set is held whole.
"""

from dataclasses import dataclass
from threading import Lock
from typing import Final

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from genpage.catalog import BoolArray, Catalog
from genpage.eligibility import Viewer, offered
from genpage.rules import Rules

IntArray = NDArray[np.int32]
# Of the sets of one catalog snapshot, together.
MOST_BYTES: Final = 128 << 20
# Seconds around a moment within which a set is not kept: sums of times are rounded.
_MARGIN: Final = 1e-3


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Audience:
    """An eligible set, from ``begins`` to ``ends``; never changed.

    ``entities`` (k,) are sorted catalog indices, and ``places`` (E,) says where in them each
    entity stands: k, the column that is nobody's, where it does not. Both are None where the set is
    held whole. ``members`` (R, C) is who may stand in which row, but for a member's own rows;
    ``offered`` (C,) is who may stand anywhere.
    """

    viewer: Viewer
    members: BoolArray
    offered: BoolArray
    entities: IntArray | None = None
    places: IntArray | None = None
    begins: float = -np.inf
    ends: float = np.inf

    @classmethod
    def of(cls, catalog: Catalog, rules: Rules, viewer: Viewer, at: float) -> "Audience":
        """Made anew."""
        mask = offered(catalog, rules, viewer, at)
        entities = mask.nonzero()[0].astype(np.int32)
        begins, ends = _between(catalog, rules, at)
        if 2 * len(entities) >= len(mask):
            members = catalog.rows_at(at)
            members &= mask
            return cls(viewer, members, mask, begins=begins, ends=ends)
        count = len(entities)
        places = np.full(len(mask), count, np.int32)
        places[entities] = np.arange(count, dtype=np.int32)
        members = np.zeros((len(catalog.rows), count + 1), np.bool_)
        members[:, :count] = catalog.rows_at(at, entities)
        here = np.ones(count + 1, np.bool_)
        here[count] = False
        return cls(viewer, members, here, entities, places, begins, ends)

    def holds_at(self, at: float) -> bool:
        """Whether the same set would be made at another time."""
        return self.begins + _MARGIN <= at <= self.ends - _MARGIN

    @property
    def nbytes(self) -> int:
        """What it holds in memory."""
        whole = self.members.nbytes + self.offered.nbytes
        if self.entities is None or self.places is None:
            return whole
        return whole + self.entities.nbytes + self.places.nbytes


class Audiences:
    """The audiences of one catalog snapshot under one set of rules; any thread may ask."""

    def __init__(self, catalog: Catalog, rules: Rules, most_bytes: int = MOST_BYTES) -> None:
        self._catalog, self._rules, self._most = catalog, rules, most_bytes
        self._held: LRUCache[Viewer, Audience] = LRUCache(most_bytes, lambda held: held.nbytes)
        self._lock = Lock()

    def at(self, viewer: Viewer, at: float) -> Audience:
        """The viewer's, made if need be."""
        with self._lock:
            held = self._held.get(viewer)
        if held is not None and held.holds_at(at):
            return held
        made = Audience.of(self._catalog, self._rules, viewer, at)
        if made.holds_at(at) and made.nbytes <= self._most:
            with self._lock:
                self._held[viewer] = made
        return made


def _between(catalog: Catalog, rules: Rules, at: float) -> tuple[float, float]:
    """The last moment before ``at`` and the first one after it at which sets change.

    ``at`` itself where it is too near to one of them.
    """
    begins, ends = -np.inf, np.inf
    shifts = [0.0, *(window for _, window in catalog.timed_rows)]
    for moments, shift in (
        *((catalog.moments, shift) for shift in shifts),
        (catalog.live_moments, -rules.eligibility.live_lead_s),
    ):
        after = int(np.searchsorted(moments, at - shift, side="right"))
        if after:
            begins = max(begins, float(moments[after - 1]) + shift)
        if after < len(moments):
            ends = min(ends, float(moments[after]) + shift)
    return (begins, ends) if begins + _MARGIN <= at <= ends - _MARGIN else (at, at)
