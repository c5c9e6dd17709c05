"""The homepage before a real browser: the application on a loopback port, and who visits it.

Only the model is a fake. Every visit is held to two promises, checked when it ends: nothing on the
browser's console, no request to another host.
"""

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, ConsoleMessage, Error, Page, Playwright, Request, expect

from api.fake import FakeServed, FakeServer
from api.server import Options
from api.uvicorn_server import HttpServer
from genpage.catalog import Catalog
from genpage.entity import ENTITY_KINDS, Entity
from genpage.event import Action, Event
from genpage.row import Row
from runtime.limits import Limits

GENRES = ("Drama", "Comedy", "Horror", "Sci-Fi", "Romance", "Crime", "Family", "Western")
# A title that runs wherever it is taken for markup.
HOSTILE = '<img src=x onerror="globalThis.struck=1"><script>globalThis.struck=1</script>'
MEMBER = "ada"
PHONE = 560
_PATIENCE_MS = 15_000
_FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str:
    """Where Chromium is; the test fails where it is not installed, and says how it gets there."""
    path = shutil.which("chromium")
    if path is None:
        pytest.fail(
            "Chromium is not installed: run `make setup-browser` (or apt-get install chromium)",
            pytrace=False,
        )
    return path


async def launch(playwright: Playwright) -> Browser:
    """Chromium with an empty profile, silent but for what a test asks of it."""
    expect.set_options(timeout=_PATIENCE_MS)
    return await playwright.chromium.launch(executable_path=chromium(), args=_FLAGS)


def catalog() -> Catalog:
    """300 titles of every kind and genre, one of them hostile, and rows that take any of them."""
    entities = [
        Entity(
            f"e{n}",
            ENTITY_KINDS[n % 4] if n % 5 == 0 else "film",
            f"The Title Number {n}",
            synopsis=f"What happened in {n}.",
            genres=(GENRES[n % len(GENRES)],),
            year=1940 + n % 80,
            duration_s=6000.0,
        )
        for n in range(300)
    ]
    hostile = replace(entities[0], title=HOSTILE, synopsis=HOSTILE, cast=(HOSTILE,))
    rows = [Row(f"r{n}", "genre", f"Row {n}") for n in range(24)]
    rows[0] = Row("r0", "editorial", HOSTILE, entity_ids=("e0", "e1"), pinned_position=0)
    return Catalog.build([hostile, *entities[1:]], rows)


def website(
    *, options: Options | None = None, limits: Limits | None = None, more: tuple[Row, ...] = ()
) -> FakeServer:
    """A server over that catalog, with ``more`` rows, not started."""
    whole = catalog()
    whole = Catalog.build(whole.entities, (*whole.rows, *more))
    return FakeServer.of(options=options, limits=limits, served=FakeServed.of(whole))


async def remember(fake: FakeServer, *events: tuple[str, Action], since: float = -3600.0) -> None:
    """Let the member have done this, in this order, from an hour ago on."""
    start = time.time() + since
    await fake.contexts.apply(
        [
            Event(f"seed-{n}", MEMBER, entity_id, action, start + n, 3000.0)
            for n, (entity_id, action) in enumerate(events)
        ]
    )


@asynccontextmanager
async def served(fake: FakeServer) -> AsyncIterator[str]:
    """The application on a loopback port; gives its address."""
    server = HttpServer(fake.server, host="127.0.0.1", port=0)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0)
        if running.done():
            running.result()
    try:
        yield server.addresses()[0]
    finally:
        fake.backend.open()
        server.should_exit = True
        await running


@dataclass(slots=True)
class Wire:
    """A cable between browser and server that can be cut: every connection on it breaks."""

    port: int
    address: str = ""
    _ends: set[asyncio.StreamWriter] = field(default_factory=set)

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[None]:
        """Listening, with ``address`` set."""
        async with await asyncio.start_server(self._join, "127.0.0.1", 0) as listening:
            self.address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
            yield
            self.cut()

    def cut(self) -> None:
        """Break what is connected; new connections are made as before."""
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._ends |= {writer, far_writer}
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    sink.close()


@dataclass(slots=True)
class Visit:
    """One browser page with a profile of its own, and what it said and asked for.

    ``expected`` are texts that may stand on the console: a refused request always does.
    """

    page: Page
    address: str
    console: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    expected: set[str] = field(default_factory=set)

    async def open(self, query: str = "") -> None:
        """Go to the homepage."""
        await self.page.goto(f"{self.address}/{query}")

    async def whole_page(self, rows: int) -> None:
        """Wait until the page is finished; it must have so many rows."""
        page = self.page
        await page.locator("#rows[aria-busy=false]").wait_for()
        await page.locator("#rows .row.arrived:not(.stale)").nth(rows - 1).wait_for()
        assert await page.locator("#rows > *").count() == rows

    async def titles(self) -> list[list[str]]:
        """Ids of the titles on the screen, by row."""
        found: list[list[str]] = await self.page.evaluate(
            """() => [...document.querySelectorAll("#rows .row")].map(
                (row) => [...row.querySelectorAll(".card")].map((card) => card.dataset.entity))"""
        )
        return found

    def posted(self, path: str) -> list[dict[str, object]]:
        """The bodies posted to a path, in order."""
        return [
            json.loads(request.post_data or "")
            for request in self.requests
            if request.method == "POST" and urlsplit(request.url).path == path
        ]

    def check(self) -> None:
        """Hold the visit to its promises."""
        unexpected = [
            line for line in self.console if not any(text in line for text in self.expected)
        ]
        assert unexpected == []
        home = urlsplit(self.address).netloc
        assert {urlsplit(request.url).netloc for request in self.requests} <= {home}


@asynccontextmanager
async def visiting(
    browser: Browser, address: str, *, size: tuple[int, int] = (1100, 720), light: bool = False
) -> AsyncIterator[Visit]:
    """A visit with a profile of its own, ended and checked. Narrow windows are a phone's."""
    width, height = size
    phone = width < PHONE
    profile = await browser.new_context(
        viewport={"width": width, "height": height},
        is_mobile=phone,
        has_touch=phone,
        color_scheme="light" if light else "dark",
        reduced_motion="reduce",  # no frame is drawn twice: the machine has other things to do
    )
    profile.set_default_timeout(_PATIENCE_MS)
    visit = Visit(await profile.new_page(), address)

    def said(message: ConsoleMessage) -> None:
        visit.console.append(f"{message.type}: {message.text}")

    def failed(error: Error) -> None:
        visit.console.append(f"uncaught: {error}")

    def asked(request: Request) -> None:
        visit.requests.append(request)

    visit.page.on("console", said)
    visit.page.on("pageerror", failed)
    visit.page.on("request", asked)
    try:
        yield visit
        visit.check()
    finally:
        await profile.close()
