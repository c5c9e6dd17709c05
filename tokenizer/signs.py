"""What the moment says of each title for a member: the numbers that its appeal is made of.

What the member did with it, how near its content is to what they liked, what everybody watches,
how new it is, what it is. A pure function of the catalog, the member's past and the request, so
that training (`training.examples`) and serving (`tokenizer.appeal`) cannot disagree.

Shape legend: E entities by catalog index, S = `SIGNS`, C content dimensions, h events, W wishes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from genpage.catalog import SECONDS_A_DAY, Catalog
from genpage.entity import ENTITY_KINDS
from genpage.event import ACTIONS
from genpage.member_rows import FINISHED_SHARE
from genpage.profile import PROFILE_TYPES, Profile
from genpage.request import DEVICES, Device
from genpage.sources import Sources
from genpage.trends import SIGNAL_HALF_LIVES_S
from tokenizer.buckets import anchor_of
from tokenizer.content import ContentEncoder
from tokenizer.crowd import grained
from tokenizer.past import Past

FloatArray = NDArray[np.float32]
Ints = NDArray[np.int64]
EVERY: Final = slice(None)
OWN: Final = (
    *("begun", "begun_lately", "finished", "regular", "abandoned", "up", "down", "listed"),
    *("looked", "plays", "had", "had_lately"),
)
NEAR: Final = ("ever", "lately", "last", "hour")
PACES: Final = len(SIGNAL_HALF_LIVES_S)
ITEM: Final = (
    *(f"kind_{kind}" for kind in ENTITY_KINDS),
    *("kind_share", "spoken", "maturity", "hours", "burst", "new", "age", "dated"),
)
SIGN_NAMES: Final = (
    *OWN,
    *(f"near_{name}" for name in NEAR),
    *("genres", "genres_lately"),
    *(f"pace_{number}" for number in range(PACES)),
    *ITEM,
)
SIGNS: Final = len(SIGN_NAMES)
# Where they stand among a page's.
_ENDS: Final = tuple(np.cumsum([len(OWN), len(NEAR), 2, PACES, len(ITEM)]).tolist())
_OWN, _NEAR, _GENRES, _PACES, _ITEM = (
    slice(start, end) for start, end in zip((0, *_ENDS), _ENDS, strict=False)
)
# And among an item's.
_KIND: Final = slice(0, len(ENTITY_KINDS))
_SHARE, _SPOKEN, _MATURITY, _HOURS, _BURSTING, _FRESH, _AGE, _DATED = range(
    len(ENTITY_KINDS), len(ITEM)
)
WISHES: Final = len(NEAR)
# What is said of the request itself, the same for every title.
ASKED: Final = len(DEVICES) + len(PROFILE_TYPES) + 1 + 5

# How much an action says for a title as what a member likes.
_WORTH: Final = np.array(
    [
        {"abandon": -0.5, "thumbs_down": -1.0, "thumbs_up": 1.5, "play": 1.0}.get(action, 0.4)
        for action in ACTIONS
    ],
    np.float32,
)
_PLAY, _ABANDON, _LIST, _UNLIST, _UP, _DOWN = (
    ACTIONS.index(name)
    for name in (
        *("play", "abandon", "add_to_list", "remove_from_list"),
        *("thumbs_up", "thumbs_down"),
    )
)
_LOOKS: Final = np.array([ACTIONS.index(name) for name in ("trailer", "details", "search")])
# Days after which what was done says half as much; hours that are this one.
_EVER, _LATELY, _BURST, _NEW = 30.0, 2.0, 2.5, 14.0
_AROUND_H: Final = 3.0
# Cosines and counts as numbers of about 1.
_COSINE, _COUNT = np.float32(4.0), np.float32(1.0 / 3.0)
# So many events half convince of a wish.
_CONVINCED: Final = 3.0
_MOST_HOURS: Final = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """When and by whom a page is asked for; ``paces`` (H, E) are the trends', where counted.

    ``watched`` (PACES, E) is what `watched` makes of them, where that is at hand.
    """

    at: float
    device: Device
    profile: Profile | None
    paces: FloatArray | None
    watched: FloatArray | None = None


def heard(past: Past, moment: Moment, sources: Sources) -> tuple[Past, Moment]:
    """What of both a model reads: what is switched off is as if nobody knew it."""
    if not sources.history:
        past = past.until(-np.inf)
    elif not sources.in_session:
        past = past.until(anchor_of(moment.at))
    return past, replace(
        moment,
        profile=moment.profile if sources.profile else None,
        paces=moment.paces if sources.trending else None,
        watched=moment.watched if sources.trending else None,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Titles:
    """The catalog's side, prepared once a snapshot."""

    content: FloatArray  # (E, C) of unit length, `grained`, what all titles share taken out
    genres: FloatArray  # (E, G) of unit length
    kind: NDArray[np.int64]  # (E,)
    length_s: NDArray[np.float64]  # (E,) NaN where there is none
    released_at: NDArray[np.float64]  # (E,) NaN where unknown
    languages: Mapping[str, NDArray[np.bool_]]
    items: FloatArray  # (ITEM, E) what does not depend on member or moment; zero elsewhere

    @classmethod
    def of(cls, catalog: Catalog, encoder: ContentEncoder) -> "Titles":
        """Encodes every title: seconds for a large catalog, so never on a request's path."""
        content = np.zeros((0, encoder.dim), np.float32)
        if catalog.entities:
            content = encoder.encode(catalog.entities)
            content = grained(_unit(content - content.mean(axis=0, dtype=np.float32)))
        lengths = [np.nan if e.duration_s is None else e.duration_s for e in catalog.entities]
        length_s = np.array(lengths, np.float64)
        released_at = np.asarray(catalog.released_at, np.float64)
        items = np.zeros((len(ITEM), len(catalog.entities)), np.float32)
        items[_KIND] = catalog.kind == np.arange(len(ENTITY_KINDS))[:, None]
        items[_MATURITY] = catalog.maturity.astype(np.float32) / np.float32(18.0)
        items[_HOURS] = np.clip(np.nan_to_num(length_s) / 3600.0, 0.0, _MOST_HOURS)
        items[_DATED] = np.isfinite(released_at)
        return cls(
            content=content,
            genres=_unit(catalog.genre_matrix),
            kind=catalog.kind.astype(np.int64),
            length_s=length_s,
            released_at=released_at,
            languages=catalog.by_language,
            items=items,
        )

    def __len__(self) -> int:
        return len(self.kind)


