"""What the homepage demo shows beside a page; on loopback only, since it lists members."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query

from api.replies import (
    ChoiceReply,
    ContextReply,
    FactsReply,
    GroundReply,
    MemberLine,
    MembersReply,
    NextBestReply,
    ProfileReply,
    PromptReply,
    RowWhy,
    WhyReply,
    WordReply,
)
from api.routes.running import Running, problems
from genpage.catalog import Catalog
from genpage.context import Context
from genpage.documents import dump
from genpage.errors import NotFoundError
from runtime.choice import RowChoice
from streaming.ports import Directory
from tokenizer.words import describe, text_of

router = APIRouter(tags=["console"])


class ConsoleOffError(NotFoundError):
    """The console's routes are not there."""

    code = "console-off"


def _require_console(server: Running) -> Directory:
    if not server.options.console or server.stores.directory is None:
        raise ConsoleOffError("The console is off; `genpage serve` has it on loopback.")
    return server.stores.directory


@router.get("/v1/users", summary="Some known members", responses=problems(401, 404, 422))
async def members(
    server: Running, limit: Annotated[int, Query(ge=1, le=1_000)] = 50
) -> MembersReply:
    """Those with the longest histories first."""
    contexts = await _require_console(server).busiest(limit)
    return MembersReply(users=[_line(context) for context in contexts])


@router.get(
    "/v1/pages/{page_id}/prompt", summary="What the model saw", responses=problems(401, 404)
)
async def prompt(page_id: str, server: Running) -> PromptReply:
    """The page's prompt, token by token, in words; of a continued page with the page so far."""
    _require_console(server)
    page = server.pages.store.get(page_id)
    plan = page.plan
    vocabulary, catalog = plan.model.encoder.vocabulary, plan.model.catalog
    words = [
        WordReply(segment=w.segment, token=w.token, text=w.text)
        for w in describe(plan.prompt, vocabulary, catalog)
    ]
    words += [
        WordReply(segment="page so far", token=token, text=text_of(token, vocabulary, catalog))
        for token in plan.tokens[len(plan.prompt.tokens) :].tolist()
    ]
    return PromptReply(
        page_id=page.page_id,
        tokens=len(plan.tokens),
        anchor=plan.prompt.anchor,
        words=words,
        context=ContextReply(
            version=plan.note.version, age_ms=plan.note.age_ms, known=plan.note.known
        ),
        cached_prompt_tokens=page.spent.cached_prompt_tokens if page.over else None,
    )


@router.get(
    "/v1/pages/{page_id}/why", summary="Why each row stands there", responses=problems(401, 404)
)
async def why(page_id: str, server: Running) -> WhyReply:
    """Of the rows so far: what each was chosen over, and what speaks for its titles."""
    _require_console(server)
    page = server.pages.store.get(page_id)
    catalog = page.plan.model.catalog
    made_it = next(
        (
            model
            for model in server.models.loaded
            if model.digest == page.plan.model.digest and model.catalog is catalog
        ),
        None,
    )
    explained = await server.explanations.of(page, made_it)
    return WhyReply(
        page_id=page.page_id,
        told=explained.found.told,
        rows=[
            RowWhy(
                index=index,
                row_id=catalog.rows[row.row].id,
                choice=None if choice is None else _choice(choice, catalog),
                grounds=[GroundReply(**asdict(share)) for share in each.grounds],
                facts=FactsReply.model_validate(asdict(each.facts)),
            )
            for index, (row, choice, each) in enumerate(
                zip(explained.rows, explained.choices, explained.found.rows, strict=True)
            )
        ],
    )


def _choice(choice: RowChoice, catalog: Catalog) -> ChoiceReply:
    best = choice.next_best
    named = None if best is None else catalog.rows[best.row]
    return ChoiceReply(
        score=choice.score,
        promise=choice.promise,
        candidates=choice.candidates,
        next_best=None
        if best is None or named is None
        else NextBestReply(id=named.id, title=named.title, score=best.score),
    )


def _line(context: Context) -> MemberLine:
    profile = None if context.profile is None else ProfileReply(**dump(context.profile))
    return MemberLine(
        user_id=context.user_id,
        known=context.known,
        version=context.version,
        events=context.dropped + len(context.events),
        last_ts=context.events[-1].ts if context.events else None,
        profile=profile,
    )
