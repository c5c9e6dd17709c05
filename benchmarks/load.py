"""Pages a second with eight members at once, and what a thousand members leave in memory.

    genpage bench load --bundle BUNDLE --data DIR [--members 24] [--at-once 8] [--in-a-row 1000]
        [--history 0] [--threads N] [--json]
    genpage bench load ... --peers PYTHON --checkpoint DIR --peers-folder DIR

Members come in waves of eight: all ask for a page at once, *cold*; then each plays its first title
and all ask again, *warm*. ``engine`` takes the pages' plans ready-made, on one thread, with no
server around; ``http`` asks a server in a process of its own, over connections that are kept. A
wave's rate is that of its slowest page, for peers as for us: they decode a wave as one batch.

``in_a_row``: so many members whom the server has not seen ask for a page each, one after the other;
resident memory after each tenth of them, the first apart, since KV and pages that are kept for a
while fill what they may take.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil
from rich.table import Table

from api.ask import Ask
from api.bodies import PageBody
from api.compose import Settings, compose
from api.logs import configure
from api.server import Server
from benchmarks.page import SHAPE, evening_of, sampled, task_of
from benchmarks.peers.company import Company, Whom
from benchmarks.peers.task import PageTask
from benchmarks.rates import Rates
from benchmarks.report import Report
from benchmarks.serving import Serving
from genpage.event import Event
from runtime.engine import Engine
from runtime.job import PageJob
from runtime.output import PageFinished
from runtime.prefix import PrefixKey

_AFTER_S = 90.0
_MIB = 1 << 20
_TENTHS = 10


@dataclass(frozen=True, slots=True)
class Resident:
    """MiB after each tenth of the members."""

    members: int
    mib: tuple[float, ...]

    @property
    def growth(self) -> float:
        """Of the most after the second tenth, over that."""
        second = self.mib[1]
        return max(self.mib[1:]) / second - 1


@dataclass(frozen=True, slots=True)
class Wave:
    """Eight members' cold and warm pages, as a peer gets them: prompts of one length."""

    cold: tuple[PageTask, ...]
    warm: tuple[PageTask, ...]

    @classmethod
    def of(cls, cold: Sequence[PageTask], warm: Sequence[PageTask]) -> "Wave":
        """Cut at the front to the shortest cold prompt, and what is longer then at its end."""
        least = min(len(task.prompt) for task in cold)
        starts = [len(task.prompt) - least for task in cold]
        cut = [_from(task, start) for task, start in zip(warm, starts, strict=True)]
        most = min(len(task.prompt) for task in cut)
        return cls(
            tuple(_from(task, start) for task, start in zip(cold, starts, strict=True)),
            tuple(replace(task, prompt=task.prompt[:most]) for task in cut),
        )


def _from(task: PageTask, start: int) -> PageTask:
    return replace(task, prompt=task.prompt[start:])


class EngineAlone:
    """The server's engine and planner without the server."""

    def __init__(self, server: Server, settings: Settings) -> None:
        self._server = server
        self._engine = Engine(settings.limits)
        self._autoregressive = settings.options.autoregressive

    async def wave(self, members: Sequence[str], at: float) -> float:
        """All their pages; the seconds from the first submission to the last end."""
        jobs = [await self._job(member, at) for member in members]
        began = time.perf_counter()
        for job in jobs:
            self._engine.submit(job)
        finished = 0
        while self._engine.busy:
            finished += sum(isinstance(each, PageFinished) for each in self._engine.step())
        if finished != len(jobs):
            raise SystemExit(f"{finished} of {len(jobs)} pages were finished")
        return time.perf_counter() - began

    async def _job(self, member: str, at: float) -> PageJob:
        body = PageBody.model_validate({"user_id": member, **SHAPE})
        plan = (
            await self._server.planner.first(Ask(body.request(at), "bench", clocked=True))
        ).judged()
        grammar = plan.grammar()
        return PageJob(
            plan.page_id,
            PrefixKey(plan.model.digest, member),
            plan.model,
            plan.tokens,
            grammar,
            SHAPE["rows"],
            autoregressive=self._autoregressive,
            appeal=None if plan.appeal is None else plan.appeal.fresh(),
            scope=plan.model.scope(grammar.audience),
        )


