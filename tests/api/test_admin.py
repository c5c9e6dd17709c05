"""The admin routes: who may call them, and what they say. Bundles are real elsewhere."""

from collections.abc import AsyncIterator

import httpx
import pytest
from kafka_clients import until

from api import examples
from api.admin_gate import AdminAccess
from api.app import create_app
from api.auth import Keys
from api.fake import FakeServer
from api.server import Options

ROOT = "/admin/v1/checkpoints"
KEY = {"Authorization": "Bearer admin"}
ADMIN = Keys.of(["admin"])


def options(access: AdminAccess, *api_keys: str) -> Options:
    """A server's."""
    return Options(keys=Keys.of(api_keys), admin=access)


@pytest.fixture
async def client(fake: FakeServer) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server on loopback, without keys."""
    app = create_app(fake.server)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as made:
            yield made
        fake.backend.open()


async def status_of(
    options: Options, headers: dict[str, str], path: str = f"{ROOT}/status", port: int = 80
) -> int:
    """What a call is answered with; httpx says the port that it believes it called."""
    app = create_app(FakeServer.of(options=options).server)
    transport = httpx.ASGITransport(app)
    url = f"http://localhost:{port}"
    async with httpx.AsyncClient(transport=transport, base_url=url) as client:
        return (await client.get(path, headers=headers)).status_code


@pytest.mark.parametrize(
    ("access", "headers", "expected"),
    [
        (AdminAccess(local=True), {}, 200),
        (AdminAccess(ADMIN, local=True), {}, 401),
        (AdminAccess(ADMIN, local=True), KEY, 200),
        (AdminAccess(ADMIN, local=False), KEY, 200),
        (AdminAccess(ADMIN, local=False), {"X-API-Key": "user"}, 401),
        (AdminAccess(local=False), {"X-API-Key": "user"}, 404),
        (AdminAccess(local=True), {"X-API-Key": "user"}, 200),
    ],
)
async def test_admin_routes_need_an_admin_key(
    access: AdminAccess, headers: dict[str, str], expected: int
) -> None:
    """Off loopback they are not there without one; an API key is none."""
    api_keys = ("user",) if not access.local or "X-API-Key" in headers else ()
    assert await status_of(options(access, *api_keys), headers) == expected


async def test_an_admin_key_is_no_api_key() -> None:
    """Pages want their own."""
    access = AdminAccess(ADMIN, local=False)
    assert await status_of(options(access, "user"), KEY, "/v1/models") == 401


async def test_an_admin_port_has_the_admin_routes_alone() -> None:
    """Probes answer on both."""
    given = options(AdminAccess(ADMIN, port=9_000))
    assert await status_of(given, KEY) == 404
    assert await status_of(given, KEY, port=9_000) == 200
    assert await status_of(given, {}, "/v1/models", 9_000) == 404
    assert await status_of(given, {}, "/v1/models") == 200
    assert await status_of(given, {}, "/livez", 9_000) == 200


@pytest.mark.parametrize("name", examples.CHECKPOINT_BODIES)
async def test_a_load_is_followed_by_its_id(client: httpx.AsyncClient, name: str) -> None:
    """202 at once; what became of it is told by its own address, the list and the status."""
    body = examples.CHECKPOINT_BODIES[name]["value"]
    answer = await client.post(ROOT, json=body)
    assert answer.status_code == 202
    where = f"{ROOT}/{answer.json()['id']}"
    assert answer.headers["location"] == where

    async def is_over() -> bool:
        return bool((await client.get(where)).json()["state"] == "rejected")

    await until(is_over)
    attempt = (await client.get(where)).json()
    assert (attempt["state"], attempt["retryable"]) == ("rejected", True)
    assert attempt["kind"] == {"immediate": "gone", "canary": "not-allowed"}[name]
    listed = (await client.get(ROOT)).json()["checkpoints"]
    assert [each["id"] for each in listed] == [attempt["id"]]
    told = (await client.get(f"{ROOT}/status")).json()
    assert [each["event"] for each in told["statuses"]] == ["activated", "rejected"]
    assert told["refused"] == 1
    text = (await client.get("/metrics")).text
    assert f'genpage_bundles_refused_total{{kind="{attempt["kind"]}"}} 1.0' in text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "bundle_uri"),
        ({"bundle_uri": "file:///x", "digest": "short"}, "digest"),
        ({"bundle_uri": "file:///x", "rollout": {"strategy": "slow"}}, "rollout.strategy"),
        ({"bundle_uri": "file:///x", "rollout": {"share": "0.5"}}, "rollout.share"),
        ({"bundle_uri": "file:///x", "rollout": {"shares": 0.5}}, "rollout.shares"),
        ({"bundle_uri": "file:///x", "version": "v1"}, "version"),
    ],
)
async def test_a_wrong_body_is_told_by_its_field(
    client: httpx.AsyncClient, body: dict[str, object], field: str
) -> None:
    """As everywhere over HTTP."""
    answer = await client.post(ROOT, json=body)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [field]


async def test_there_is_nothing_to_go_back_to(client: httpx.AsyncClient) -> None:
    """409; a version that is not loaded, and an unknown id, are 404."""
    assert (await client.post(f"{ROOT}/rollback")).status_code == 409
    assert (await client.post(f"{ROOT}/no/such/activate")).status_code == 404
    assert (await client.get(f"{ROOT}/nothing")).status_code == 404
    activated = await client.post(f"{ROOT}/fake-1/activate")
    assert activated.json()["version"] == "fake-1"


async def test_another_site_cannot_roll_back(client: httpx.AsyncClient) -> None:
    """A browser's request from elsewhere without a body is refused, as one with a form is."""
    headers = {"Origin": "https://elsewhere.example"}
    assert (await client.post(f"{ROOT}/rollback", headers=headers)).status_code == 415
