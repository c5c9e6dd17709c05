"""From a page asked for to its plan: the member's context, the prompt, what it continues.

Nothing is decoded here. Decisions:

1. Without a clock of its own (``at``), a request sees every event that was accepted, even one whose
   client's clock runs ahead of ours.
2. A continued page's prompt is the earlier page's, its rows, and what happened since: the
   ``engagements`` sent along, and the events that reached the store in the meantime. So nothing
   that the engine has cached is computed again.
3. Where that no longer fits the model, or the model or catalog changed, the page goes on behind a
   fresh prompt and the latest rows; the rows before still count as shown.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from api.ask import Ask
from api.live_page import LivePage
from api.plan import ContextNote, Plan
from api.served import Models, Served
from genpage.context import Context, apply_event
from genpage.errors import InputError, NotFoundError, UnavailableError
from genpage.event import Event
from genpage.grammar import DecodedRow
from genpage.injection import inject
from genpage.request import PageRequest
from genpage.trends import Trends
from streaming.ports import CachedHistory, ContextStore, PromptCache
from tokenizer.buckets import anchor_of
from tokenizer.prompt import Prompt

Clock = Callable[[], float]
TrendSource = Callable[[], Trends]


class Planner:
    """Makes plans. Owned by the event loop; reads the stores and fills the prompt cache."""

    def __init__(
        self,
        models: Models,
        store: ContextStore,
        prompts: PromptCache,
        trends: TrendSource,
        *,
        clock: Clock = time.time,
    ) -> None:
        self._models = models
        self._store = store
        self._prompts = prompts
        self._trends = trends
        self._clock = clock

    async def first(self, ask: Ask) -> Plan:
        """The plan of a new page."""
        model = self._model()
        held, degraded = await self._context(ask.request.user_id)
        context = _engaged(held or Context(ask.request.user_id), ask.request.engagements)
        request = _clocked(ask, context)
        prompt = await self._prompt(model, context, request)
        plan = self._plan(ask, request, model, held, context, degraded, prompt)
        _check_room(model, len(plan.tokens), request)
        return plan

    async def following(self, ask: Ask, page: LivePage) -> Plan:
        """The plan of the rows behind ``page``, which is over; `NotFoundError` for another's."""
        before = page.plan
        if page.user_id != ask.request.user_id:
            raise NotFoundError(f"This member has no page {page.page_id!r}.")
        model = self._model()
        held, degraded = await self._context(ask.request.user_id)
        known = {event.event_id for event in before.context.events}
        kept = held or before.context
        context = _engaged(kept, (*before.request.engagements, *ask.request.engagements))
        request = _clocked(ask, context)
        request = replace(request, engagements=(*before.request.engagements, *request.engagements))
        acted = [event for event in context.events if event.event_id not in known]
        earlier = _carried(before, page.rows, model)
        shown = before.page_rows(page.rows)
        plan = self._plan(ask, request, model, held, context, degraded, before.prompt)
        tail = model.encoder.continuation(shown, acted, at=request.at)
        if _same(before.model, model) and _fits(model, len(before.tokens) + len(tail), request):
            return replace(plan, tokens=np.concatenate([before.tokens, tail]), earlier=earlier)
        prompt = await self._prompt(model, context, request)
        tail = model.encoder.continuation(shown, (), at=request.at)
        if not _fits(model, len(prompt.tokens) + len(tail), request):
            tail = tail[:0]
        tokens = np.concatenate([prompt.tokens, tail])
        _check_room(model, len(tokens), request)
        return replace(plan, prompt=prompt, tokens=tokens, earlier=earlier)

    def _plan(
        self,
        ask: Ask,
        request: PageRequest,
        model: Served,
        held: Context | None,
        context: Context,
        degraded: tuple[str, ...],
        prompt: Prompt,
    ) -> Plan:
        return Plan(
            page_id=uuid.uuid4().hex,
            request_id=ask.request_id,
            request=request,
            model=model,
            context=context,
            note=self.note(held),
            trends=self._trends(),
            prompt=prompt,
            tokens=prompt.tokens,
            degraded=degraded,
            deadline_s=ask.deadline_s,
        )

    def note(self, held: Context | None) -> ContextNote:
        """What to say of a context; None is a member nobody knows."""
        if held is None:
            return ContextNote(Context("").version, None, known=False)
        age_ms = None
        if held.updated_at is not None:
            age_ms = round(max(0.0, self._clock() - held.updated_at) * 1000, 3)
        return ContextNote(held.version, age_ms, held.known)

    def _model(self) -> Served:
        model = self._models.active
        if model is None:
            raise UnavailableError("No bundle is loaded yet; start with --bundle, or wait.")
        return model

    async def _context(self, user_id: str) -> tuple[Context | None, tuple[str, ...]]:
        try:
            return await self._store.get(user_id), ()
        except UnavailableError:
            return None, ("context-store",)

    async def _prompt(self, model: Served, context: Context, request: PageRequest) -> Prompt:
        """The prompt, by way of the cache where no event is hidden and none is only sent along."""
        trends = self._trends()
        injection = inject(model.catalog, trends, request.at)
        encoder, vocabulary = model.encoder, model.encoder.vocabulary.digest
        events, user_id = context.events, context.user_id
        if not events or request.engagements or events[-1].ts > request.at:
            return encoder.encode(context, request, injection)
        held = await self._cached(user_id, vocabulary)
        anchor = anchor_of(request.at)
        if held is not None and (held.context_version, held.anchor) == (context.version, anchor):
            return encoder.assemble(
                profile=context.profile,
                summary=held.summary,
                history=held.history,
                injection=injection,
                at=request.at,
                device=request.device,
                last_ts=events[-1].ts,
            )
        prompt = encoder.encode(context, request, injection)
        await self._remember(user_id, vocabulary, context.version, prompt)
        return prompt

    async def _cached(self, user_id: str, vocabulary: str) -> CachedHistory | None:
        try:
            return await self._prompts.get(user_id, vocabulary)
        except UnavailableError:
            return None

    async def _remember(self, user_id: str, vocabulary: str, version: str, prompt: Prompt) -> None:
        summary, history = prompt.segment("summary"), prompt.segment("history")
        encoded = CachedHistory(
            version,
            prompt.anchor,
            prompt.tokens[summary.start + 1 : summary.end],
            prompt.tokens[history.start + 1 : history.end],
        )
        try:
            await self._prompts.put(user_id, vocabulary, encoded)
        except UnavailableError:
            return


