"""What the server costs on top of the engine, on a page of 10 rows with 20 entities.

    genpage bench overhead [--pages 300] [--json]

The engine runs on the fake backend, so decoding costs next to nothing, and what is left is the
server: parsing, admission, context, prompt, grammar, the hop to the engine's thread and back for
each row, serialising, sending. *Overhead* is a page's time as its client sees it, less the time
from the engine's taking it on to its handing over the end. Beside it stands a floor: the same
bytes sent again from memory, which is what the web framework, the server and the client cost alone.

``application`` calls the ASGI application in this process; ``socket`` calls it through uvicorn in
a process of its own, over a connection that is kept. ``engine alone`` decodes the same pages with
no server around. The fake engine computes in Python, so beside a server it shares the interpreter
and takes longer than alone; a real trunk computes outside it. On a busy machine the figures are
those of the scheduler: ``chrt -f 5`` in front gives those of a quiet one.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

import numpy as np
import orjson
from rich.table import Table

from api.app import create_app
from api.ask import Ask
from api.bodies import PageBody
from api.fake import FakeServed, FakeServer, fake_catalog
from api.uvicorn_server import HttpServer
from benchmarks.asgi_client import ask
from benchmarks.report import Report
from genpage.context import Context
from genpage.event import Event
from runtime.engine import Engine
from runtime.job import PageJob
from runtime.limits import Limits
from runtime.output import Output, PageFinished
from runtime.prefix import PrefixKey

PAGE = {"user_id": "ada", "rows": 10, "entities_per_row": 20}
TARGET_MS = 5.0
_WARM_UP = 20

# A request's method, path, Accept and body -> the answer's body.
Request = Callable[[str, str, str, bytes], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Way:
    """A way to the server: how to ask, and how long its engine had the page asked for last."""

    request: Request
    engine_ms: Callable[[], Awaitable[float]]


class WatchedEngine(Engine):
    """Tells how long it had each page, from submission to the end's being handed over."""

    def __init__(self, tell: Callable[[float], None]) -> None:
        super().__init__(Limits(batch=4, queue=8))
        self._tell = tell
        self._begun = 0.0

    def submit(self, job: PageJob, *, submitted: float | None = None) -> None:
        """Note when the page came."""
        self._begun = self.clock() if submitted is None else submitted
        super().submit(job, submitted=submitted)

    def step(self) -> list[Output]:
        """Note when it went."""
        outputs = super().step()
        if any(isinstance(output, PageFinished) for output in outputs):
            self._tell((self.clock() - self._begun) * 1000)
        return outputs


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds over the pages of one kind."""

    wall_p50: float
    engine_p50: float
    overhead_p50: float
    overhead_p95: float
    floor_p50: float
    n: int


def server(tell: Callable[[float], None]) -> FakeServer:
    """5,000 titles, 60 rows, a member with a full history."""
    served = FakeServed.of(fake_catalog(5_000, 60))
    fake = FakeServer.of(served=served, engine=WatchedEngine(tell))
    history = tuple(Event(f"h{n}", "ada", f"e{n * 7}", "play", 1e9 + n) for n in range(512))
    fake.contexts.load([Context("ada", None, history, revision=512, updated_at=1e9 + 511)])
    return fake


@asynccontextmanager
async def application() -> AsyncIterator[Way]:
    """Requests as ASGI messages."""
    times: list[float] = []
    app = create_app(server(times.append).server)

    async def request(method: str, path: str, accept: str, body: bytes) -> bytes:
        return (await ask(app, method, path, accept, body)).content

    async def engine_ms() -> float:
        return times[-1]

    async with app.router.lifespan_context(app):
        yield Way(request, engine_ms)


@asynccontextmanager
async def connection() -> AsyncIterator[Way]:
    """Requests over one kept connection to a server in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdout=subprocess.PIPE
    )
    told = process.stdout
    assert told is not None
    address = urlsplit((await told.readline()).decode().strip())
    reader, writer = await asyncio.open_connection(address.hostname, address.port)

    async def request(method: str, path: str, accept: str, body: bytes) -> bytes:
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        return await _read(reader)

    async def engine_ms() -> float:
        return float(await told.readline())

    try:
        yield Way(request, engine_ms)
    finally:
        writer.close()
        process.terminate()
        await process.wait()


