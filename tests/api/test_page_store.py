"""Pages by id: how long, how many, how large; and the permits at the door."""

import asyncio
import gc
import tracemalloc
from collections.abc import Awaitable, Callable

import httpx
import pytest

from api.admission import Admission
from api.fake import FakeServer
from api.live_page import LivePage
from api.page_store import Keeping, PageStore
from genpage.errors import NotFoundError, OverloadedError, UnavailableError

Eventually = Callable[[Callable[[], Awaitable[bool] | bool]], Awaitable[None]]
PAGE = {"user_id": "ada", "rows": 2, "entities_per_row": 3}


@pytest.fixture
async def pages(client: httpx.AsyncClient, fake: FakeServer) -> list[LivePage]:
    """Five finished pages of one size."""
    made = [(await client.post("/v1/pages", json=PAGE)).json()["page_id"] for _ in range(5)]
    return [fake.server.pages.store.get(page_id) for page_id in made]


def kept(store: PageStore, pages: list[LivePage]) -> list[int]:
    """Which of the pages the store still has."""
    found = []
    for number, page in enumerate(pages):
        try:
            store.get(page.page_id)
        except NotFoundError:
            continue
        found.append(number)
    return found


async def test_pages_are_kept_for_their_time(pages: list[LivePage]) -> None:
    """From their end on; a moment later they are not there."""
    now = [0.0]
    store = PageStore(Keeping(pages_s=600.0), clock=lambda: now[-1])
    for page in pages:
        store.start(page)
    store.stop(pages[0])
    now.append(599.0)
    store.stop(pages[1])
    assert kept(store, pages) == [0, 1, 2, 3, 4]
    now.append(601.0)
    assert kept(store, pages) == [1, 2, 3, 4]


async def test_the_store_is_bounded_in_number(pages: list[LivePage]) -> None:
    """The least recently used go; a page being made is never among them."""
    store = PageStore(Keeping(pages=3))
    store.start(pages[0])
    for page in pages[1:]:
        store.start(page)
        store.stop(page)
    assert kept(store, pages) == [0, 2, 3, 4]
    assert len(store) == 4


async def test_the_store_is_bounded_in_bytes(pages: list[LivePage]) -> None:
    """Whatever their number; one that is larger than all of it is not kept."""
    size = max(page.nbytes for page in pages)
    store = PageStore(Keeping(bytes=2 * size + size // 2))
    for page in pages:
        store.start(page)
        store.stop(page)
    assert kept(store, pages) == [3, 4]
    assert store.nbytes <= 2.5 * size
    tiny = PageStore(Keeping(bytes=size // 2))
    tiny.start(pages[0])
    tiny.stop(pages[0])
    assert kept(tiny, pages) == []


async def test_a_left_page_can_be_taken_up_for_a_minute(
    client: httpx.AsyncClient, fake: FakeServer, eventually: Eventually
) -> None:
    """Then it is over as far as it got: its rows stay, and its stream ends."""
    now = [0.0]
    store = PageStore(Keeping(paused_s=60.0), clock=lambda: now[-1])
    fake.server.pages.store = store
    fake.backend.hold()
    fake.backend.let(5)  # the prompt, two entities with the fill, and into the second row
    asked = asyncio.ensure_future(client.post("/v1/pages", json={**PAGE, "rows": 8}))
    await eventually(lambda: bool(store.running()))
    (page,) = store.running()
    await eventually(lambda: len(page.rows) >= 1)
    asked.cancel()
    await asyncio.wait([asked])
    fake.backend.open()
    await eventually(lambda: not store.running())
    assert page.state == "paused"
    now.append(59.0)
    assert store.get(page.page_id).state == "paused"
    now.append(61.0)
    left = (await client.get(f"/v1/pages/{page.page_id}")).json()
    assert (left["state"], left["finish_reason"]) == ("finished", "cancelled")
    assert 1 <= len(left["rows"]) < 8
    events = await client.get(f"/v1/pages/{page.page_id}/events")
    assert "event: page.end" in events.text


def test_permits_are_given_back_once() -> None:
    """A second release of the same permit frees nobody else's place."""
    door = Admission(limit=2, parallel=1)
    first, second = door.acquire(), door.acquire()
    with pytest.raises(OverloadedError, match="All 2 places"):
        door.acquire()
    first()
    first()
    assert door.taken == 1
    second()
    assert door.taken == 0


def test_the_wait_follows_the_pages_finished_lately() -> None:
    """Twice as many waiting is twice as long; a minute at most."""
    door = Admission(limit=100, parallel=4)
    for _ in range(50):
        door.finished(0.5)
    held = [door.acquire() for _ in range(40)]
    assert door.wait_s() == pytest.approx(5.0, rel=0.01)
    del held[20:]
    door.finished(10_000.0)
    assert door.wait_s() == 60.0


def test_a_closed_door_says_that_it_drains() -> None:
    """503 rather than 429: another server will answer."""
    door = Admission(limit=2, parallel=1, closed=True)
    with pytest.raises(UnavailableError, match="draining"):
        door.acquire()


async def test_a_page_counts_what_came_with_it(client: httpx.AsyncClient, fake: FakeServer) -> None:
    """Engagements and exclusions too: as much as was allocated for them, or somewhat more."""
    body = {
        **PAGE,
        "engagements": [
            {
                "event_id": f"{n:032x}",
                "entity_id": f"title-{n:026}",
                "action": "play",
                "ts": n + 0.5,
            }
            for n in range(1_000)
        ],
        "exclude": [f"excluded-{n:023}" for n in range(1_000)],
    }
    plain = fake.server.pages.store.get(
        (await client.post("/v1/pages", json=PAGE)).json()["page_id"]
    )
    gc.collect()
    tracemalloc.start()
    try:
        page_id = (await client.post("/v1/pages", json=body)).json()["page_id"]
        gc.collect()
        plan = fake.server.pages.store.get(page_id).plan
        before, _ = tracemalloc.get_traced_memory()
        del plan
        fake.server.pages.store.drop(loaded := fake.server.pages.store.get(page_id))
        counted = loaded.nbytes
        del loaded
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    held = before - after
    assert held > 200_000
    assert 0.8 * held <= counted <= 2.5 * held
    assert counted > plain.nbytes + 300_000
