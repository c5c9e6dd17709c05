"""From a page asked for to its plan: the member's context, the prompt, what it continues.

Nothing is decoded here. Decisions:

1. Without a clock of its own (``at``), a request sees every event that was accepted, even one
   whose client's clock runs ahead of ours.
2. A continued page's prompt is the earlier page's, its rows, and what happened since: the
   ``engagements`` sent along, and the events that reached the store in the meantime. So nothing
   that the engine has cached is computed again. Its context grows out of the earlier page's, and
   stays within the bound of any history.
3. Where that no longer fits the model, or the bundle changed, the page goes on behind a fresh
   prompt and the latest rows; the rows before still count as shown. A newer catalog snapshot of
   the same bundle tells all that its prompt tells, so the page goes on behind that.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from api.ask import Ask
from api.folding import folded, since
from api.live_page import LivePage
from api.plan import ContextNote, Plan
from api.prompting import Prompting
from api.room import check_room, fits
from api.served import Models, Served
from genpage.catalog import Catalog
from genpage.context import Context
from genpage.errors import InputError, NotFoundError, UnavailableError
from genpage.grammar import DecodedRow
from genpage.request import PageRequest
from genpage.trends import Trends
from streaming.ports import CachedHistory, Members
from streaming.tracing import OFF, Tracing
from tokenizer.prompt import Prompt

Clock = Callable[[], float]
# The counts, or those of an earlier clock, by the indices of a catalog.
TrendSource = Callable[[float | None, Catalog], Trends]
# The most titles that a page and those it continues may exclude together.
EXCLUDE_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class _Ground:
    """What a plan stands on. ``context`` has the engagements that came with the request.

    ``recorded`` says that it is otherwise the store's, which its version names.
    """

    ask: Ask
    model: Served
    request: PageRequest
    context: Context
    note: ContextNote
    trends: Trends
    degraded: tuple[str, ...]
    encoded: CachedHistory | None
    recorded: bool

    def plan(self, prompt: Prompt) -> Plan:
        """A plan of a first page."""
        return Plan(
            page_id=uuid.uuid4().hex,
            request_id=self.ask.request_id,
            # The engagements are in the context.
            request=replace(self.request, engagements=()),
            model=self.model,
            context=self.context,
            note=self.note,
            trends=self.trends,
            prompt=prompt,
            tokens=prompt.tokens,
            degraded=self.degraded,
            deadline_s=self.ask.deadline_s,
            continued_from=self.ask.continue_from,
        )


class Planner:
    """Makes plans. Owned by the event loop; reads the stores and fills the prompt cache.

    ``degraded`` changes with each plan.
    """

    def __init__(
        self,
        models: Models,
        members: Members,
        prompting: Prompting,
        trends: TrendSource,
        *,
        clock: Clock = time.time,
        degraded: Callable[[], tuple[str, ...]] = tuple,
        tracing: Tracing = OFF,
    ) -> None:
        self._models = models
        self._members = members
        self._prompting = prompting
        self._trends = trends
        self._clock = clock
        self._degraded = degraded
        self._tracing = tracing

    async def first(self, ask: Ask) -> Plan:
        """The plan of a new page."""
        ground = await self._ground(ask)
        plan = ground.plan(await self._prompt(ground))
        check_room(plan.model, len(plan.tokens), plan.request)
        return plan

    async def following(self, ask: Ask, page: LivePage) -> Plan:
        """The plan of the rows behind ``page``, which is over; `NotFoundError` for another's."""
        before = page.plan
        if page.user_id != ask.request.user_id:
            raise NotFoundError(f"This member has no page {page.page_id!r}.")
        ground = await self._ground(ask, before)
        model, request = ground.model, ground.request
        known = {event.event_id for event in before.context.events}
        acted = [event for event in ground.context.events if event.event_id not in known]
        shown = before.page_rows(page.rows)
        earlier = _carried(before, page.rows, model)
        if _speaks(before.model, model):
            tail = model.encoder.continuation(shown, acted, at=request.at)
            tokens = np.concatenate([before.tokens, tail])
            if fits(model, len(tokens), request):
                return replace(ground.plan(before.prompt), tokens=tokens, earlier=earlier)
        prompt = await self._prompt(ground)
        tail = model.encoder.continuation(shown, (), at=request.at)
        tokens = np.concatenate([prompt.tokens, tail])
        if not fits(model, len(tokens), request):
            tokens = prompt.tokens
        check_room(model, len(tokens), request)
        return replace(ground.plan(prompt), tokens=tokens, earlier=earlier)

    def note(self, held: Context | None) -> ContextNote:
        """What to say of a context; None is a member nobody knows."""
        if held is None:
            return ContextNote(Context("").version, None, known=False)
        age_ms = None
        if held.updated_at is not None:
            age_ms = round(max(0.0, self._clock() - held.updated_at) * 1000, 3)
        return ContextNote(held.version, age_ms, held.known)

    async def _ground(self, ask: Ask, before: Plan | None = None) -> _Ground:
        model = self._models.for_member(ask.request.user_id)
        if model is None:
            raise UnavailableError("No bundle is loaded yet; start with --bundle, or wait.")
        request = ask.request
        with self._tracing.span("context-store read") as span:
            member = await self._members.read(request.user_id, model.encoder.digest)
            span.set_attribute("genpage.current", member.current)
        held = member.context
        degraded = (() if member.current else ("context-store",)) + self._degraded()
        context = held or Context(request.user_id)
        if before is not None:
            # What came with the earlier pages still holds and is in that context already, as is
            # all of a member whose store is away.
            context = before.context if held is None else since(before.context, held)
            request = _inherited(ask, before.request)
        context = folded(context, request.engagements)
        if not ask.clocked and context.events and context.events[-1].ts > request.at:
            request = replace(request, at=context.events[-1].ts)
        trends = self._trends(request.at if ask.clocked else None, model.catalog)
        recorded = before is None and not request.engagements
        return _Ground(
            ask,
            model,
            request,
            context,
            self.note(held),
            trends,
            degraded,
            member.encoded,
            recorded=recorded,
        )

    async def _prompt(self, ground: _Ground) -> Prompt:
        return await self._prompting.prompt(
            ground.model,
            ground.context,
            ground.request,
            ground.trends,
            ground.encoded,
            recorded=ground.recorded,
        )


