"""Keys: several at once, in either header, and what needs none."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from api.auth import Keys
from api.fake import FakeServer
from api.server import Options
from genpage.errors import UsageError

Start = Callable[[FakeServer], Awaitable[httpx.AsyncClient]]
PAGE = {"user_id": "ada", "rows": 1, "entities_per_row": 1}


@pytest.fixture
async def locked(start: Start) -> httpx.AsyncClient:
    """A server with two keys."""
    keys = Keys.of(["old-key", "new-key"])
    return await start(FakeServer.of(options=Options(keys=keys)))


@pytest.mark.parametrize("key", ["old-key", "new-key"])
@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
async def test_every_key_opens_by_either_header(
    locked: httpx.AsyncClient, key: str, header: str
) -> None:
    """A key is replaced without a gap: old and new hold at once."""
    value = f"Bearer {key}" if header == "Authorization" else key
    answer = await locked.post("/v1/pages", json=PAGE, headers={header: value})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "wrong"},
        {"X-API-Key": "old-ke"},
        {"X-API-Key": "\u00e9"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic b2xkLWtleTo="},
        {"Authorization": "old-key"},
    ],
)
async def test_without_a_key_nothing_is_said(
    locked: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    """401 before the body is read, and for routes that do not exist as well."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    for method, path in (("POST", "/v1/pages"), ("GET", "/v1/users/ada/context"), ("GET", "/v9")):
        answer = await locked.request(method, path, content=b"not json", headers=raw)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "unauthorized"


async def test_probes_and_the_browsers_files_need_no_key(locked: httpx.AsyncClient) -> None:
    """They hold nothing of members."""
    for path in ("/livez", "/readyz", "/metrics", "/version", "/openapi.json", "/", "/web/app.js"):
        assert (await locked.get(path)).status_code == 200
    assert (await locked.get("/version")).json()["auth"] is True


async def test_keys_are_kept_as_digests_and_never_logged(start: Start) -> None:
    """Neither the settings' text nor any log line holds a key."""
    keys = Keys.of(["s3cret-key"])
    fake = FakeServer.of(options=Options(keys=keys))
    client = await start(fake)
    await client.post("/v1/pages", json=PAGE, headers={"X-API-Key": "s3cret-key"})
    await client.post("/v1/pages", json=PAGE, headers={"X-API-Key": "s3cret-kez"})
    assert "s3cret" not in repr(keys)
    assert "s3cret" not in repr(fake.logbook.lines)


@pytest.mark.parametrize("key", ["", "two words", "line\nend", "cl\u00e9"])
def test_a_key_that_no_header_carries_is_refused(key: str) -> None:
    """At the start, not at the first request."""
    with pytest.raises(UsageError, match="printable ASCII"):
        Keys.of([key])


async def test_a_loopback_server_needs_no_key(client: httpx.AsyncClient) -> None:
    """Without keys there is nothing to present, and a key is no mistake."""
    assert (await client.post("/v1/pages", json=PAGE)).status_code == 200
    answer = await client.post("/v1/pages", json=PAGE, headers={"X-API-Key": "any"})
    assert answer.status_code == 200
