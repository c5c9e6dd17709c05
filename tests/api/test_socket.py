"""Over a real socket, with client libraries: streams, departures, the graceful end."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from subprocess import DEVNULL, PIPE

import httpx
import orjson
import pytest
from httpx_sse import EventSource, aconnect_sse

from api import pages
from api.fake import FakeServer
from api.server import Options
from api.uvicorn_server import HttpServer

Eventually = Callable[[Callable[[], Awaitable[bool] | bool]], Awaitable[None]]
PAGE = {"user_id": "ada", "rows": 4, "entities_per_row": 5}


@asynccontextmanager
async def listening(fake: FakeServer) -> AsyncIterator[tuple[HttpServer, httpx.AsyncClient]]:
    """The server on a port of its own; signals stay with the test's process."""
    addresses: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
    http = HttpServer(fake.server, when_listening=addresses.set_result)
    # Not `serve`: that would take over this process's signal handlers.
    serving = asyncio.ensure_future(http._serve())
    try:
        (address,) = await addresses
        async with httpx.AsyncClient(base_url=address, timeout=30) as client:
            yield http, client
    finally:
        fake.backend.open()
        fake.backend.let(10_000)
        http.end()
        await serving


async def rows(source: EventSource) -> AsyncIterator[int]:
    """The index of each row as it arrives."""
    async for event in source.aiter_sse():
        if event.event == "row":
            yield orjson.loads(event.data)["index"]


async def test_rows_arrive_while_later_ones_are_not_decoded(fake: FakeServer) -> None:
    """With the engine held after each row, that row is in the client's hands."""
    async with listening(fake) as (_, client):
        fake.backend.hold()
        fake.backend.let(5)
        async with aconnect_sse(client, "POST", "/v1/pages", json=PAGE) as source:
            seen, live = [], fake.server.pages.store.running()
            async for index in rows(source):
                seen.append(index)
                assert len(live[0].rows) == index + 1
                fake.backend.let(5)
        assert seen == [0, 1, 2, 3]


async def test_hanging_up_stops_decoding_and_coming_back_goes_on(
    fake: FakeServer, eventually: Eventually
) -> None:
    """The slot is free at once; the events behind the last one seen are all that come."""
    async with listening(fake) as (_, client):
        whole = (await client.post("/v1/pages", json=PAGE)).json()
        fake.backend.hold()
        fake.backend.let(5)
        async with aconnect_sse(client, "POST", "/v1/pages", json=PAGE) as source:
            async for event in source.aiter_sse():
                if event.event == "row":
                    break
        page_id = event.id.split(":")[0]
        page = fake.server.pages.store.get(page_id)
        await eventually(lambda: not page.watched)
        fake.backend.open()
        await eventually(fake.is_idle)
        await eventually(lambda: page.state == "paused")
        headers = {"Last-Event-ID": event.id}
        path = f"/v1/pages/{page_id}/events"
        async with aconnect_sse(client, "GET", path, headers=headers) as source:
            later = [one async for one in source.aiter_sse() if one.data]
        assert [one.id for one in later] == [f"{page_id}:{n}" for n in (2, 3, 4, 5)]
        resumed = [orjson.loads(one.data)["entities"] for one in (event, *later[:3])]
        assert resumed == [row["entities"] for row in whole["rows"]]