@dataclass(frozen=True, slots=True, eq=False)
class Signs:
    """Of one page: its titles', what the member wishes for in content, and the request's."""

    titles: FloatArray  # (S, E)
    wishes: FloatArray  # (W, C)
    asked: FloatArray  # (ASKED,)

    @classmethod
    def of(cls, titles: Titles, past: Past, moment: Moment, among: Ints | slice = EVERY) -> "Signs":
        """All of it; ``past`` is what lay before the moment.

        ``among`` are the titles (by catalog index) that are told of, in this order.
        """
        wishes = _wishes(titles, past, moment.at)
        own = _own(titles, past, moment.at)
        told = np.empty((SIGNS, len(titles.kind[among])), np.float32)
        told[_OWN] = own[:, among]
        told[_NEAR] = _near(titles, wishes, among)
        told[_GENRES] = _genres(titles, past, among)
        told[_PACES] = _paces(moment, told.shape[1], among)
        _items(told[_ITEM], titles, past, moment, among)
        return cls(told, wishes, _asked(past, moment))


def _own(titles: Titles, past: Past, at: float) -> FloatArray:
    """(len(OWN), E) what the member did with each title."""
    found = np.zeros((len(OWN), len(titles)), np.float32)
    if not len(past.entity):
        return found
    entity, action = past.entity, past.action
    share = past.seconds / titles.length_s[entity]  # NaN where either is unknown
    begun, begun_lately, finished, regular, abandoned, up, down, listed = found[:8]
    looked, plays, had, had_lately = found[8:]
    idle_days = np.maximum(0.0, at - past.ts) / SECONDS_A_DAY
    fresh = np.exp2(-idle_days / _LATELY).astype(np.float32)
    # Of several plays the newest is written last, and stays.
    played = np.flatnonzero((action == _PLAY) | (action == _ABANDON))
    where, left = entity[played], action[played] == _ABANDON
    is_begun = ~left & (share[played] < FINISHED_SHARE)
    begun[where] = is_begun
    begun_lately[where] = is_begun * fresh[played]
    finished[where] = ~left & (share[played] >= FINISHED_SHARE)
    regular[where] = ~left & np.isnan(share[played])
    abandoned[where] = left
    for opinion in (_UP, _DOWN):
        up[entity[action == opinion]] = opinion == _UP
        down[entity[action == opinion]] = opinion == _DOWN
    edits = np.flatnonzero((action == _LIST) | (action == _UNLIST))
    listed[entity[edits]] = action[edits] == _LIST
    np.add.at(looked, entity[np.isin(action, _LOOKS)], 1.0)
    np.add.at(plays, entity[action == _PLAY], 1.0)
    had[entity] = 1.0
    had_lately[entity] = fresh
    once = np.unique(entity)
    looked[once] = np.log1p(looked[once])
    plays[once] = np.log1p(plays[once])
    return found


