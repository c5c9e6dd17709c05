"""A server without keys answers to loopback's names only."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from api.auth import Keys
from api.fake import FakeServer
from api.server import Options

Start = Callable[[FakeServer], Awaitable[httpx.AsyncClient]]


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:8000"]
)
async def test_loopbacks_names_are_answered(client: httpx.AsyncClient, host: str) -> None:
    """With any port, in any case."""
    assert (await client.get("/v1/models", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example",
        "rebound.example:8000",
        "localhost.evil.example",
        "10.0.0.1",
        "",
        "[::2]",
        "127.0.0.1.evil.example",
        "localhost:x",
        "::1",
        "localhost@evil.example",
    ],
)
async def test_another_name_is_a_421(client: httpx.AsyncClient, host: str) -> None:
    """On every route, as a problem document that says which names do."""
    for path in ("/", "/v1/users", "/livez"):
        answer = await client.get(path, headers={"host": host})
        assert (answer.status_code, answer.json()["code"]) == (421, "misdirected-request")
        assert answer.headers["content-type"] == "application/problem+json"
        assert "127.0.0.1" in answer.json()["detail"]


async def test_with_keys_any_name_will_do(start: Start) -> None:
    """A rebound page has no key, and a server elsewhere has a name of its own."""
    client = await start(FakeServer.of(options=Options(keys=Keys.of(["sesame"]))))
    headers = {"host": "pages.example", "x-api-key": "sesame"}
    assert (await client.get("/v1/models", headers=headers)).status_code == 200
