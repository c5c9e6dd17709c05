"""``age_ms`` of a page: how old the newest thing is that it knows of its member, as it begins."""

import time

import httpx
import pytest

PAGE = {"user_id": "ada", "rows": 2, "entities_per_row": 4}


async def aged(client: httpx.AsyncClient, ts: float, **body: object) -> str:
    """A page's id, once its age was held against the time of the newest event."""
    begun = time.time()
    page = (await client.post("/v1/pages", json={**PAGE, **body})).json()
    ended = time.time()
    # Told to the microsecond.
    age_s = page["context"]["age_ms"] / 1000
    assert begun - ts - 1e-5 <= age_s <= ended - ts + 1e-5
    page_id: str = page["page_id"]
    return page_id


async def test_it_is_the_time_since_the_newest_event(client: httpx.AsyncClient) -> None:
    """By its own time, whenever it arrived; each page counts anew, one that goes on as well."""
    now = time.time()

    async def played(title: str, ts: float) -> None:
        event = {"user_id": "ada", "entity_id": title, "action": "play", "ts": ts}
        assert (await client.post("/v1/events", json=event)).status_code == 202

    await played("e1", now - 60.0)
    first = await aged(client, now - 60.0)
    await played("e2", now - 90.0)
    await aged(client, now - 60.0)
    await aged(client, now - 60.0, continue_from=first)
    await played("e3", now - 5.0)
    await aged(client, now - 5.0, continue_from=first)
    await aged(client, now - 5.0)


async def test_it_is_not_below_zero_and_not_told_of_a_member_nobody_knows(
    client: httpx.AsyncClient,
) -> None:
    """A client's clock may be ahead of ours."""
    page = (await client.post("/v1/pages", json=PAGE)).json()
    assert page["context"]["age_ms"] is None
    event = {"user_id": "ada", "entity_id": "e1", "action": "play", "ts": time.time() + 100.0}
    assert (await client.post("/v1/events", json=event)).status_code == 202
    page = (await client.post("/v1/pages", json=PAGE)).json()
    assert page["context"]["age_ms"] == pytest.approx(0.0)
