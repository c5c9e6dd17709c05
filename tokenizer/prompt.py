"""A member's context and request as a prompt: a pure function of (context, request, injection).

The layout, segments in the order of how seldom they change::

    <profile> language profile country maturity
    <summary> the titles most engaged with before the raw window, best first
    <history> 4 tokens an event, oldest first: entity action time duration
    <new> entities  <live> entities  <trending> entities
    <request> device hour weekday time-since-the-last-event
    <next> <page>

At ``<next>`` the model predicts the title of the member's next event (the auxiliary target, and
the position where next-item evaluation reads its scores); at ``<page>`` the page's first row.

Within an anchor (the request's UTC midnight) a new event appends four tokens to the history and
changes nothing before them, until a whole block of the oldest events is dropped. An event's time
token says how long before the anchor it was, or at what hour of the anchor's day, and whether it
followed the previous event of the window within an hour or within a sitting of 12 hours. Events
later than the request's clock are hidden.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from genpage.context import Context
from genpage.event import ACTIONS, Event
from genpage.injection import Injection
from genpage.page import PageRow
from genpage.profile import Profile
from genpage.request import Device, PageRequest
from genpage.sources import EVERYTHING, Sources
from tokenizer.buckets import (
    AGE_EDGES,
    AGES,
    GAP_EDGES,
    WEEKDAYS,
    age_bucket,
    anchor_of,
    country_name,
    duration_bucket,
    hour_of,
    language_name,
    maturity_bucket,
    since_bucket,
    weekday_of,
)
from tokenizer.engagement import ENGAGEMENT
from tokenizer.page import row_tokens
from tokenizer.symbols import SYMBOL_IDS, SYMBOLS
from tokenizer.vocabulary import IntArray, Vocabulary
from tokenizer.window import TOKENS_AN_EVENT, Window

SegmentName = Literal[
    "profile", "summary", "history", "new", "live", "trending", "request", "next", "page"
]


def first_of(prefix: str) -> int:
    """The lowest token whose name begins with ``prefix``: where a block of buckets starts."""
    return next(n for n, symbol in enumerate(SYMBOLS) if symbol.name.startswith(prefix))


ACTION_TOKENS = {action: SYMBOL_IDS[f"action:{action}"] for action in ACTIONS}
TIME_START, DURATION_START = first_of("time:"), first_of("duration:")
_MATURITY_START, SINCE_START, _HOUR_START = (
    first_of(prefix) for prefix in ("maturity:", "since:", "hour:")
)
_UNSEEN = SYMBOL_IDS["unseen:entity"]
_NEVER = float("-inf")
Events = tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """Tokens ``start:end`` of a prompt, its opening token included."""

    name: SegmentName
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """``tokens`` is (n,) int32; ``anchor`` the UTC midnight that times are told against."""

    tokens: IntArray
    anchor: float
    segments: tuple[Segment, ...]

    def segment(self, name: SegmentName) -> Segment:
        """The segment of that name; every prompt has each once."""
        return next(segment for segment in self.segments if segment.name == name)

    def inside(self, name: SegmentName) -> IntArray:
        """(m,) a segment's tokens behind its opening one."""
        segment = self.segment(name)
        return self.tokens[segment.start + 1 : segment.end]

    @property
    def next_position(self) -> int:
        """Where ``<next>`` stands: its output scores the member's next title."""
        return len(self.tokens) - 2


@dataclass(frozen=True, slots=True, eq=False)
class KeptHistory:
    """The segments of a prompt that outlive a request, int32, without their opening tokens.

    Told in the bundle's own vocabulary, so that every replica reads them: a title newer than the
    bundle stands as an unknown one, whose id is in the context beside.
    """

    summary: IntArray
    history: IntArray


