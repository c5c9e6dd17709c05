"""What the page's entity ranker sees of a title, beside what the next title's sees.

Shape legend: c candidates, E entities by catalog index, S signals, G genres, D content dimensions.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation.multistage.audience import REQUEST, Rates, request_features
from evaluation.multistage.columns import History
from evaluation.multistage.entity_features import FEATURES, EntityFeatures
from evaluation.multistage.store import FeatureStore
from genpage.catalog import SECONDS_A_DAY, Catalog
from genpage.event import ACTIONS
from genpage.profile import Profile
from genpage.request import PageRequest
from tokenizer.content import ContentEncoder

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
_STATE: Final = (
    "own_share",
    "own_idle_days",
    "own_thumb",
    "own_listed",
    "own_looks",
    "own_plays",
)
_CONTENT: Final = ("content_history", "content_recent", "content_last", "content_daypart")
_ITEM: Final = ("kind", "maturity", "spoken", "duration_s", "rate", "kind_share")
_RECENT_S: Final = 2 * SECONDS_A_DAY
_PLAY, _ABANDON, _LIST, _UNLIST = (
    ACTIONS.index(name) for name in ("play", "abandon", "add_to_list", "remove_from_list")
)
_UP, _DOWN = ACTIONS.index("thumbs_up"), ACTIONS.index("thumbs_down")
_LOOKS: Final = np.array([ACTIONS.index(name) for name in ("trailer", "details", "search")])
# How much an action says for a title as what a member likes.
_WORTH = np.array(
    [
        {"abandon": -0.5, "thumbs_down": -1.0, "thumbs_up": 1.5, "play": 1.0}.get(a, 0.4)
        for a in ACTIONS
    ],
    np.float32,
)


def page_features(catalog: Catalog) -> tuple[str, ...]:
    """The names, in order; genres are the catalog's."""
    genres = tuple(f"genre_{place}" for place in range(catalog.genre_matrix.shape[1]))
    return (
        *FEATURES,
        *_STATE,
        *_CONTENT,
        *_ITEM,
        "type_share",
        "language_share",
        *REQUEST,
        *genres,
    )


class PageFeatures:
    """Reads a feature store and the catalog's own columns."""

    def __init__(self, store: FeatureStore, encoder: ContentEncoder) -> None:
        catalog = self._catalog = store.catalog
        self._next = EntityFeatures(store)
        vectors = encoder.encode(catalog.entities)
        self._content = vectors / np.maximum(
            1e-6, np.linalg.norm(vectors, axis=1, keepdims=True)
        ).astype(np.float32)
        self._languages = {
            name: np.array([name in e.languages for e in catalog.entities], np.float32)
            for name in {name for e in catalog.entities for name in e.languages}
        }
        self._seconds = np.array(
            [np.nan if e.duration_s is None else e.duration_s for e in catalog.entities], np.float32
        )

    def of(
        self,
        candidates: Ints,
        signals: Floats,
        history: History,
        profile: Profile | None,
        request: PageRequest,
        rates: Rates,
        shares: Floats,
    ) -> Floats:
        """(c, F) in the order of `page_features`; ``shares`` (2, E) are the segments'."""
        catalog, at = self._catalog, request.at
        count = len(candidates)
        spoken = self._languages.get((profile.language if profile else None) or "")
        kinds = catalog.kind[history.entity]
        kind_share = np.bincount(kinds, minlength=8)[catalog.kind[candidates]] / max(1, len(kinds))
        item = np.stack(
            [
                catalog.kind[candidates],
                catalog.maturity[candidates],
                np.full(count, np.nan) if spoken is None else spoken[candidates],
                self._seconds[candidates],
                rates.entity[candidates],
                kind_share,
            ]
        ).astype(np.float32)
        asked = request_features(profile, request)
        return np.concatenate(
            [
                self._next.of(candidates, signals, history, at),
                self._state(candidates, history, at).T,
                self._contents(candidates, history, at).T,
                item.T,
                shares[:, candidates].T,
                np.broadcast_to(asked, (count, len(asked))),
                catalog.genre_matrix[candidates],
            ],
            axis=1,
        )

    def _state(self, candidates: Ints, history: History, at: float) -> Floats:
        """(6, c) what the member did with each: NaN or 0 where nothing."""
        size = len(self._catalog.entities)
        share, idle = np.full(size, np.nan, np.float32), np.full(size, np.nan, np.float32)
        opinion, listed, looks, plays = np.zeros((4, size), np.float32)
        entity, action = history.entity, history.action
        played = (action == _PLAY) | (action == _ABANDON)
        # Of several events the newest is written last, and stays.
        watched = np.nan_to_num(history.seconds / self._seconds[entity], nan=0.5)
        share[entity[played]] = np.where(action == _ABANDON, -1.0, watched)[played]
        idle[entity] = (at - history.ts) / SECONDS_A_DAY
        for which, value in ((_UP, 1.0), (_DOWN, -1.0)):
            opinion[entity[action == which]] = value
        edits = (action == _LIST) | (action == _UNLIST)
        listed[entity[edits]] = action[edits] == _LIST
        np.add.at(looks, entity[np.isin(action, _LOOKS)], 1.0)
        np.add.at(plays, entity[action == _PLAY], 1.0)
        return np.stack([share, idle, opinion, listed, looks, plays])[:, candidates]

    def _contents(self, candidates: Ints, history: History, at: float) -> Floats:
        """(4, c) cosines with what the member liked: ever, lately, last, at this time of day."""
        mine = self._content[candidates]
        worth = _WORTH[history.action]
        lately = worth * (at - history.ts < _RECENT_S)
        last = np.zeros_like(worth)
        last[-1:] = 1.0
        daypart = worth * (np.abs(((history.ts - at) / 3600.0 + 12) % 24 - 12) < 3)  # noqa: PLR2004 - hours around this one
        found = np.zeros((4, len(candidates)), np.float32)
        for place, weights in enumerate((worth, lately, last, daypart)):
            if weights.any():
                wish = weights @ self._content[history.entity]
                found[place] = mine @ (wish / max(1e-6, float(np.linalg.norm(wish))))
        return found
