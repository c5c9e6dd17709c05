"""Many members' histories in columns: the way training and evaluation encode prompts.

The same tokens as `tokenizer.prompt.PromptEncoder.encode` gives for each member's context (a test
compares the two), from arrays that are mapped to tokens once::

    histories = Histories.of(encoder.vocabulary, user_ids, entity_ids, actions, ts, durations)
    member = histories.member("u17")            # None for a member without events
    cut = np.searchsorted(histories.ts[histories.events_of(member)], at, side="right")
    prompt = histories.prompt(encoder, member, cut, at=at, device="tv", profile=p, injection=i)

``cut`` counts the member's events, oldest first, that the prompt may know. Serving knows the
events with ``ts <= at``; next-item evaluation passes the count strictly before its event, and its
event's own time as ``at``.

Event ``k`` of the raw window (k = 0, 1, ...) stands at tokens ``s + 1 + 4 k ... s + 4 + 4 k`` of a
prompt whose history segment starts at ``s``: entity, action, time, duration. Its number among the
member's events is ``encoder.window.start(cut) + k``.

Shape legend: N events in all, M members; a member's events are ``offsets[m]:offsets[m + 1]``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from genpage.event import Action
from genpage.injection import Injection
from genpage.profile import Profile
from genpage.request import Device
from tokenizer.buckets import (
    AGE_EDGES,
    AGES,
    DURATION_EDGES,
    GAP_EDGES,
    HOUR,
    HOURS_A_SLOT,
    SLOTS_A_DAY,
    anchor_of,
)
from tokenizer.engagement import ENGAGEMENT
from tokenizer.prompt import ACTION_TOKENS, DURATION_START, TIME_START, Prompt, PromptEncoder
from tokenizer.symbols import ITEM_START, SYMBOL_IDS
from tokenizer.vocabulary import IntArray, Vocabulary
from tokenizer.window import TOKENS_AN_EVENT

FloatArray = NDArray[np.float64]
_UNSEEN = SYMBOL_IDS["unseen:entity"]


@dataclass(frozen=True, slots=True, eq=False)
class Histories:
    """All members' events, each member's by (ts, order of arrival). Arrays are read only."""

    members: Mapping[str, int]  # user id -> m
    offsets: NDArray[np.int64]  # (M + 1,)
    entity: IntArray  # (N,) tokens
    action: IntArray  # (N,) tokens
    duration: IntArray  # (N,) tokens
    engagement: IntArray  # (N,) what the summary ranks by
    ts: FloatArray  # (N,) Unix seconds
    seconds: FloatArray  # (N,) watched, NaN where unknown

    @classmethod
    def of(
        cls,
        vocabulary: Vocabulary,
        user_ids: Sequence[str],
        entity_ids: Sequence[str],
        actions: Sequence[Action],
        ts: Sequence[float] | FloatArray,
        durations: Iterable[float | None],
    ) -> "Histories":
        """From columns of equal length in order of arrival; a duration may be None or NaN."""
        members = {user_id: m for m, user_id in enumerate(dict.fromkeys(user_ids))}
        count = len(user_ids)
        member = np.fromiter(map(members.__getitem__, user_ids), np.int64, count)
        times = np.asarray(ts, np.float64)
        order = np.lexsort((times, member))  # stable: arrival decides among equal times
        tokens = vocabulary.entity_tokens
        entity = np.fromiter((tokens.get(i, _UNSEEN) for i in entity_ids), np.int32, count)
        action = np.fromiter(map(ACTION_TOKENS.__getitem__, actions), np.int32, count)
        worth = np.fromiter(map(ENGAGEMENT.__getitem__, actions), np.int32, count)
        seconds = np.array([np.nan if d is None else d for d in durations], np.float64)
        duration = DURATION_START + np.where(
            np.isnan(seconds), 0, 1 + np.searchsorted(DURATION_EDGES, seconds, side="right")
        )
        sizes = np.bincount(member, minlength=len(members))
        return cls(
            MappingProxyType(members),
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            entity[order],
            action[order],
            duration[order].astype(np.int32),
            worth[order],
            times[order],
            seconds[order],
        )

    def member(self, user_id: str) -> int | None:
        """The member's number, None where there is no event of theirs."""
        return self.members.get(user_id)

    def events_of(self, member: int) -> slice:
        """Where a member's events stand in the columns."""
        return slice(int(self.offsets[member]), int(self.offsets[member + 1]))

    def prompt(
        self,
        encoder: PromptEncoder,
        member: int | None,
        cut: int,
        *,
        at: float,
        device: Device,
        profile: Profile | None,
        injection: Injection,
    ) -> Prompt:
        """The prompt that knows the first ``cut`` events of ``member`` (None: nobody known).

        ``encoder`` must have the vocabulary that these columns were made with.
        """
        first = 0 if member is None else int(self.offsets[member])
        start = encoder.window.start(cut)
        oldest = max(0, start - encoder.window.summarised)
        return encoder.assemble(
            profile=profile,
            summary=self._summary(first + oldest, first + start, encoder.summary_entities),
            history=self._events(first + start, first + cut, anchor_of(at)),
            injection=injection,
            at=at,
            device=device,
            last_ts=float(self.ts[first + cut - 1]) if cut else None,
        )

    def _events(self, start: int, end: int, anchor: float) -> IntArray:
        """(4 (end - start),) the tokens of events ``start:end``."""
        ts = self.ts[start:end]
        age = np.searchsorted(AGE_EDGES, anchor - ts, side="right")
        slot = np.minimum((ts - anchor) // (HOURS_A_SLOT * HOUR), SLOTS_A_DAY - 1)
        when = np.where(ts < anchor, age, len(AGE_EDGES) + 1 + slot)
        gap = np.searchsorted(GAP_EDGES, np.diff(ts, prepend=-np.inf), side="right")
        tokens = np.empty((end - start, TOKENS_AN_EVENT), np.int32)  # (events, 4)
        tokens[:, 0] = self.entity[start:end]
        tokens[:, 1] = self.action[start:end]
        tokens[:, 2] = TIME_START + gap * AGES + when
        tokens[:, 3] = self.duration[start:end]
        return tokens.reshape(-1)

    def _summary(self, start: int, end: int, count: int) -> IntArray:
        """The titles most engaged with among events ``start:end``, best first."""
        newest_first = self.entity[start:end][::-1]
        titles, last, index = np.unique(newest_first, return_index=True, return_inverse=True)
        scores = np.bincount(index, self.engagement[start:end][::-1], len(titles))
        order = np.lexsort((last, -scores))
        order = order[(titles[order] >= ITEM_START) & (scores[order] > 0)]
        return titles[order[:count]]