class OverHttp:
    """A server in a process of its own."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def page(self, member: str, at: float) -> dict[str, Any]:  # JSON
        """One page as JSON."""
        body = {"user_id": member, "at": _clock(at), **SHAPE}
        answer = await self._client.post("/v1/pages", json=body)
        page: dict[str, Any] = answer.raise_for_status().json()
        if len(page["rows"]) != SHAPE["rows"]:
            raise SystemExit(f"the page of {member!r} has {len(page['rows'])} rows")
        return page

    async def wave(self, members: Sequence[str], at: float) -> tuple[float, list[dict[str, Any]]]:
        """All their pages at once."""
        began = time.perf_counter()
        pages = await asyncio.gather(*(self.page(member, at) for member in members))
        return time.perf_counter() - began, pages

    async def play(self, member: str, entity: str, at: float) -> None:
        """A member plays a title."""
        event = {"event_id": f"bench {member}", "user_id": member, "entity_id": entity}
        sent = event | {"action": "play", "ts": at}
        (await self._client.post("/v1/events", json=sent)).raise_for_status()


@dataclass(frozen=True, slots=True)
class Measured:
    """Rates by way, and memory where it was asked for."""

    members: int
    at_once: int
    engine: Rates
    http: Rates
    resident: Resident | None

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "members": self.members,
            "at_once": self.at_once,
            "engine": self.engine.document(),
            "http": self.http.document(),
            "in_a_row": None if self.resident is None else asdict(self.resident),
        }


async def measure(
    settings: Settings,
    *,
    members: int,
    at_once: int,
    history: int,
    in_a_row: int,
    company: Company | None,
) -> Measured:
    """The ways take turns, wave by wave."""
    server = compose(settings, configure("warning"))
    evening = evening_of(server)
    sample = await sampled(server, members, history=history)
    waves = [sample[first : first + at_once] for first in range(0, len(sample), at_once)]
    waves = [wave for wave in waves if len(wave) == at_once]
    engine, http = Rates(), Rates()
    alone = EngineAlone(server, settings)
    with (
        TemporaryDirectory(prefix="genpage-bench-") as folder,
        Serving(Path(folder), settings.bundle, *_arguments(settings)) as serving,
    ):
        async with serving.client() as client:
            over = OverHttp(client)
            # Neither has run a pass of eight yet.
            await alone.wave([f"nobody-{n}" for n in range(at_once)], evening)
            await over.wave([f"nobody-{n}" for n in range(at_once)], evening)
            for wave in waves:
                await _wave(server, wave, evening, alone, over, engine, http, company)
            resident = await _in_a_row(over, serving.pid, in_a_row, evening)
    return Measured(len(waves) * at_once, at_once, engine, http, resident)


async def _wave(
    server: Server,
    wave: list[str],
    evening: float,
    alone: EngineAlone,
    over: OverHttp,
    engine: Rates,
    http: Rates,
    company: Company | None,
) -> None:
    later = evening + 2 * _AFTER_S
    cold = [await task_of(server, member, evening) for member in wave]
    engine.cold.add(len(wave), await alone.wave(wave, evening))
    seconds, pages = await over.wave(wave, evening)
    http.cold.add(len(wave), seconds)
    for member, page in zip(wave, pages, strict=True):
        entity = page["rows"][0]["entities"][0]["id"]
        played = evening + _AFTER_S
        await server.sink.publish([Event(f"bench {member}", member, entity, "play", played)])
        await over.play(member, entity, played)
    warm = [await task_of(server, member, later) for member in wave]
    engine.warm.add(len(wave), await alone.wave(wave, later))
    http.warm.add(len(wave), (await over.wave(wave, later))[0])
    if company is not None:
        prompts = Wave.of(cold, warm)
        company.decode_together(prompts.cold, prompts.warm)


async def _in_a_row(over: OverHttp, pid: int, members: int, at: float) -> Resident | None:
    if members < _TENTHS:
        return None
    process = psutil.Process(pid)
    mib = []
    for tenth in range(_TENTHS):
        for number in range(tenth * members // _TENTHS, (tenth + 1) * members // _TENTHS):
            await over.page(f"cold-{number}", at)
        mib.append(round(process.memory_info().rss / _MIB, 1))
    return Resident(members, tuple(mib))


def _arguments(settings: Settings) -> list[str | Path]:
    assert settings.data is not None
    return [
        *("--data", settings.data.resolve(), "--threads", str(settings.threads)),
        *("--autoregressive", str(settings.options.autoregressive), "--log-level", "warning"),
        *("--speculation", "on" if settings.limits.speculation else "off"),
        *("--spinning", "on" if settings.spinning else "off"),
        # As off loopback: with the console kept pages hold what they are explained by, too.
        *("--console", "off"),
    ]


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def report(
    settings: Settings,
    *,
    members: int = 24,
    at_once: int = 8,
    history: int = 0,
    in_a_row: int = 0,
    peers: Whom | None = None,
) -> Report:
    """Measure on servers of its own."""
    with ExitStack() as stack:
        company = None if peers is None else stack.enter_context(peers.company(settings.threads))
        measured = asyncio.run(
            measure(
                settings,
                members=members,
                at_once=at_once,
                history=history,
                in_a_row=in_a_row,
                company=company,
            )
        )
        together = {} if company is None else company.together
        absent = {} if company is None else dict(company.absent_together)
    document = measured.document() | {
        "peers": {key: rates.document() for key, rates in together.items()},
        "absent": absent,
    }
    return Report(document, table_of(measured, together, absent))


def table_of(measured: Measured, peers: dict[str, Rates], absent: dict[str, str]) -> Table:
    """Ours, the peers, and memory."""
    table = Table("pages a second", "cold", "warm", title=f"{measured.at_once} members at once")
    ways = {"engine alone": measured.engine, "over HTTP": measured.http} | peers
    for name, rates in ways.items():
        table.add_row(name, *(_cell(rate.per_s) for rate in (rates.cold, rates.warm)))
    for name, why in absent.items():
        table.add_row(f"{name}: {why}", "-", "-")
    if measured.resident is not None:
        held = ", ".join(f"{mib:.0f}" for mib in measured.resident.mib)
        table.caption = (
            f"{measured.resident.members} cold members in a row: {held} MiB resident after each "
            f"tenth, {measured.resident.growth:+.1%} since the second"
        )
    return table


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
