"""The four tokens that an event appends to a member's encoded prompt.

What `tokenizer.prompt.PromptEncoder` gives it, for an event that comes last: the tokens of the
bundle's own vocabulary, its time told against its own midnight, and how soon it came after the
one before, which only the store knows.
"""

import struct
from bisect import bisect_right
from collections.abc import Mapping
from typing import Final

import numpy as np

from genpage.context import Context
from genpage.event import Event
from streaming.ports import CachedHistory
from tokenizer.buckets import AGES, GAP_EDGES, age_bucket, anchor_of, duration_bucket
from tokenizer.prompt import ACTION_TOKENS, DURATION_START, TIME_START
from tokenizer.symbols import SYMBOL_IDS

_UNSEEN: Final = SYMBOL_IDS["unseen:entity"]
_PACKED = struct.Struct("<4i")


def packed(event: Event, entities: Mapping[str, int]) -> bytes:
    """The tokens as they stand in an encoded prompt, for an event right after another."""
    return _PACKED.pack(*_tokens(event, entities, 0))


def extended(
    held: CachedHistory,
    before: Context,
    after: Context,
    event: Event,
    entities: Mapping[str, int],
) -> CachedHistory | None:
    """The encoded prompt of ``after``, where the event came last; None to encode it anew."""
    midnight = anchor_of(event.ts)
    if (held.context_version, held.anchor) != (before.version, midnight):
        return None
    number = after.dropped + len(after.events)
    if after.events[-1] is not event or after.dropped > held.oldest or number > held.last:
        return None
    previous = before.events[-1].ts if before.events else float("-inf")
    gap = bisect_right(GAP_EDGES, event.ts - previous)
    tokens = np.array(_tokens(event, entities, gap), np.int32)
    history = np.concatenate([held.history, tokens])
    return CachedHistory(after.version, midnight, held.summary, history, held.oldest, held.last)


def _tokens(event: Event, entities: Mapping[str, int], gap: int) -> tuple[int, int, int, int]:
    age = age_bucket(event.ts, anchor_of(event.ts))
    return (
        entities.get(event.entity_id, _UNSEEN),
        ACTION_TOKENS[event.action],
        TIME_START + gap * AGES + age,
        DURATION_START + duration_bucket(event.duration_s),
    )