async def test_ten_megabytes_over_the_wire_are_413(fake: FakeServer) -> None:
    """The client reads the problem document, declared length or not."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield b" " * 65_536

    async with listening(fake) as (_, client):
        for content in (b" " * 10_485_760, chunks()):
            answer = await client.post("/v1/events", content=content)
            assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
        assert (await client.get("/livez")).status_code == 200


async def test_draining_lets_pages_end_and_takes_no_new_ones(
    fake: FakeServer, eventually: Eventually
) -> None:
    """Not ready, new pages refused, the running stream complete, then nothing listens."""
    async with listening(fake) as (http, client):
        fake.backend.hold()
        asked = asyncio.ensure_future(client.post("/v1/pages", json=PAGE))
        await eventually(lambda: fake.server.worker.open == 1)
        http.end()
        await eventually(lambda: fake.server.draining)
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["code"]) == (503, "draining")
        refused = await client.post("/v1/pages", json=PAGE)
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert (await client.get("/livez")).status_code == 200
        fake.backend.open()
        fake.backend.let(10_000)
        page = (await asked).json()
        assert (page["finish_reason"], len(page["rows"])) == ("complete", 4)


async def test_what_outlasts_the_grace_ends_as_draining(eventually: Eventually) -> None:
    """The stream gets its page.end with the rows that were ready."""
    fake = FakeServer.of(options=Options(grace_s=0.0))
    async with listening(fake) as (http, client):
        fake.backend.hold()
        fake.backend.let(5)
        async with aconnect_sse(client, "POST", "/v1/pages", json=PAGE) as source:
            events = []
            async for event in source.aiter_sse():
                events.append(event)
                if event.event == "row":
                    http.end()
                    await eventually(lambda: not fake.server.worker._commands.empty())
                    fake.backend.open()
            end = orjson.loads(events[-1].data)
        assert events[-1].event == "page.end"
        assert end["finish_reason"] == "draining"
        assert 1 <= end["rows"] < 4


async def test_a_wedged_engine_does_not_hold_the_end_up(
    eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass that never returns costs its page's remaining rows, not its stream's end."""
    monkeypatch.setattr(pages, "LAST_STEP_S", 0.05)
    fake = FakeServer.of(options=Options(grace_s=0.0))
    async with listening(fake) as (http, client):
        fake.backend.hold()
        fake.backend.let(5)
        asked = asyncio.ensure_future(client.post("/v1/pages", json=PAGE))
        await eventually(lambda: fake.server.worker.open == 1)
        (page,) = fake.server.pages.store.running()
        await eventually(lambda: len(page.rows) == 1)
        http.end()
        gathered = (await asked).json()
        assert (gathered["finish_reason"], len(gathered["rows"])) == ("draining", 1)


_PROGRAM = """
import sys
from api import pages
from api.fake import FakeServer
from api.logs import configure
from api.uvicorn_server import HttpServer

fake = FakeServer.of(log=configure("info"))
fake.backend.hold()
HttpServer(fake.server, when_listening=lambda urls: print(urls[0], flush=True)).run()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_process_with_exit_code_0(number: signal.Signals) -> None:
    """And nothing is left on stderr but JSON lines."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROGRAM, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    assert process.stdout is not None
    address = (await process.stdout.readline()).decode().strip()
    async with httpx.AsyncClient(base_url=address) as client:
        assert (await client.get("/readyz")).status_code == 200
    process.send_signal(number)
    _, errors = await process.communicate()
    assert process.returncode == 0
    lines = [orjson.loads(line) for line in errors.splitlines()]
    assert "draining" in [line["event"] for line in lines]


async def test_ctrl_c_ends_the_command_with_exit_code_0(tmp_path: Path) -> None:
    """``genpage serve`` itself, as a shell sees it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "genpage", "serve", "--port", "0"),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    assert b"http://127.0.0.1:" in await process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = await process.communicate()
    assert process.returncode == 0
    assert "draining" in [orjson.loads(line)["event"] for line in errors.splitlines()]


async def test_a_second_signal_ends_it_before_the_grace_is_over() -> None:
    """Whoever presses Ctrl-C twice does not wait for pages, not even in a wedged engine."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROGRAM, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    address = (await process.stdout.readline()).decode().strip()
    async with httpx.AsyncClient(base_url=address) as client:
        headers = {"accept": "text/event-stream"}
        async with client.stream("POST", "/v1/pages", json=PAGE, headers=headers) as answer:
            await anext(answer.aiter_bytes())
            process.send_signal(signal.SIGINT)
            async for line in process.stderr:
                if orjson.loads(line)["event"] == "draining":
                    break
            process.send_signal(signal.SIGINT)
            errors = await process.stderr.read()
    assert await process.wait() == 0
    times = [
        datetime.fromisoformat(orjson.loads(line)["timestamp"]) for line in errors.splitlines()
    ]
    assert (times[-1] - times[0]).total_seconds() < 9  # the grace is 10
