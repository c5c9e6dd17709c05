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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from genpage.context import Context
from genpage.event import ACTIONS, Event
from genpage.injection import Injection
from genpage.page import PageRow
from genpage.profile import Profile
from genpage.request import Device, PageRequest
from tokenizer.buckets import (
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

    @property
    def next_position(self) -> int:
        """Where ``<next>`` stands: its output scores the member's next title."""
        return len(self.tokens) - 2


@dataclass(frozen=True, slots=True)
class PromptEncoder:
    """Encodes prompts over one vocabulary. Immutable and free of caches."""

    vocabulary: Vocabulary
    history_tokens: int = 512
    history_block: int = 32
    summary_entities: int = 16
    window: Window = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "window", Window(self.history_tokens, self.history_block))

    def encode(self, context: Context, request: PageRequest, injection: Injection) -> Prompt:
        """The prompt of a request; events later than ``request.at`` stay hidden."""
        events, dropped = context.events, context.dropped
        visible = len(events)
        if events and events[-1].ts > request.at:
            visible = bisect_right(events, request.at, key=lambda event: event.ts)
        start = self.window.start(dropped + visible)
        cut = max(0, start - dropped)
        oldest = max(0, start - self.window.summarised - dropped)
        anchor = anchor_of(request.at)
        return self.assemble(
            profile=context.profile,
            summary=self._summary(events[oldest:cut]),
            history=self._events(events[cut:visible], anchor),
            injection=injection,
            at=request.at,
            device=request.device,
            last_ts=events[visible - 1].ts if visible else None,
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
        parts: tuple[tuple[SegmentName, Sequence[int] | IntArray], ...] = (
            ("profile", _profile(profile)),
            ("summary", summary),
            ("history", history),
            ("new", self._entities(injection.new)),
            ("live", self._entities(injection.live)),
            ("trending", self._entities(injection.trending)),
            ("request", _request(at, device, last_ts)),
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
        acted = self._events(seen, None)
        shown = row_tokens(self.vocabulary, rows)
        return np.array([*shown, SYMBOL_IDS["<acted>"], *acted, SYMBOL_IDS["<page>"]], np.int32)

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


def _request(at: float, device: Device, last_ts: float | None) -> list[int]:
    since = None if last_ts is None else at - last_ts
    return [
        SYMBOL_IDS[f"device:{device}"],
        _HOUR_START + hour_of(at),
        SYMBOL_IDS[f"weekday:{WEEKDAYS[weekday_of(at)]}"],
        SINCE_START + since_bucket(since),
    ]


if (AGES * (len(GAP_EDGES) + 1), TOKENS_AN_EVENT) != (DURATION_START - TIME_START, 4):
    raise AssertionError("the time tokens are not the buckets' product. This is a bug.")
