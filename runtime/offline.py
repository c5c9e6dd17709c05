"""Pages without a server: the engine driven on the caller's thread.

The golden gate, the export's parity and evaluation ask the engine that serves, not a copy of it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Protocol

import numpy as np

from genpage.audience import Audience
from genpage.catalog import Catalog
from genpage.context import Context
from genpage.grammar import PageGrammar
from genpage.injection import inject
from genpage.page import Page, PageRow
from genpage.request import PageRequest
from genpage.rules import Rules
from genpage.trends import Trends
from runtime.arrays import FloatArray
from runtime.cases import Member
from runtime.engine import Engine
from runtime.job import PageJob, ServedModel
from runtime.limits import Limits
from runtime.output import PageFailed, RowDecoded
from runtime.prefix import PrefixKey
from runtime.scope import Scope
from tokenizer.appeal import PageAppeal
from tokenizer.prompt import Prompt, PromptEncoder


class PageModel(ServedModel, Protocol):
    """What a page needs of a model besides its scores: `runtime.model.LoadedModel` has it."""

    @property
    def catalog(self) -> Catalog:
        """What may be shown."""
        ...

    @property
    def rules(self) -> Rules:
        """What a page must hold to."""
        ...

    @property
    def trends(self) -> Trends:
        """What is watched, by catalog index."""
        ...

    @property
    def encoder(self) -> PromptEncoder:
        """Encodes prompts over the model's vocabulary."""
        ...

    def appeal(self, context: Context, request: PageRequest, trends: Trends) -> PageAppeal | None:
        """What the moment adds to a page's scores; None where nothing is."""
        ...

    def scope(self, audience: Audience | None) -> Scope | None:
        """What a page of this audience, or of all, is scored by; None: by the head."""
        ...


def prompt_of(model: PageModel, context: Context, request: PageRequest) -> Prompt:
    """The prompt of a request, as it would be served."""
    injection = inject(model.catalog, model.trends, request.at)
    return model.encoder.encode(context, request, injection)


def grammar_of(model: PageModel, context: Context, request: PageRequest) -> PageGrammar:
    """The empty page of a request, under the model's rules."""
    return PageGrammar.start(model.catalog, model.rules, context, request, model.trends)


def added_to(
    model: PageModel,
    member: Member,
    appeal: PageAppeal | None,
) -> Callable[[Sequence[PageRow]], FloatArray]:
    """What ``appeal`` adds to the scores (R + E,) of a member's page behind some of its rows."""
    catalog = model.catalog

    def added(rows: Sequence[PageRow]) -> FloatArray:
        found = np.zeros(len(catalog.rows) + len(catalog.entities), np.float32)
        if appeal is None:
            return found
        grammar = grammar_of(model, member.context, member.request)
        for row in rows:
            grammar.open_row(catalog.row_index(row.row_id) or 0)
            grammar.extend(catalog.indices(row.entity_ids))
        allowed = grammar.allowed_rows()
        fresh = appeal.fresh()
        found[allowed] = fresh.rows(grammar, allowed)
        found[len(catalog.rows) :] = fresh.titles(grammar)
        return found

    return added


def job_of(model: PageModel, member: Member) -> PageJob:
    """The job of a member's page."""
    context, request = member.context, member.request
    return PageJob(
        page_id=member.name,
        key=PrefixKey(model.digest, request.user_id),
        model=model,
        prompt=prompt_of(model, context, request).tokens,
        grammar=grammar_of(model, context, request),
        rows=request.rows,
        autoregressive=member.autoregressive,
        temperature=request.temperature,
        seed=request.seed,
        appeal=model.appeal(context, request, model.trends),
        scope=model.scope(None),
    )


def generate(model: PageModel, members: Iterable[Member], *, batch: int = 1) -> Iterator[Page]:
    """Each member's page, in order, ``batch`` of them decoded at once (which changes none).

    Raises what a page failed with.
    """
    engine = Engine(Limits(batch=batch, queue=0))
    rest = iter(members)
    while group := list(islice(rest, batch)):
        rows: list[list[PageRow]] = [[] for _ in group]
        for place, member in enumerate(group):
            # Names need not be unique; places in the group are.
            engine.submit(replace(job_of(model, member), page_id=str(place)))
        while engine.busy:
            for output in engine.step():
                if isinstance(output, PageFailed):
                    raise output.error
                if isinstance(output, RowDecoded):
                    rows[int(output.page_id)].append(_row(model.catalog, output))
        yield from (Page(tuple(decoded)) for decoded in rows)


def _row(catalog: Catalog, decoded: RowDecoded) -> PageRow:
    entities = tuple(catalog.entities[entity].id for entity in decoded.entities)
    return PageRow(catalog.rows[decoded.row].id, entities)
