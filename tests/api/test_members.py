"""Events in, contexts out, and a member forgotten everywhere."""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import quote

import httpx
import pytest

from api.fake import FakeServer
from api.replies import EventsReply, MemberReply
from genpage.profile import Profile

Eventually = Callable[[Callable[[], Awaitable[bool] | bool]], Awaitable[None]]
EVENT = {"user_id": "ada", "entity_id": "e1", "action": "play"}
PAGE = {"user_id": "ada", "rows": 3, "entities_per_row": 4}


async def test_an_event_is_taken_and_read_back(client: httpx.AsyncClient) -> None:
    """The server fills in the id and the time, and says which id it made."""
    full = {
        **EVENT,
        "event_id": "e-1",
        "ts": 1_777_622_400.5,
        "duration_s": 60.0,
        "page_id": "p",
        "row_id": "r1",
        "row_pos": 0,
        "col_pos": 3,
    }
    answer = await client.post("/v1/events", json=full)
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 1, "event_ids": ["e-1"]}
    bare = EventsReply.model_validate((await client.post("/v1/events", json=EVENT)).json())
    context = MemberReply.model_validate((await client.get("/v1/users/ada/context")).json())
    assert context.events[0].model_dump(exclude_none=True) == full
    assert context.events[1].event_id == bare.event_ids[0]
    assert context.events[1].ts > full["ts"]  # type: ignore[operator]
    assert context.version == "2"
    assert context.age_ms is not None


async def test_a_list_is_for_many_members(client: httpx.AsyncClient) -> None:
    """Each event goes to its own member, in the order of its time."""
    events = [
        {**EVENT, "event_id": "a", "ts": 20.0},
        {**EVENT, "event_id": "b", "ts": 10.0},
        {**EVENT, "event_id": "c", "ts": 30.0, "user_id": "bob"},
    ]
    assert (await client.post("/v1/events", json=events)).json()["event_ids"] == ["a", "b", "c"]
    context = (await client.get("/v1/users/ada/context")).json()
    assert [event["event_id"] for event in context["events"]] == ["b", "a"]


async def test_the_newest_512_events_are_held(client: httpx.AsyncClient) -> None:
    """A long history keeps its newest end."""
    events = [{**EVENT, "event_id": f"n{n}", "ts": float(n)} for n in range(600)]
    await client.post("/v1/events", json=events)
    context = (await client.get("/v1/users/ada/context")).json()
    ids = [event["event_id"] for event in context["events"]]
    assert ids == [f"n{n}" for n in range(88, 600)]
    assert context["version"] == "600"


async def test_a_profile_is_part_of_the_context(
    client: httpx.AsyncClient, fake: FakeServer
) -> None:
    """With its own time as the newest change."""
    await fake.contexts.put_profile(Profile("ada", "mi", "teen", "NZ", 16, ts=5.0))
    context = MemberReply.model_validate((await client.get("/v1/users/ada/context")).json())
    assert context.profile is not None
    assert (context.profile.country, context.profile.maturity) == ("NZ", 16)
    assert context.events == []


async def test_a_profile_is_told_in_full(client: httpx.AsyncClient, fake: FakeServer) -> None:
    """Fields that hold their defaults too; an event leaves out only what it may lack."""
    await fake.contexts.put_profile(Profile("ada"))
    await client.post("/v1/events", json={**EVENT, "event_id": "a", "ts": 0.0})
    context = (await client.get("/v1/users/ada/context")).json()
    assert context["profile"] == {
        "user_id": "ada",
        "language": None,
        "profile_type": "adult",
        "country": None,
        "maturity": 18,
        "ts": 0.0,
    }
    assert context["events"] == [{**EVENT, "event_id": "a", "ts": 0.0}]


@pytest.mark.parametrize("user_id", ["a/b", "a b", "\u00e9t\u00e9", "context", "100%", "a?b#c"])
async def test_any_printable_id_can_be_asked_for(client: httpx.AsyncClient, user_id: str) -> None:
    """Percent-encoded in the path, slashes and all."""
    await client.post("/v1/events", json={**EVENT, "user_id": user_id})
    path = f"/v1/users/{quote(user_id, safe='')}/context"
    assert (await client.get(path)).json()["user_id"] == user_id
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_an_event_changes_the_next_page(client: httpx.AsyncClient) -> None:
    """Its four tokens stand in the prompt, and the context's version says so."""
    before = (await client.post("/v1/pages", json=PAGE)).json()
    await client.post("/v1/events", json=EVENT)
    after = (await client.post("/v1/pages", json=PAGE)).json()
    assert (before["context"]["version"], after["context"]["version"]) == ("0", "1")
    # Four tokens in the history, and the title among the trending ones.
    assert after["prompt_tokens"] == before["prompt_tokens"] + 5
    assert 0 <= after["context"]["age_ms"] < 60_000


async def test_erasing_leaves_nothing_of_a_member(
    client: httpx.AsyncClient, fake: FakeServer
) -> None:
    """Store, encoded prompt, KV and pages, finished or not; another member keeps theirs."""
    await client.post("/v1/events", json=[EVENT, {**EVENT, "user_id": "bob"}])
    page_id = (await client.post("/v1/pages", json=PAGE)).json()["page_id"]
    kept_id = (await client.post("/v1/pages", json={**PAGE, "user_id": "bob"})).json()["page_id"]
    active = fake.models.active
    assert active is not None
    vocabulary = active.encoder.vocabulary.digest
    assert await fake.prompts.get("ada", vocabulary) is not None
    held = (await fake.server.worker.stats()).reusable_tokens
    assert (await client.delete("/v1/users/ada/context")).status_code == 204
    assert (await client.get("/v1/users/ada/context")).status_code == 404
    assert (await client.get(f"/v1/pages/{page_id}")).status_code == 404
    assert await fake.prompts.get("ada", vocabulary) is None
    assert (await fake.server.worker.stats()).reusable_tokens < held
    again = (await client.post("/v1/pages", json=PAGE)).json()
    assert again["cached_prompt_tokens"] == 0
    assert again["context"]["known"] is False
    assert (await client.get("/v1/users/bob/context")).status_code == 200
    assert (await client.get(f"/v1/pages/{kept_id}")).status_code == 200


async def test_erasing_ends_a_running_page(
    client: httpx.AsyncClient, fake: FakeServer, eventually: Eventually
) -> None:
    """Whoever reads it gets its end; afterwards there is no such page."""
    fake.backend.hold()
    asked = asyncio.ensure_future(client.post("/v1/pages", json=PAGE))
    await eventually(lambda: bool(fake.server.pages.store.running()))
    (page,) = fake.server.pages.store.running()
    erased = asyncio.ensure_future(client.delete("/v1/users/ada/context"))
    await eventually(lambda: page.stopped)
    fake.backend.open()
    fake.backend.let(1_000)
    assert (await erased).status_code == 204
    assert (await asked).json()["finish_reason"] == "cancelled"
    assert (await client.get(f"/v1/pages/{page.page_id}")).status_code == 404


async def test_erasing_nobody_is_fine(client: httpx.AsyncClient) -> None:
    """The wish is fulfilled already."""
    assert (await client.delete("/v1/users/nobody/context")).status_code == 204