def _engaged(context: Context, engagements: Sequence[Event]) -> Context:
    """The context as if the engagements had been recorded; ids that were are passed over."""
    for event in engagements:
        context = apply_event(context, event)
    return context


def _clocked(ask: Ask, context: Context) -> PageRequest:
    request = ask.request
    if ask.clocked or not context.events or context.events[-1].ts <= request.at:
        return request
    return replace(request, at=context.events[-1].ts)


def _same(left: Served, right: Served) -> bool:
    same_catalog = left.catalog.version == right.catalog.version
    return left.digest == right.digest and same_catalog


def _carried(before: Plan, rows: Sequence[DecodedRow], model: Served) -> tuple[DecodedRow, ...]:
    """All rows shown so far, in the model's catalog; what it no longer has is left out."""
    shown = (*before.earlier, *rows)
    if _same(before.model, model):
        return shown
    named = before.page_rows(shown)
    places = [(model.catalog.row_index(row.row_id), row.entity_ids) for row in named]
    return tuple(
        DecodedRow(place, model.catalog.indices(entities))
        for place, entities in places
        if place is not None
    )


def _needed(model: Served, tokens: int, request: PageRequest) -> int:
    """The most tokens that the page can come to, the prompt's included."""
    rows = min(request.rows, len(model.catalog.rows))
    entities = min(request.rows * request.entities_per_row, len(model.catalog.entities))
    return tokens + rows + entities


def _fits(model: Served, tokens: int, request: PageRequest) -> bool:
    return _needed(model, tokens, request) <= model.backend.capacity


def _check_room(model: Served, tokens: int, request: PageRequest) -> None:
    if not _fits(model, tokens, request):
        raise InputError(
            f"rows, entities_per_row: together up to {_needed(model, tokens, request)} tokens with "
            f"the prompt, and this model holds {model.backend.capacity}; ask for less at a time"
        )
