"""The fixed block of tokens: everything that is neither a row nor an entity.

The ids 0..511 belong to this block; items follow from `ITEM_START`. What the block does not use
yet is reserve, so that a later version appends symbols without moving any item.
"""

from dataclasses import dataclass
from types import MappingProxyType

from genpage.entity import ENTITY_KINDS
from genpage.event import ACTIONS
from genpage.profile import PROFILE_TYPES
from genpage.request import DEVICES
from tokenizer import buckets

ITEM_START = 512


@dataclass(frozen=True, slots=True)
class Symbol:
    """A token of the fixed block: its ``name`` for machines, its ``text`` for people."""

    name: str
    text: str


_SPECIALS = (
    Symbol("<pad>", "nothing"),
    Symbol("<profile>", "profile"),
    Symbol("<summary>", "earlier favourites"),
    Symbol("<history>", "history"),
    Symbol("<new>", "new"),
    Symbol("<live>", "live now"),
    Symbol("<trending>", "trending"),
    Symbol("<request>", "request"),
    Symbol("<next>", "watches next"),
    Symbol("<page>", "page"),
    Symbol("<acted>", "did on this page"),
)
_ACTION_TEXTS = {
    "play": "played",
    "abandon": "gave up on",
    "add_to_list": "added to the list",
    "remove_from_list": "removed from the list",
    "thumbs_up": "liked",
    "thumbs_down": "disliked",
    "trailer": "watched the trailer",
    "details": "looked at the details",
    "search": "searched for",
}
_KIND_TEXTS = {"show": "show", "film": "film", "game": "game", "live": "live event"}
# A row's kind is free; these have a fallback of their own, the others share "unseen:row".
ROW_KINDS = ("continue", "my_list", "because", "trending", "genre", "decade", "new", "live", "kind")

SYMBOLS: tuple[Symbol, ...] = (
    *_SPECIALS,
    Symbol("unseen:entity", "an unknown title"),
    *(Symbol(f"unseen:{kind}", f"an unknown {_KIND_TEXTS[kind]}") for kind in ENTITY_KINDS),
    Symbol("unseen:row", "an unknown row"),
    *(Symbol(f"unseen:row:{kind}", f"an unknown {kind} row") for kind in ROW_KINDS),
    *(Symbol(f"action:{action}", _ACTION_TEXTS[action]) for action in ACTIONS),
    *(Symbol(f"time:{name}", text) for name, text in buckets.TIME_NAMES),
    *(Symbol(f"duration:{name}", text) for name, text in buckets.DURATION_NAMES),
    Symbol("profile:unknown", "profile unknown"),
    *(Symbol(f"profile:{kind}", f"{kind} profile") for kind in PROFILE_TYPES),
    *(Symbol(f"language:{name}", f"language {name}") for name in buckets.LANGUAGES),
    *(Symbol(f"country:{name}", f"country {name}") for name in buckets.COUNTRIES),
    *(Symbol(f"maturity:{name}", text) for name, text in buckets.MATURITY_NAMES),
    *(Symbol(f"device:{device}", f"on {device}") for device in DEVICES),
    *(Symbol(f"hour:{hour:02d}", f"at {hour:02d} h UTC") for hour in range(24)),
    *(Symbol(f"weekday:{day}", day) for day in buckets.WEEKDAYS),
    *(Symbol(f"since:{name}", text) for name, text in buckets.SINCE_NAMES),
)
SYMBOL_IDS: MappingProxyType[str, int] = MappingProxyType(
    {symbol.name: index for index, symbol in enumerate(SYMBOLS)}
)
if len(SYMBOL_IDS) != len(SYMBOLS) or len(SYMBOLS) > ITEM_START:  # pragma: no cover
    raise AssertionError("the symbol block is ambiguous or past its reserve. This is a bug.")
