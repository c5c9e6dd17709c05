"""Servers on the fake backend, in this process; a real socket only where a test asks for one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import httpx
import pytest
from composed import any_bundle
from fastapi import FastAPI

from api.app import create_app
from api.fake import FakeServed, FakeServer

Start = Callable[[FakeServer], Awaitable[httpx.AsyncClient]]
Eventually = Callable[[Callable[[], Awaitable[bool] | bool]], Awaitable[None]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts servers and gives a client for each, without a socket."""
    async with AsyncExitStack() as stack:

        async def run(fake: FakeServer) -> httpx.AsyncClient:
            app = create_app(fake.server)
            await stack.enter_async_context(app.router.lifespan_context(app))
            stack.callback(fake.backend.open)
            return await stack.enter_async_context(
                httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
            )

        yield run


@pytest.fixture
def fake() -> FakeServer:
    """A server with everything on."""
    return FakeServer.of()


@pytest.fixture
async def app(fake: FakeServer) -> AsyncIterator[FastAPI]:
    """The application of the server ``fake``, which runs."""
    application = create_app(fake.server)
    async with application.router.lifespan_context(application):
        yield application
        fake.backend.open()


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of ``app``, without a socket."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as connected:
        yield connected


@pytest.fixture
async def serves_on(client: httpx.AsyncClient, fake: FakeServer) -> AsyncIterator[None]:
    """After the test: no traceback was logged, and the next page comes."""
    yield
    assert not [line for line in fake.logbook.lines if "exc_info" in line]
    page = {"user_id": "ada", "rows": 2, "entities_per_row": 3}
    assert (await client.post("/v1/pages", json=page)).status_code == 200


@pytest.fixture
def bundle(monkeypatch: pytest.MonkeyPatch) -> FakeServed:
    """What any folder holds as a bundle."""
    return any_bundle(monkeypatch)


@pytest.fixture
def eventually() -> Eventually:
    """Waits for a condition by yielding to the loop; the test's own timeout bounds it."""

    async def wait(condition: Callable[[], Awaitable[bool] | bool]) -> None:
        while True:
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0)

    return wait