@dataclass(frozen=True, slots=True)
class PromptEncoder:
    """Encodes prompts over one vocabulary. Immutable and free of caches.

    ``base`` is the bundle's vocabulary, where ``vocabulary`` grew out of it as titles arrived.
    Of ``sources`` that are off, the segments stay and are empty. Rows that stand in a prompt are
    told by their first ``serialised`` entities, all where None (`tokenizer.page`).
    """

    vocabulary: Vocabulary
    history_tokens: int = 512
    history_block: int = 32
    summary_entities: int = 16
    base: Vocabulary | None = None
    sources: Sources = EVERYTHING
    serialised: int | None = None
    window: Window = field(init=False)
    # The titles newer than the bundle, with their tokens.
    _newer: Mapping[str, int] = field(init=False, repr=False, compare=False)
    # Each title's token in what is kept; the newer ones stand as unknown there.
    kept_tokens: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "window", Window(self.history_tokens, self.history_block))
        newer: dict[str, int] = {}
        kept = tokens = self.vocabulary.entity_tokens
        if self.base is not None:
            size = self.base.size
            newer = {id_: token for id_, token in tokens.items() if token >= size}
            kept = {id_: token for id_, token in tokens.items() if token < size}
        object.__setattr__(self, "_newer", newer)
        object.__setattr__(self, "kept_tokens", kept)

    @property
    def digest(self) -> str:
        """Names what kept histories are told in."""
        return self.told_in.digest

    @property
    def told_in(self) -> Vocabulary:
        """The bundle's vocabulary, in which histories are kept."""
        return self.base or self.vocabulary

    def over(self, vocabulary: Vocabulary) -> "PromptEncoder":
        """The same over a vocabulary that grew out of this one; what was kept stays good."""
        return replace(self, vocabulary=vocabulary, base=self.base or self.vocabulary)

    def kept(self, prompt: Prompt, context: Context, at: float) -> KeptHistory:
        """What is worth keeping of the prompt of ``context`` at ``at`` (Unix seconds)."""
        kept = KeptHistory(prompt.inside("summary"), prompt.inside("history"))
        if self.base is None or not self._newer:
            return kept
        size = self.base.size
        if (kept.summary < size).all() and (kept.history < size).all():
            return kept
        known = replace(self, vocabulary=self.base, base=None)
        summarised, _, _ = self._split(context, at)
        history = np.where(kept.history < size, kept.history, _UNSEEN).astype(np.int32)
        return KeptHistory(np.array(known._summary(summarised), np.int32), history)  # noqa: SLF001

    def restored(self, kept: KeptHistory, context: Context, at: float) -> KeptHistory:
        """What was kept of ``context`` at ``at``, with the titles that arrived since the export.

        The same tokens as encoding anew; a member who has none of them costs one look at their
        unknown titles.
        """
        if not self._newer:
            return kept
        summarised, raw, _ = self._split(context, at)
        summary, history = kept.summary, kept.history
        if any(event.entity_id in self._newer for event in summarised):
            summary = np.array(self._summary(summarised), np.int32)
        for place in np.flatnonzero(history[::TOKENS_AN_EVENT] == _UNSEEN).tolist():
            token = self._newer.get(raw[place].entity_id)
            if token is not None:
                if history is kept.history:
                    history = history.copy()
                history[place * TOKENS_AN_EVENT] = token
        return KeptHistory(summary, history)

    def encode(self, context: Context, request: PageRequest, injection: Injection) -> Prompt:
        """The prompt of a request; events later than ``request.at`` stay hidden."""
        summarised, raw, last_ts = self._split(context, request.at)
        return self.assemble(
            profile=context.profile,
            summary=self._summary(summarised),
            history=self._events(raw, anchor_of(request.at)),
            injection=injection,
            at=request.at,
            device=request.device,
            last_ts=last_ts,
        )

    def assemble(
        self,
        *,
        profile: Profile | None,
        summary: Sequence[int] | IntArray,
        history: Sequence[int] | IntArray,
        injection: Injection,
        at: float,
        device: Device,
        last_ts: float | None,
    ) -> Prompt:
        """The prompt of segments encoded elsewhere (``tokenizer.history`` has the columnar way).

        ``last_ts`` is the time of the newest visible event.
        """
        on = self.sources
        since = None if last_ts is None or not on.in_session else at - last_ts
        parts: tuple[tuple[SegmentName, Sequence[int] | IntArray], ...] = (
            ("profile", _profile(profile) if on.profile else ()),
            ("summary", summary if on.summary else ()),
            ("history", self._told(history)),
            ("new", self._entities(injection.new) if on.new else ()),
            ("live", self._entities(injection.live) if on.live else ()),
            ("trending", self._entities(injection.trending) if on.trending else ()),
            ("request", _request(at, device, since) if on.request else ()),
            ("next", ()),
            ("page", ()),
        )
        tokens = np.empty(sum(len(part) for _, part in parts) + len(parts), np.int32)
        segments, end = [], 0
        for name, part in parts:
            start, end = end, end + 1 + len(part)
            tokens[start] = SYMBOL_IDS[f"<{name}>"]
            tokens[start + 1 : end] = part
            segments.append(Segment(name, start, end))
        return Prompt(tokens, anchor_of(at), tuple(segments))

    def continuation(
        self, rows: Sequence[PageRow], engagements: Sequence[Event], *, at: float | None = None
    ) -> IntArray:
        """What follows a prompt when its page goes on: (n,) the rows shown, what was done on them.

        ``<row> entities.. <acted> 4 tokens an event.. <page>``; at the last token the model
        predicts the next row. Each engagement is told by the hour of its own day, so that a page
        read over midnight keeps its tokens; later ones than ``at`` are hidden.
        """
        seen = sorted(
            (event for event in engagements if at is None or event.ts <= at),
            key=lambda event: event.ts,
        )
        if not self.sources.in_session:
            seen = []
        acted = self._events(seen, None)
        shown = row_tokens(self.vocabulary, rows, self.serialised)
        return np.array([*shown, SYMBOL_IDS["<acted>"], *acted, SYMBOL_IDS["<page>"]], np.int32)

    def _split(self, context: Context, at: float) -> tuple[Events, Events, float | None]:
        """The events visible at ``at``: those summarised, those raw, the time of the newest."""
        events, dropped = context.events, context.dropped
        visible = len(events)
        if events and events[-1].ts > at:
            visible = bisect_right(events, at, key=lambda event: event.ts)
        start = self.window.start(dropped + visible)
        cut = max(0, start - dropped)
        oldest = max(0, start - self.window.summarised - dropped)
        last_ts = events[visible - 1].ts if visible else None
        return events[oldest:cut], events[cut:visible], last_ts

    def _told(self, history: Sequence[int] | IntArray) -> Sequence[int] | IntArray:
        """What of the history the sources let through."""
        if not self.sources.history:
            return ()
        if self.sources.in_session:
            return history
        when = (np.asarray(history[2::TOKENS_AN_EVENT]) - TIME_START) % AGES
        before = int(np.count_nonzero(when <= len(AGE_EDGES)))
        return history[: before * TOKENS_AN_EVENT]

    def _entities(self, entity_ids: Iterable[str]) -> list[int]:
        tokens = self.vocabulary.entity_tokens
        return [tokens.get(entity_id, _UNSEEN) for entity_id in entity_ids]

    def _events(self, events: Sequence[Event], anchor: float | None) -> list[int]:
        """Four tokens an event; with no anchor each event's own midnight."""
        entity = self.vocabulary.entity_tokens.get
        tokens: list[int] = []
        previous = _NEVER
        for event in events:
            ts = event.ts
            age = age_bucket(ts, anchor_of(ts) if anchor is None else anchor)
            tokens += (
                entity(event.entity_id, _UNSEEN),
                ACTION_TOKENS[event.action],
                TIME_START + bisect_right(GAP_EDGES, ts - previous) * AGES + age,
                DURATION_START + duration_bucket(event.duration_s),
            )
            previous = ts
        return tokens

    def _summary(self, events: Sequence[Event]) -> list[int]:
        """The titles most engaged with, best first; of equals the one had last first."""
        entity = self.vocabulary.entity_tokens.get
        scores: dict[int, int] = {}
        for event in events:
            token = entity(event.entity_id)
            if token is not None:
                # Taken out and put back, so that the dict stands in the order of the last event.
                scores[token] = scores.pop(token, 0) + ENGAGEMENT[event.action]
        newest_first = list(reversed(scores))
        ranked = sorted(newest_first, key=lambda token: -scores[token])
        return [token for token in ranked[: self.summary_entities] if scores[token] > 0]


def _profile(profile: Profile | None) -> list[int]:
    return [
        SYMBOL_IDS[f"language:{language_name(profile)}"],
        SYMBOL_IDS[f"profile:{'unknown' if profile is None else profile.profile_type}"],
        SYMBOL_IDS[f"country:{country_name(profile)}"],
        _MATURITY_START + maturity_bucket(profile),
    ]


def _request(at: float, device: Device, since: float | None) -> list[int]:
    return [
        SYMBOL_IDS[f"device:{device}"],
        _HOUR_START + hour_of(at),
        SYMBOL_IDS[f"weekday:{WEEKDAYS[weekday_of(at)]}"],
        SINCE_START + since_bucket(since),
    ]


if (AGES * (len(GAP_EDGES) + 1), TOKENS_AN_EVENT) != (DURATION_START - TIME_START, 4):
    raise AssertionError("the time tokens are not the buckets' product. This is a bug.")
