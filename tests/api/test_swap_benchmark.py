"""The benchmark of swaps, where a swap does not end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from benchmarks import swap
from benchmarks.swap import activated
from deploy.services import ServiceError
from genpage.cli import run
from genpage.errors import UnavailableError


@asynccontextmanager
async def saying(*statuses: dict[str, str]) -> AsyncIterator[ClientSession]:
    """A client of a server whose active bundle stays the one it is."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"active": {"digest": "d1"}, "statuses": statuses})

    app = web.Application()
    app.router.add_get("/admin/v1/checkpoints/status", answer)
    async with TestServer(app) as server, ClientSession(server.make_url("/")) as http:
        yield http


async def test_a_swap_that_does_not_end_is_given_up_in_words() -> None:
    """Which version, after how long, and what was heard of it."""
    loaded = {"event": "loaded", "version": "swap-7", "why": "waits for pages"}
    told = r"swap-7 does not serve within 3 s; .*: loaded swap-7 \(waits for pages\)$"
    async with saying(
        {"event": "activated", "version": "swap-6", "why": "asked for"}, loaded
    ) as http:
        with pytest.raises(UnavailableError, match=told):
            await activated(http, "swap-7", "d7", 3.0)


async def test_a_server_that_says_nothing_is_given_up_too() -> None:
    """It may hang as well as its swap."""
    async with saying() as http:
        with pytest.raises(UnavailableError, match=r"swap-7 does not serve .* last: nothing$"):
            await activated(http, "swap-7", "d7", 0.0)


def test_a_server_that_does_not_start_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an error of ours, which the command shows without a traceback."""

    def report(*_: object, **__: object) -> None:
        raise ServiceError("genpage does not answer; its last words:\nit is no bundle")

    monkeypatch.setattr(swap, "report", report)
    with pytest.raises(UnavailableError, match="its last words:\nit is no bundle"):
        run(["bench", "swap"])