async def _read(reader: asyncio.StreamReader) -> bytes:
    """An answer's body, of declared length or in chunks."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200"):
        raise SystemExit(f"the server answered {head.decode(errors='replace')}")
    if b"content-length:" in head:
        return await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
    parts = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    await reader.readexactly(2)
    return b"".join(parts)


async def alone(pages: int) -> float:
    """The median time of the engine by itself, on this thread; milliseconds."""
    times: list[float] = []
    engine = WatchedEngine(times.append)
    planner = server(times.append).server.planner
    body = PageBody.model_validate(PAGE)
    for _ in range(_WARM_UP + pages):
        plan = await planner.first(Ask(body.request(time.time()), "alone"))
        key = PrefixKey(plan.model.digest, "ada")
        grammar = plan.grammar()
        engine.submit(PageJob(plan.page_id, key, plan.model, plan.tokens, grammar, rows=10))
        while engine.busy:
            engine.step()
    return _p(np.array(times[_WARM_UP:]), 50)


async def measure(way: Way, accept: str, pages: int) -> Times:
    """Ask for pages one after the other; each is read again for the floor."""
    body = orjson.dumps(PAGE)
    stream = accept == "text/event-stream"
    walls, engines, floors = [], [], []
    for _ in range(_WARM_UP + pages):
        begun = time.perf_counter()
        answer = await way.request("POST", "/v1/pages", accept, body)
        walls.append((time.perf_counter() - begun) * 1000)
        engines.append(await way.engine_ms())
        page_id = _streamed(answer) if stream else _gathered(answer)
        path = f"/v1/pages/{page_id}/events" if stream else f"/v1/pages/{page_id}"
        begun = time.perf_counter()
        again = await way.request("GET", path, accept, b"")
        floors.append((time.perf_counter() - begun) * 1000)
        if len(again) != len(answer):
            raise SystemExit(f"page {page_id} is another one when it is read again")
    wall, engine, floor = (np.array(times[_WARM_UP:]) for times in (walls, engines, floors))
    overhead = wall - engine
    return Times(
        wall_p50=_p(wall, 50),
        engine_p50=_p(engine, 50),
        overhead_p50=_p(overhead, 50),
        overhead_p95=_p(overhead, 95),
        floor_p50=_p(floor, 50),
        n=pages,
    )


def _streamed(answer: bytes) -> str:
    events = [orjson.loads(line[6:]) for line in answer.splitlines() if line[:6] == b"data: "]
    return _whole(events[0]["page_id"], events[-1]["rows"])


def _gathered(answer: bytes) -> str:
    page = orjson.loads(answer)
    return _whole(page["page_id"], len(page["rows"]))


def _whole(page_id: str, rows: int) -> str:
    """The page's id, where its times say something."""
    if rows != PAGE["rows"]:
        raise SystemExit(f"page {page_id} has {rows} rows; its times would say nothing")
    return page_id


def _p(values: "np.ndarray[tuple[int], np.dtype[np.float64]]", percent: int) -> float:
    return round(float(np.percentile(values, percent)), 3)


async def run(pages: int) -> dict[str, Times]:
    """Each way to ask, by each way to get there."""
    results = {}
    for name, way in (("application", application), ("socket", connection)):
        async with way() as reached:
            for kind, accept in (("stream", "text/event-stream"), ("json", "application/json")):
                results[f"{name} {kind}"] = await measure(reached, accept, pages)
    return results


def report(*, pages: int = 300) -> Report:
    """Measure ``pages`` pages of each kind."""
    engine_ms = asyncio.run(alone(pages))
    results = asyncio.run(run(pages))
    columns = ("wall", "engine", "overhead", "overhead p95", "floor")
    table = Table("10 x 20 page", *columns, title="ms, p50")
    for name, times in results.items():
        values = list(asdict(times).values())[: len(columns)]
        table.add_row(name, *(f"{value:.2f}" for value in values))
    table.caption = f"engine alone: {engine_ms:.2f}"
    worst = max(times.overhead_p50 for times in results.values())
    document: dict[str, object] = {name: asdict(times) for name, times in results.items()}
    own = {"engine_alone_ms": engine_ms, "overhead_ms": worst, "target_ms": TARGET_MS}
    return Report(document | own, table)


if __name__ == "__main__":  # the server that `connection` asks
    fake = server(lambda ms: print(ms, flush=True))
    HttpServer(fake.server, when_listening=lambda urls: print(urls[0], flush=True)).run()