def _wishes(titles: Titles, past: Past, at: float) -> FloatArray:
    """(W, C) what was liked ever, lately, last, and at this hour; short where little is known."""
    wishes = np.zeros((WISHES, titles.content.shape[1]), np.float32)
    if not len(past.entity):
        return wishes
    days = np.maximum(0.0, at - past.ts) / SECONDS_A_DAY
    worth = _WORTH[past.action]
    last = np.zeros(len(worth))
    last[-1] = 1.0
    apart = np.abs(((past.ts - at) / 3600.0 + 12.0) % 24.0 - 12.0)
    shares = (np.exp2(-days / _EVER), np.exp2(-days / _LATELY), last, apart < _AROUND_H)
    mine = titles.content[past.entity]  # (h, C)
    for wish, share in zip(wishes, shares, strict=True):
        weights = (worth * share).astype(np.float32)
        total = weights @ mine
        count = float(np.abs(weights).sum())
        length = float(np.linalg.norm(total))
        wish[:] = total * (count / ((count + _CONVINCED) * max(1e-6, length)))
    return wishes


def _near(titles: Titles, wishes: FloatArray, among: Ints | slice) -> FloatArray:
    """(W, E) how near each title is to the wishes."""
    near: FloatArray = _COSINE * (wishes @ titles.content[among].T)
    return near


def _genres(titles: Titles, past: Past, among: Ints | slice) -> FloatArray:
    """(2, E) the mean cosine of genres with the latest titles: sixty, and six."""
    mine = titles.genres[among]
    found = np.zeros((2, len(mine)), np.float32)
    for line, count in zip(found, (60, 6), strict=True):
        if len(past.entity):
            line[:] = mine @ titles.genres[past.entity[-count:]].mean(axis=0)
    return 2 * found


def watched(paces: FloatArray, among: Ints | slice = EVERY) -> FloatArray:
    """(PACES, E) how much each title is watched against the average one, logarithms."""
    totals = np.maximum(1.0, paces.sum(axis=1, keepdims=True))
    told = np.log1p(10.0 * paces.shape[1] * paces[:, among] / totals)
    return np.asarray(_COUNT * told, np.float32)


def _paces(moment: Moment, count: int, among: Ints | slice) -> FloatArray:
    if moment.watched is not None:
        return moment.watched[:, among]
    if moment.paces is None:
        return np.zeros((PACES, count), np.float32)
    return watched(moment.paces, among)


def _items(
    lines: FloatArray, titles: Titles, past: Past, moment: Moment, among: Ints | slice
) -> None:
    """Write what each title is: (ITEM, E)."""
    lines[:] = titles.items[:, among]
    kind, released_at = titles.kind[among], titles.released_at[among]
    shares = np.bincount(titles.kind[past.entity], minlength=len(ENTITY_KINDS)) / max(
        1, len(past.entity)
    )
    lines[_SHARE] = shares[kind]
    language = None if moment.profile is None else moment.profile.language
    spoken = titles.languages.get(language or "")
    if spoken is not None:
        lines[_SPOKEN] = spoken[among]
    dated = np.flatnonzero(lines[_DATED])
    age = np.maximum(0.0, moment.at - released_at[dated]) / SECONDS_A_DAY
    lines[_BURSTING, dated] = np.exp2(-age / _BURST)
    lines[_FRESH, dated] = np.exp2(-age / _NEW)
    lines[_AGE, dated] = np.log1p(age) / 8.0


def _asked(past: Past, moment: Moment) -> FloatArray:
    """(ASKED,) device, profile, hour, weekend, how much is known."""
    clock = datetime.fromtimestamp(moment.at, UTC)
    angle = 2.0 * np.pi * (clock.hour + clock.minute / 60.0) / 24.0
    kind = None if moment.profile is None else moment.profile.profile_type
    pause = moment.at - float(past.ts[-1]) if len(past.ts) else 1e7
    return np.array(
        [
            *(moment.device == name for name in DEVICES),
            *(kind == name for name in PROFILE_TYPES),
            kind is None,
            np.sin(angle),
            np.cos(angle),
            clock.weekday() >= 5,  # noqa: PLR2004 - Saturday
            np.log1p(len(past.entity)) / 5.0,
            np.log1p(max(0.0, pause) / 3600.0) / 5.0,
        ],
        np.float32,
    )


def _unit(vectors: FloatArray) -> FloatArray:
    lengths = np.maximum(1e-6, np.linalg.norm(vectors, axis=1, keepdims=True))
    return np.asarray(vectors / lengths, np.float32)
