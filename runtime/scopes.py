"""Heads over what members may see: packed aside, once the first page asks, and kept.

Where a member may see less than a quarter of the catalog, scoring the rest is wasted: a pass over
the output vectors is bound by memory. A head of those titles alone gives the same scores bit for
bit (`runtime.pack`), so it does not matter to a page whether it is there yet. It serves all members
who are alike (`genpage.audience`), later sets too as long as they fit into it, and takes its packs
along into the next catalog snapshot.

Shape legend: R rows, E entities, k of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Final

import numpy as np
from cachetools import LRUCache

from genpage.audience import Audience
from genpage.eligibility import Viewer
from runtime.arrays import IntArray
from runtime.head import MOST_WASTE, CatalogHead
from runtime.scope import Scope
from runtime.screen import Screen

# A screen where there are very many titles.
Packed = CatalogHead | Screen
# Tokens, and what to take packs from -> what scores them.
Packing = Callable[[IntArray, Packed | None], Packed]
# A set of more than this share of the catalog is scored with all the rest: pages of several
# audiences share that call.
LARGEST_SHARE: Final = 0.25
# Nor is a head worth its memory and its call where it saves less than this; bytes of vectors.
LEAST_SAVED: Final = 4 << 20


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """A head and the set that it was packed for; ``latest`` is the last one that fitted into it."""

    audience: Audience
    head: Packed
    scope: Scope
    latest: Audience


class Scopes:
    """The scopes of one catalog snapshot. Any thread may ask; one packs at a time, aside."""

    def __init__(
        self,
        whole: Packed,
        row_tokens: IntArray,
        entity_tokens: IntArray,
        packing: Packing,
        before: "Scopes | None" = None,
    ) -> None:
        """``whole`` scores ``row_tokens`` (R,) and ``entity_tokens`` (E,)."""
        self.whole, self._rows, self._entities = whole, row_tokens, entity_tokens
        self._packing = packing
        self._all = None
        if isinstance(whole, Screen):
            self._all = Scope(whole, np.arange(len(entity_tokens), dtype=np.int32), whole)
        self._lock = Lock()
        # Together no larger than the whole.
        self._held: LRUCache[Viewer, _Held] = LRUCache(whole.nbytes, lambda held: held.head.nbytes)
        self._earlier = {} if before is None else before.heads()
        self._packer: Thread | None = None

    def heads(self) -> dict[Viewer, Packed]:
        """What was packed so far."""
        with self._lock:
            return {viewer: held.head for viewer, held in self._held.items()}

    def of(self, audience: Audience | None) -> Scope | None:
        """What a page of this audience is scored by; None: all. It may be another one next time."""
        if audience is None or audience.entities is None or not self._worthwhile(audience.entities):
            return self._all
        with self._lock:
            held = self._held.get(audience.viewer)
            if held is not None:
                held = _fitting(held, audience)
            if held is not None:
                self._held[audience.viewer] = held
                return held.scope
            if self._packer is None:
                self._packer = Thread(
                    target=self._pack_aside, args=(audience,), name="packs a head", daemon=True
                )
                self._packer.start()
            return self._all

    def pack(self, audience: Audience) -> None:
        """Have it ready; takes up to seconds, so never on a request's path."""
        if audience.entities is None or audience.places is None:
            raise RuntimeError("a set that is held whole has a head: the whole one. This is a bug.")
        viewer = audience.viewer
        with self._lock:
            held = self._held.get(viewer)
            earlier = held.head if held else self._earlier.pop(viewer, None)
        tokens = np.concatenate([self._rows, self._entities[audience.entities]])
        head = self._packing(tokens, earlier)
        refining = head if isinstance(head, Screen) else None
        made = _Held(audience, head, Scope(head, audience.places, refining), audience)
        with self._lock:
            self._held[viewer] = made

    def _pack_aside(self, audience: Audience) -> None:
        try:
            self.pack(audience)
        finally:
            with self._lock:
                self._packer = None

    def _worthwhile(self, entities: IntArray) -> bool:
        share = len(entities) / len(self._entities)
        return share <= LARGEST_SHARE and (1.0 - share) * self.whole.nbytes >= LEAST_SAVED


def _fitting(held: _Held, audience: Audience) -> _Held | None:
    """The same, where it has a score for all of the audience and not too many for nobody."""
    if audience is held.latest:
        return held
    assert audience.entities is not None
    assert held.audience.entities is not None
    packed, wanted = len(held.audience.entities), len(audience.entities)
    if wanted < (1.0 - MOST_WASTE) * packed:
        return None
    if (held.scope.places[audience.entities] == packed).any():
        return None
    return _Held(held.audience, held.head, held.scope, audience)
