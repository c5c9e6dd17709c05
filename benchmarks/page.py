"""How long a page of 10 rows with 20 entities takes, from the request to its first and last row.

    genpage bench page --bundle BUNDLE --data DIR [--members 30] [--history 0] [--threads N]
        [--autoregressive 4] [--speculation on|off] [--json]
    genpage bench page ... --peers PYTHON --checkpoint DIR --peers-folder DIR
    genpage bench page ... --plot FILE.svg

The server that ``genpage serve`` composes, called in this process as an ASGI application, one page
after the other, on the evening after the data ends. ``cold`` is a member's first page: nothing of
the prompt is cached, neither tokens nor KV. ``returning`` is the same member a minute later: the KV
holds the prompt up to where the request's own part begins. ``warm`` is the page after that, once
the member has played its first title: four more tokens stand behind the history. Beside each stands
its floor: the same bytes followed again from memory, which is what all but planning and decoding
cost. ``outside`` is the time that no graph ran: planning, rules, choices, answering. ``cpu`` is
what the whole process spent on the page: on a busy machine it alone can be compared.

With ``--peers`` other runtimes decode the same cold and warm pages, each member's in turn with
ours: the checkpoint's weights, token by token (`benchmarks.peers`).
"""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import orjson
from rich.table import Table
from starlette.types import ASGIApp

from api.app import create_app
from api.ask import Ask
from api.bodies import PageBody
from api.compose import Settings, compose
from api.logs import configure
from api.server import Server
from benchmarks.asgi_client import Seen, ask
from benchmarks.inside import Inside
from benchmarks.peers.company import Company, Whom
from benchmarks.peers.task import PageTask
from benchmarks.report import Report
from benchmarks.roof import Roof
from benchmarks.spread import Spread
from benchmarks.visit import Measured, Parts, Visit
from genpage.event import Event
from runtime.bundle import Bundle
from tokenizer.buckets import anchor_of

SHAPE = {"rows": 10, "entities_per_row": 20}
_WARM_UP = 3
_STREAM = "text/event-stream"
_MINUTE_S = 60.0
_TO_NEXT_EVENING_S = (24 + 20) * 3_600.0


class Companion(Protocol):
    """Who decodes the same pages beside: `benchmarks.peers.company.Company`."""

    def decode(self, cold: PageTask, warm: PageTask) -> None:
        """One member's pages, one after the other."""
        ...


@dataclass(slots=True)
class Pages:
    """The pages of one kind so far; milliseconds."""

    seen: list[Seen] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)
    inside: list[Inside] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def visit(self) -> Visit:
        """Their summary."""
        streams = [_documents(seen.content) for seen in self.seen]
        ends = [stream[-1] for stream in streams]
        page = [sum(1 + len(row["entities"]) for row in stream[1:-1]) for stream in streams]
        tokens = [int(end["prompt_tokens"]) for end in ends]
        cached = [int(end["cached_prompt_tokens"]) for end in ends]
        return Visit(
            page_ms=Spread.of([seen.seconds * 1000 for seen in self.seen]),
            first_row_ms=Spread.of([(seen.first_row_s or 0.0) * 1000 for seen in self.seen]),
            floor_ms=Spread.of(self.floors),
            outside_ms=Spread.of(
                [
                    (seen.seconds - inside.seconds) * 1000
                    for seen, inside in zip(self.seen, self.inside, strict=True)
                ]
            ),
            cpu_ms=Spread.of(self.cpu),
            parts=Parts.of(self.inside),
            prompt_tokens=int(np.median(tokens)),
            page_tokens=int(np.median(page)),
            cached_share=round(sum(cached) / sum(tokens), 3),
            forward_passes=int(np.median([int(end["forward_passes"]) for end in ends])),
        )


async def measure(
    server: Server, members: int, *, history: int = 0, companions: Sequence[Companion] = ()
) -> Measured:
    """Three pages for each of a seeded sample of the members that the server knows.

    ``history``: of those with so many events or more.
    """
    evening = evening_of(server)
    cold, returning, warm = Pages(), Pages(), Pages()
    app = create_app(server)
    async with app.router.lifespan_context(app):
        for number in range(_WARM_UP):
            await _page(app, f"nobody-{number}", evening)
        for user_id in await sampled(server, members, history=history):
            await _visit(app, user_id, evening, cold)
            first_page = await task_of(server, user_id, evening) if companions else None
            await _visit(app, user_id, evening + _MINUTE_S, returning)
            first = _documents(returning.seen[-1].content)[1]["entities"][0]["id"]
            played = Event(f"bench {user_id}", user_id, first, "play", evening + 1.5 * _MINUTE_S)
            await server.sink.publish([played])
            await _visit(app, user_id, evening + 2 * _MINUTE_S, warm)
            if first_page is not None:
                next_page = await task_of(server, user_id, evening + 2 * _MINUTE_S)
                for companion in companions:
                    companion.decode(first_page, next_page)
    return Measured(cold.visit(), returning.visit(), warm.visit())


