"""Pages that go on: the next rows, nothing twice, what happened since."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from api.fake import FakeServed, FakeServer, fake_catalog

Eventually = Callable[[Callable[[], Awaitable[bool] | bool]], Awaitable[None]]
PAGE = {"user_id": "ada", "rows": 3, "entities_per_row": 4, "at": "2026-05-01T20:00:00Z"}


async def ask(client: httpx.AsyncClient, **changes: object) -> dict[str, Any]:
    """A page as JSON."""
    answer = await client.post("/v1/pages", json={**PAGE, **changes})
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def shown(*pages: dict[str, Any]) -> list[str]:
    """All rows and entities of the pages."""
    rows = [row for page in pages for row in page["rows"]]
    return [i for row in rows for i in (row["row"]["id"], *(e["id"] for e in row["entities"]))]


async def test_pages_go_on_without_repeating_anything(client: httpx.AsyncClient) -> None:
    """Three pages in a row: no row and no entity twice, and each says how many came before."""
    pages = [await ask(client)]
    for _ in range(2):
        pages.append(await ask(client, continue_from=pages[-1]["page_id"]))
    ids = shown(*pages)
    assert len(ids) == len(set(ids)) == 3 * 3 * 5
    assert [page["offset"] for page in pages] == [0, 3, 6]
    assert [row["index"] for page in pages for row in page["rows"]] == [0, 1, 2] * 3
    assert len({page["page_id"] for page in pages}) == 3


async def test_a_continued_page_builds_on_the_kv_of_the_page_before(
    client: httpx.AsyncClient,
) -> None:
    """The earlier prompt and rows stand in the cache; only what is new is fed."""
    first = await ask(client)
    second = await ask(client, continue_from=first["page_id"])
    assert second["prompt_tokens"] == first["prompt_tokens"] + 3 * 5 + 2  # <acted> <page>
    assert second["cached_prompt_tokens"] >= first["prompt_tokens"]


async def test_engagements_stand_in_the_prompt_of_the_next_rows(
    client: httpx.AsyncClient,
) -> None:
    """Four tokens each; a title that was disliked on the page does not come back."""
    first = await ask(client)
    entity = first["rows"][0]["entities"][0]["id"]
    plain = await ask(client, continue_from=first["page_id"])
    upcoming = plain["rows"][0]["entities"][0]["id"]
    acted = await ask(
        client,
        continue_from=first["page_id"],
        engagements=[
            {"entity_id": entity, "action": "play", "page_id": first["page_id"], "row_pos": 0},
            {"entity_id": upcoming, "action": "thumbs_down"},
        ],
    )
    assert acted["prompt_tokens"] == plain["prompt_tokens"] + 2 * 4
    assert upcoming not in shown(acted)
    third = await ask(client, continue_from=acted["page_id"])
    assert upcoming not in shown(third)


async def test_events_of_the_meantime_are_seen_by_the_next_rows(
    client: httpx.AsyncClient,
) -> None:
    """Recorded between two requests, or sent along as well: once, by its id."""
    first = await ask(client, at=None)
    plain = await ask(client, at=None, continue_from=first["page_id"])
    event = {"event_id": "x1", "user_id": "ada", "entity_id": "e7", "action": "play"}
    assert (await client.post("/v1/events", json=event)).status_code == 202
    known = await ask(client, at=None, continue_from=first["page_id"])
    both = await ask(client, at=None, continue_from=first["page_id"], engagements=[event])
    assert known["prompt_tokens"] == both["prompt_tokens"] == plain["prompt_tokens"] + 4
    assert known["context"]["version"] == "1"


async def test_another_members_page_is_not_there(client: httpx.AsyncClient) -> None:
    """It is not said whether such a page exists."""
    first = await ask(client)
    body = {**PAGE, "user_id": "bob", "continue_from": first["page_id"]}
    answer = await client.post("/v1/pages", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_a_page_still_being_read_is_a_conflict(
    client: httpx.AsyncClient, fake: FakeServer, eventually: Eventually
) -> None:
    """Its rows are not known yet; once it has ended it can be continued."""
    fake.backend.hold()
    asked = asyncio.ensure_future(client.post("/v1/pages", json=PAGE))
    await eventually(lambda: bool(fake.server.pages.store.running()))
    (page,) = fake.server.pages.store.running()
    body = {**PAGE, "continue_from": page.page_id}
    answer = await client.post("/v1/pages", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    fake.backend.open()
    fake.backend.let(1_000)
    await asked
    assert (await client.post("/v1/pages", json=body)).status_code == 200


async def test_a_page_that_its_reader_left_is_continued_from_where_it_was(
    client: httpx.AsyncClient, fake: FakeServer, eventually: Eventually
) -> None:
    """What was not decoded when the client left is simply not shown."""
    fake.backend.hold()
    fake.backend.let(5)  # the prompt, three entities, and the fill
    asked = asyncio.ensure_future(client.post("/v1/pages", json=PAGE))
    await eventually(lambda: bool(fake.server.pages.store.running()))
    (page,) = fake.server.pages.store.running()
    await eventually(lambda: len(page.rows) == 1)
    watch = page.watch()
    asked.cancel()
    await asyncio.wait([asked])
    watch.close()  # the last reader: `httpx.ASGITransport` has none of its own to lose
    fake.backend.open()
    fake.backend.let(1_000)
    following = await ask(client, continue_from=page.page_id)
    assert following["offset"] == len(page.rows)
    left = (await client.get(f"/v1/pages/{page.page_id}")).json()
    assert left["finish_reason"] == "cancelled"
    assert not set(shown(left)) & set(shown(following))


async def test_a_catalog_runs_out(client: httpx.AsyncClient) -> None:
    """When no row can be filled any more the page is empty, and says why."""
    page = await ask(client, rows=22, entities_per_row=15)
    assert page["finish_reason"] == "complete"
    rest = await ask(client, rows=22, entities_per_row=15, continue_from=page["page_id"])
    last = await ask(client, rows=22, entities_per_row=15, continue_from=rest["page_id"])
    ids = shown(page, rest, last)
    assert len(ids) == len(set(ids))
    assert (last["rows"], last["finish_reason"]) == ([], "exhausted")


@pytest.mark.parametrize("reason", ["room", "model"])
async def test_a_page_goes_on_behind_a_fresh_prompt(
    client: httpx.AsyncClient, fake: FakeServer, reason: str
) -> None:
    """When its tokens no longer fit the model, or the model changed; still nothing comes twice."""
    active = fake.models.active
    assert active is not None
    if reason == "room":
        active.backend.capacity = 70
    pages = [await ask(client)]
    if reason == "model":
        smaller = fake_catalog(entities=300)
        fake.models.active = FakeServed.of(smaller)
    for _ in range(3):
        pages.append(await ask(client, continue_from=pages[-1]["page_id"]))
    ids = shown(*pages)
    assert len(ids) == len(set(ids)) == 4 * 3 * 5
    assert [page["offset"] for page in pages] == [0, 3, 6, 9]


async def test_the_context_of_many_continuations_is_bounded(
    client: httpx.AsyncClient, fake: FakeServer
) -> None:
    """A thousand engagements each time: the newest 512 are kept, and no list grows."""
    page = await ask(client, rows=1)
    for turn in range(4):
        acted = [
            {"event_id": f"{turn}-{n}", "entity_id": f"e{n % 400}", "action": "details"}
            for n in range(1_000)
        ]
        page = await ask(client, rows=1, continue_from=page["page_id"], engagements=acted)
        plan = fake.server.pages.store.get(page["page_id"]).plan
        ids = [event.event_id for event in plan.context.events]
        assert ids == [f"{turn}-{n}" for n in range(488, 1_000)]
        assert plan.request.engagements == ()


async def test_what_a_continuation_leaves_open_is_as_before(
    client: httpx.AsyncClient, fake: FakeServer
) -> None:
    """Device, locale and width; what it says itself holds, and exclusions add up."""
    first = await ask(client, device="tv", locale="mi-NZ", exclude=["e1", "e2"])
    body = {"user_id": "ada", "rows": 2, "continue_from": first["page_id"], "exclude": ["e3"]}
    second = (await client.post("/v1/pages", json=body)).json()
    assert second["entities_per_row"] == 4
    request = fake.server.pages.store.get(second["page_id"]).plan.request
    assert (request.device, request.locale) == ("tv", "mi-NZ")
    assert request.exclude == {"e1", "e2", "e3"}
    body = {**body, "device": "web", "locale": None, "entities_per_row": 20}
    third = (await client.post("/v1/pages", json=body)).json()
    request = fake.server.pages.store.get(third["page_id"]).plan.request
    assert (request.device, request.locale, request.entities_per_row) == ("web", None, 20)


async def test_exclusions_that_add_up_to_too_many_are_refused(client: httpx.AsyncClient) -> None:
    """The limit stands in the message; the page before can still be continued."""
    page = await ask(client, rows=1)
    for turn in range(10):
        exclude = [f"none-{turn}-{n}" for n in range(1_000)]
        page = await ask(client, rows=1, continue_from=page["page_id"], exclude=exclude)
    body = {**PAGE, "continue_from": page["page_id"], "exclude": ["one-more"]}
    answer = await client.post("/v1/pages", json=body)
    assert answer.status_code == 422
    assert "10000 is the most" in answer.json()["detail"]
    assert (await ask(client, continue_from=page["page_id"]))["offset"] == 11
