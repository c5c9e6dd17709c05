"""A page's appeal, a pass over all titles: never on the loop that serves everybody, and once."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import httpx
import numpy as np
import pytest

from api.fake import FakeServed, FakeServer
from genpage.context import Context
from genpage.promise import PROMISES
from genpage.request import PageRequest
from genpage.trends import Trends
from tokenizer.appeal import PageAppeal

Eventually = Callable[[Callable[[], Awaitable[bool] | bool]], Awaitable[None]]
PAGE = {"user_id": "ada", "rows": 3, "entities_per_row": 4}


@pytest.fixture
def judging(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """Who computed an appeal, each time; it puts the last titles first."""
    threads: list[threading.Thread] = []

    def appeal(
        served: FakeServed, context: Context, request: PageRequest, trends: Trends
    ) -> PageAppeal:
        del context, request, trends
        threads.append(threading.current_thread())
        worth = 1e3 * np.arange(len(served.catalog.entities), dtype=np.float32)
        return PageAppeal.of(worth, np.zeros(PROMISES, np.float32))

    monkeypatch.setattr(FakeServed, "appeal", appeal)
    return threads


async def test_appeal_is_computed_aside(
    client: httpx.AsyncClient, judging: list[threading.Thread]
) -> None:
    """By another thread than the event loop's, once, and it counts."""
    page = (await client.post("/v1/pages", json=PAGE)).json()
    assert [thread is threading.current_thread() for thread in judging] == [False]
    assert page["rows"][0]["entities"][0]["id"] == "e399"


async def test_each_decoding_of_a_page_takes_its_own_of_one_appeal(
    client: httpx.AsyncClient,
    fake: FakeServer,
    eventually: Eventually,
    judging: list[threading.Thread],
) -> None:
    """Taken up again nothing is computed anew; it is counted, and let go of at the page's end."""
    fake.backend.hold()
    pages = fake.server.pages
    asked = asyncio.ensure_future(client.post("/v1/pages", json=PAGE))
    await eventually(lambda: bool(pages.store.running()))
    (page,) = pages.store.running()
    held = page.plan.appeal
    assert held is not None
    assert page.plan.nbytes > held.entities.nbytes
    first, second = pages._job(page).appeal, pages._job(page).appeal
    assert first is not None
    assert second is not None
    assert first.promises is not second.promises is not held.promises
    assert first.entities is held.entities
    fake.backend.open()
    fake.backend.let(1_000)
    await asked
    assert len(judging) == 1
    assert page.plan.appeal is None