def evening_of(server: Server) -> float:
    """The evening after the data's end: all visits on one day, which prompts are anchored to."""
    return anchor_of(server.stores.newest or time.time()) + _TO_NEXT_EVENING_S


async def sampled(server: Server, members: int, *, history: int = 0) -> list[str]:
    """Members that the server knows, the same ones each time."""
    assert server.stores.directory is not None
    known = [
        context.user_id
        for context in await server.stores.directory.busiest(1_000_000)
        if context.dropped + len(context.events) >= history
    ]
    return random.Random(0).sample(known, min(members, len(known)))


async def task_of(server: Server, user_id: str, at: float) -> PageTask:
    """The page that `_page` asks for, for who has no server: its prompt and its rules."""
    body = PageBody.model_validate({"user_id": user_id, **SHAPE})
    plan = await server.planner.first(Ask(body.request(at), "bench", clocked=True))
    return PageTask(
        plan.tokens,
        plan.grammar(),
        SHAPE["rows"],
        SHAPE["entities_per_row"],
        plan.model.row_tokens,
        plan.model.entity_tokens,
    )


async def _visit(app: ASGIApp, user_id: str, at: float, pages: Pages) -> None:
    spent = time.process_time()
    with Inside.watched() as inside:
        seen = await _page(app, user_id, at)
    pages.cpu.append((time.process_time() - spent) * 1000)
    pages.inside.append(inside)
    pages.seen.append(seen)
    page_id = _documents(seen.content)[0]["page_id"]
    again = await ask(app, "GET", f"/v1/pages/{page_id}/events", _STREAM)
    if again.content != seen.content:
        raise SystemExit(f"the page of {user_id!r} is another one when it is read again")
    pages.floors.append(again.seconds * 1000)


async def _page(app: ASGIApp, user_id: str, at: float) -> Seen:
    clock = datetime.fromtimestamp(at, UTC).isoformat()
    body = orjson.dumps({"user_id": user_id, "at": clock, **SHAPE})
    seen = await ask(app, "POST", "/v1/pages", _STREAM, body)
    if (rows := _documents(seen.content)[-1]["rows"]) != SHAPE["rows"]:
        raise SystemExit(f"the page of {user_id!r} has {rows} rows; its times would say nothing")
    return seen


def _documents(stream: bytes) -> list[dict[str, Any]]:  # JSON
    return [orjson.loads(line[6:]) for line in stream.splitlines() if line[:6] == b"data: "]


def report(
    settings: Settings,
    *,
    members: int = 30,
    history: int = 0,
    peers: Whom | None = None,
    plot: Path | None = None,
) -> Report:
    """Measure on a server of its own, and beside it the peers where asked for."""
    log = configure("warning")
    roof = None if plot is None else roof_of(settings)
    with ExitStack() as stack:
        company = None if peers is None else stack.enter_context(peers.company(settings.threads))
        companions = () if company is None else (company,)
        server = compose(settings, log)
        measured = asyncio.run(measure(server, members, history=history, companions=companions))
        document = measured.document()
        assert server.models.active is not None
        document["serialised"] = server.models.active.serialised
        if company is not None:
            document["peers"] = company.document()
    if plot is not None and roof is not None:
        from benchmarks.page_plot import draw  # noqa: PLC0415 - nothing else needs matplotlib

        draw(measured, roof, plot)
        document["roof"] = asdict(roof)
    return Report(document, table_of(measured, company))


def roof_of(settings: Settings) -> Roof:
    """Of the bundle that serves; measured before a server holds NumPy to one thread."""
    assert settings.bundle is not None
    return Roof.of(Bundle.open(settings.bundle), settings.threads)


def table_of(measured: Measured, company: Company | None) -> Table:
    """Ours, and the peers below."""
    columns = ("whole", "p95", "first row", "p95", "floor", "outside", "cpu")
    table = Table("page", *columns, title="ms, p50")
    for name in ("cold", "warm", "returning"):
        visit: Visit = getattr(measured, name)
        times = (visit.page_ms, visit.first_row_ms)
        values = [value for time_ in times for value in (time_.p50, time_.p95)]
        rest = [each.p50 for each in (visit.floor_ms, visit.outside_ms, visit.cpu_ms)]
        table.add_row(name, *(f"{value:.1f}" for value in (*values, *rest)))
    cold, warm = measured.cold, measured.warm
    table.caption = (
        f"{cold.page_ms.n} members, {cold.prompt_tokens} prompt tokens, {cold.forward_passes} "
        f"passes; {warm.cached_share:.0%} of a warm prompt cached"
    )
    if company is not None:
        company.describe(table)
    return table
