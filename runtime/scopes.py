"""Heads over what members may see: packed aside, once pages ask often enough, and kept.

Where a member may see less than a quarter of the catalog, scoring the rest is wasted: a pass over
the output vectors is bound by memory. A head of those titles alone gives the same scores bit for
bit (`runtime.pack`), so it does not matter to a page whether it is there yet. It serves all members
who are alike (`genpage.audience`), later sets too as long as they fit into it, and takes its packs
along into the next catalog snapshot.

Packing costs what it saves in a few pages, and a core meanwhile. So it waits until as many have
asked, and where more audiences come than there is room for, the most asked for keep their heads
(`runtime.demand`) and the others' pages go by the whole one.

Shape legend: R rows, E entities, k of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Final
from weakref import ReferenceType, ref

import numpy as np

from genpage.audience import Audience
from genpage.eligibility import Viewer
from runtime.arrays import IntArray
from runtime.demand import Demand
from runtime.head import MOST_WASTE, CatalogHead
from runtime.scope import Scope
from runtime.screen import Screen

# A screen where there are very many titles.
Packed = CatalogHead | Screen
# Tokens, and what to take packs from -> what scores them.
Packing = Callable[[IntArray, Packed | None], Packed]
# A number of tokens -> the bytes of what scores them, packed anew.
Sizing = Callable[[int], int]
# A set of more than this share of the catalog is scored with all the rest: pages of several
# audiences share that call.
LARGEST_SHARE: Final = 0.25
# Nor is a head worth its memory and its call where it saves less than this; bytes of vectors.
LEAST_SAVED: Final = 4 << 20
# After so many pages a head has paid for its packing: the largest takes as long as 20 to 60 passes
# save, and a page has about 20.
PAYS: Final = 3
# However small they are: each has a session besides its vectors.
MOST_HEADS: Final = 64


@dataclass(slots=True, eq=False)
class _Held:
    """A head and the ``packed`` entities that it scores, which ``scope`` has the places of.

    ``latest`` is the last set that fitted into it, and whom it is of holds that, not this. What is
    taken over from the snapshot before has a head alone, until somebody asks.
    """

    head: Packed
    scope: Scope | None = None
    packed: int = 0
    latest: ReferenceType[Audience] | None = None
    # Pages whose set did not fit, one after the other or not.
    missed: int = 0

    @property
    def nbytes(self) -> int:
        """What it holds in memory."""
        return self.head.nbytes + (0 if self.scope is None else self.scope.places.nbytes)

    def fits(self, audience: Audience) -> bool:
        """Whether it has a score for all of the audience and not too many for nobody."""
        if self.latest is not None and self.latest() is audience:
            return True
        if self.scope is None:
            return False
        assert audience.entities is not None
        if len(audience.entities) < (1.0 - MOST_WASTE) * self.packed:
            return False
        if (self.scope.places[audience.entities] == self.packed).any():
            return False
        self.latest = ref(audience)
        return True


class Scopes:
    """The scopes of one catalog snapshot. Any thread may ask; one packs at a time, aside."""

    def __init__(
        self,
        whole: Packed,
        row_tokens: IntArray,
        entity_tokens: IntArray,
        packing: Packing,
        sizing: Sizing,
        before: "Scopes | None" = None,
    ) -> None:
        """``whole`` scores ``row_tokens`` (R,) and ``entity_tokens`` (E,)."""
        self.whole, self._rows, self._entities = whole, row_tokens, entity_tokens
        self._packing, self._sizing = packing, sizing
        self._all = None
        if isinstance(whole, Screen):
            self._all = Scope(whole, np.arange(len(entity_tokens), dtype=np.int32), whole)
        self._lock = Lock()
        # All that are held take no more than the whole, with the places of what they score.
        self._most = whole.nbytes
        self._held: dict[Viewer, _Held] = {}
        self._demand = Demand[Viewer]()
        if before is not None:
            self._take_over(before)
        self._packer: Thread | None = None

    def heads(self) -> dict[Viewer, Packed]:
        """What is held, the snapshot before's too."""
        with self._lock:
            return {viewer: held.head for viewer, held in self._held.items()}

    def demand(self) -> Demand[Viewer]:
        """Who asked so far, as it stands now."""
        with self._lock:
            return self._demand.copy()

    def of(self, audience: Audience | None) -> Scope | None:
        """What a page of this audience is scored by; None: all. It may be another one next time."""
        if audience is None or audience.entities is None or not self._worthwhile(audience.entities):
            return self._all
        with self._lock:
            self._demand.ask(audience.viewer)
            held = self._held.get(audience.viewer)
            if held is not None and held.fits(audience):
                return held.scope
            if held is not None:
                held.missed += 1
            if self._packer is None and self._pays(audience, held):
                # No daemon: a process that ends waits for it, for seconds at most, and it is not
                # cut off within onnxruntime.
                self._packer = Thread(
                    target=self._pack_aside, args=(audience,), name="packs a head", daemon=False
                )
                self._packer.start()
            return self._all

    def pack(self, audience: Audience) -> None:
        """Have it ready, where there is room; takes up to seconds, so never on a request's path."""
        if audience.entities is None or audience.places is None:
            raise RuntimeError("a set that is held whole has a head: the whole one. This is a bug.")
        viewer = audience.viewer
        with self._lock:
            held = self._held.get(viewer)
        tokens = np.concatenate([self._rows, self._entities[audience.entities]])
        head = self._packing(tokens, None if held is None else held.head)
        refining = head if isinstance(head, Screen) else None
        scope = Scope(head, audience.places, refining)
        made = _Held(head, scope, len(audience.entities), ref(audience))
        with self._lock:
            going = self._displaced(viewer, made.nbytes, pays=0)
            # Others may have been asked for meanwhile.
            if going is not None:
                for each in going:
                    del self._held[each]
                self._held[viewer] = made

    def _pays(self, audience: Audience, held: _Held | None) -> bool:
        """Whether to pack it now."""
        assert audience.entities is not None
        if held is not None:
            # Of one that was taken over most is packed already.
            return held.scope is None or held.missed >= PAYS
        size = self._sizing(len(self._rows) + len(audience.entities))
        # A pack that is taken over may hold some that nobody needs.
        most = int(size * (1.0 + MOST_WASTE)) + self._entities.nbytes
        return self._displaced(audience.viewer, most, PAYS) is not None

    def _displaced(self, viewer: Viewer, nbytes: int, pays: int) -> tuple[Viewer, ...] | None:
        """Who goes, so that there is room for a head of so many bytes; None: it may not come."""
        held = {each: self._room(of.nbytes) for each, of in self._held.items()}
        return self._demand.displaced(viewer, self._room(nbytes), held, self._most, pays)

    def _room(self, nbytes: int) -> int:
        """The room that a head counts for."""
        return max(nbytes, -(-self._most // MOST_HEADS))

    def _take_over(self, before: "Scopes") -> None:
        """Go on with what an earlier snapshot's pages asked for, as far as there is room."""
        self._demand, heads = before.demand(), before.heads()
        for viewer in sorted(heads, key=self._demand.of, reverse=True):
            if self._displaced(viewer, heads[viewer].nbytes, pays=0) == ():
                self._held[viewer] = _Held(heads[viewer])

    def _pack_aside(self, audience: Audience) -> None:
        try:
            self.pack(audience)
        finally:
            with self._lock:
                self._packer = None
                held = self._held.get(audience.viewer)
                if held is None or not held.fits(audience):
                    # It failed, or found no room: not at once again.
                    self._demand.forget(audience.viewer)
                    self._held.pop(audience.viewer, None)

    def _worthwhile(self, entities: IntArray) -> bool:
        share = len(entities) / len(self._entities)
        return share <= LARGEST_SHARE and (1.0 - share) * self.whole.nbytes >= LEAST_SAVED