def _inherited(ask: Ask, before: PageRequest) -> PageRequest:
    """The request with what it leaves open as the earlier one had it; exclusions add up.

    `InputError` where they come to more than `EXCLUDE_LIMIT`.
    """
    asked = ask.request
    exclude = asked.exclude | before.exclude
    if len(exclude) > EXCLUDE_LIMIT:
        raise InputError(
            f"exclude: comes to {len(exclude)} titles with those of the pages continued, and "
            f"{EXCLUDE_LIMIT} is the most; start a new page"
        )
    return replace(
        asked,
        entities_per_row=(asked if "entities_per_row" in ask.given else before).entities_per_row,
        device=(asked if "device" in ask.given else before).device,
        locale=(asked if "locale" in ask.given else before).locale,
        exclude=exclude,
    )


def _speaks(before: Served, now: Served) -> bool:
    """Whether a bundle's tokens of before are good now: the same, or a newer snapshot of it."""
    old, new = before.encoder.vocabulary, now.encoder.vocabulary
    return before.digest == now.digest and old.digest in (new.digest, *new.lineage)


def _carried(before: Plan, rows: Sequence[DecodedRow], model: Served) -> tuple[DecodedRow, ...]:
    """All rows shown so far, in the model's catalog; what it no longer has is left out."""
    shown = (*before.earlier, *rows)
    if before.model.catalog is model.catalog:
        return shown
    places = [
        (model.catalog.row_index(row.row_id), row.entity_ids) for row in before.page_rows(shown)
    ]
    return tuple(
        DecodedRow(place, model.catalog.indices(entities))
        for place, entities in places
        if place is not None
    )
