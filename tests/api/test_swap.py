"""Bundles swapped under a composed server, on a real engine: no page is lost, none is mixed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from bundles import version_of
from forgery import edit
from kafka_clients import until
from tiny import tiny_bundle

from api.app import create_app
from api.compose import Settings, compose
from api.fake import Logbook
from api.server import Options
from genpage.exploration import Exploration
from rollout.active import ActiveBundle, Handled, Held
from rollout.announcement import Announcement
from rollout.canary import share_of
from runtime.model import LoadedModel

ROOT = "/admin/v1/checkpoints"
PAGE = {"rows": 4, "entities_per_row": 5, "at": "2026-05-01T20:00:00Z"}


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ANN401 - of any field
    """A client of a server on the tiny bundle, without a socket."""
    bundle = tiny_bundle("fp32", random=False)
    composed = Settings(bundle=bundle, threads=1, swap_stagger_s=0.0, **settings)
    app = create_app(compose(composed, Logbook().logger()))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield client


async def loaded(client: httpx.AsyncClient, bundle: Path, **rollout: object) -> str:
    """The version of a bundle that was announced and came as far as it does by itself."""
    answer = await client.post(ROOT, json={"bundle_uri": bundle.as_uri(), "rollout": rollout})
    where = answer.headers["location"]

    async def there() -> bool:
        state = (await client.get(where)).json()["state"]
        assert state != "rejected"
        return state in {"active", "on trial"}

    await until(there)
    version: str = (await client.get(where)).json()["version"]
    return version


async def page(client: httpx.AsyncClient, user: str) -> dict[str, Any]:
    """A whole page."""
    answer = await client.post("/v1/pages", json={"user_id": user, **PAGE})
    assert answer.status_code == 200
    made: dict[str, Any] = answer.json()
    assert made["finish_reason"] == "complete"
    return made


async def test_a_server_that_begins_without_a_bundle_begins_with_the_firsts_trends() -> None:
    """What was watched when it was exported trends, as where the server starts with it."""
    server = compose(Settings(threads=1, swap_stagger_s=0.0), Logbook().logger())
    app = create_app(server)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        await loaded(client, tiny_bundle("fp32", random=False))
        model = server.models.active
        assert isinstance(model, LoadedModel)
        assert len(model.trends.top(3)) == 3
        assert server.stores.trends(None, model.catalog).top(3) == model.trends.top(3)


async def test_a_swap_under_load_loses_no_page(tmp_path: Path) -> None:
    """Each page is of one version; the weights are the same, and so is every page."""
    bundle = version_of(tiny_bundle("fp32", random=False), tmp_path)
    async with serving() as client:
        expected = [[e["id"] for e in row["entities"]] for row in (await page(client, "m"))["rows"]]
        swapped = asyncio.create_task(loaded(client, bundle))
        versions: list[str] = []

        async def ask() -> None:
            while not swapped.done():
                made = await page(client, "m")
                versions.append(made["model"]["version"])
                assert [[e["id"] for e in row["entities"]] for row in made["rows"]] == expected
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(ask())
        version = await swapped
        assert len(versions) > 3
        assert (await page(client, "m"))["model"]["version"] == version
        back = (await client.post(f"{ROOT}/rollback")).json()
        assert (await page(client, "m"))["model"]["version"] == back["version"] != version


@pytest.mark.parametrize("share", [0.5])
async def test_a_canarys_members_get_its_pages(tmp_path: Path, share: float) -> None:
    """By their hash, each time; they are counted, and it is promoted by itself."""
    bundle = version_of(tiny_bundle("fp32", random=False), tmp_path)
    async with serving() as client:
        terms = {"strategy": "canary", "share": share, "pages": 12, "seconds": 0, "least": 12}
        # Two engines under one load differ by noise alone, which is not what is tested.
        version = await loaded(client, bundle, **terms, latency_ratio=1000.0)
        users = [f"m{n}" for n in range(20)]
        for user in users:
            made = await page(client, user)
            trial = (await client.get(f"{ROOT}/status")).json()["trial"]
            if trial is None:
                break
            taken = made["model"]["version"] == version
            assert taken == (share_of(user, version) < share)
        else:
            for n in range(100):
                await page(client, users[n % 20])
                if (await client.get(f"{ROOT}/status")).json()["trial"] is None:
                    break
        told = (await client.get(f"{ROOT}/status")).json()
        assert (told["trial"], told["active"]["version"]) == (None, version)


@pytest.mark.parametrize("explored", [0.0, 0.5])
async def test_a_shadow_is_made_of_real_pages(tmp_path: Path, explored: float) -> None:
    """Same weights, same pages, with the same draws: all alike, and nobody got one."""
    bundle = version_of(tiny_bundle("fp32", random=False), tmp_path)
    options = Options(exploration=Exploration(explored))
    async with serving(options=options) as client:
        version = await loaded(client, bundle, strategy="shadow", share=1.0)

        async def compared() -> bool:
            made = await page(client, "m1")
            assert made["model"]["version"] != version
            trial = (await client.get(f"{ROOT}/status")).json()["trial"]
            assert trial["failed"] == 0
            return bool(trial["pages"] >= 2)

        await until(compared)
        trial = (await client.get(f"{ROOT}/status")).json()["trial"]
        assert (trial["titles_shared"], trial["same_place"]) == (1.0, 1.0)


async def test_a_restart_serves_what_was_served_whatever_lies_at_the_bundle_now(
    tmp_path: Path,
) -> None:
    """Exported anew over the same path; and where our copy is lost, the one before goes first."""
    logbook, state = Logbook(), tmp_path / "state"
    bundle = version_of(tiny_bundle("fp32", random=False), tmp_path, "before")
    settings = Settings(bundle=bundle, threads=1, state_dir=state)
    first = compose(settings, logbook.logger()).models.active
    assert first is not None
    edit(bundle / "manifest.json", lambda manifest: manifest.update(version="after"))
    again = compose(settings, logbook.logger()).models.active
    assert again is not None
    assert (again.version, again.digest) == ("before", first.digest)
    assert "--bundle is passed over" in [line["event"] for line in logbook.lines]
    recalled = ActiveBundle.recall(state, logbook.logger())
    assert recalled is not None
    lost = Held("lost", "0" * 64, str(tmp_path / "nowhere"))
    handled = Handled(7.0, lost.digest)
    ActiveBundle(lost.version, lost.digest, lost.folder, None, recalled.held, handled).remember(
        state
    )
    found = compose(settings, logbook.logger())
    assert found.models.active is not None
    assert found.models.active.version == "before"
    assert found.rollout is not None
    document = {"bundle_uri": "file:///x", "created_at": 7.0, "digest": lost.digest}
    assert found.rollout.announce(Announcement.parse(document), replayed=True) is None
