"""What the demo page asks beside a page: members, prompts in words, entities, files."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from api.fake import FakeServer
from api.replies import EntitiesReply, EntityReply, MembersReply, PromptReply
from api.server import Options
from genpage.event import Event
from genpage.profile import Profile

Start = Callable[[FakeServer], Awaitable[httpx.AsyncClient]]
PAGE = {"user_id": "ada", "rows": 1, "entities_per_row": 2}


async def test_members_are_listed_busiest_first(
    client: httpx.AsyncClient, fake: FakeServer
) -> None:
    """With how much is known of each."""
    await fake.contexts.apply([Event("1", "ada", "e1", "play", 5.0)])
    await fake.contexts.apply([Event(str(n), "bob", "e1", "play", float(n)) for n in range(3)])
    await fake.contexts.put_profile(Profile("cyd", country="NZ"))
    reply = MembersReply.model_validate((await client.get("/v1/users")).json())
    assert [(line.user_id, line.events) for line in reply.users] == [
        ("bob", 3),
        ("ada", 1),
        ("cyd", 0),
    ]
    assert [line.last_ts for line in reply.users] == [2.0, 5.0, None]
    assert len((await client.get("/v1/users?limit=2")).json()["users"]) == 2
    for limit in (0, 1_001, "x"):
        assert (await client.get(f"/v1/users?limit={limit}")).status_code == 422


async def test_a_prompt_is_told_in_words(client: httpx.AsyncClient) -> None:
    """What the model saw, token by token, by segment."""
    event = {"user_id": "ada", "entity_id": "e7", "action": "thumbs_up"}
    await client.post("/v1/events", json=event)
    page = (await client.post("/v1/pages", json=PAGE)).json()
    answer = await client.get(f"/v1/pages/{page['page_id']}/prompt")
    reply = PromptReply.model_validate(answer.json())
    assert reply.tokens == len(reply.words) == page["prompt_tokens"]
    assert any(word.segment == "history" and word.text == "Film 7" for word in reply.words)
    assert reply.context.model_dump() == page["context"]


async def test_a_continued_pages_prompt_tells_the_page_so_far(client: httpx.AsyncClient) -> None:
    """The rows shown and what was done on them stand behind the prompt, as a segment."""
    first = (await client.post("/v1/pages", json=PAGE)).json()
    acted = [{"entity_id": "e7", "action": "thumbs_up"}]
    body = {**PAGE, "continue_from": first["page_id"], "engagements": acted}
    page = (await client.post("/v1/pages", json=body)).json()
    answer = await client.get(f"/v1/pages/{page['page_id']}/prompt")
    reply = PromptReply.model_validate(answer.json())
    assert reply.tokens == len(reply.words) == page["prompt_tokens"]
    texts = [word.text for word in reply.words if word.segment == "page so far"]
    row = first["rows"][0]
    titles = [row["row"]["title"], *(entity["title"] for entity in row["entities"])]
    assert texts[: len(titles)] == titles
    assert "Film 7" in texts[len(titles) :]


async def test_the_console_is_off_where_it_is_not_wanted(start: Start) -> None:
    """Members are not listed; pages and entities work."""
    client = await start(FakeServer.of(options=Options(console=False)))
    page_id = (await client.post("/v1/pages", json=PAGE)).json()["page_id"]
    for path in ("/v1/users", f"/v1/pages/{page_id}/prompt"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "console-off")
    assert (await client.get("/version")).json()["console"] is False
    assert (await client.get("/v1/entities/e1")).status_code == 200


async def test_entities_one_and_many(client: httpx.AsyncClient) -> None:
    """In the order asked for, with what is not there named."""
    one = EntityReply.model_validate((await client.get("/v1/entities/e3")).json())
    assert (one.title, one.genres, one.year) == ("Film 3", ["Romance"], 1993)
    many = await client.get("/v1/entities", params={"id": ["e2", "no/such", "e1"]})
    reply = EntitiesReply.model_validate(many.json())
    assert [entity.id for entity in reply.entities] == ["e2", "e1"]
    assert reply.unknown == ["no/such"]
    assert (await client.get("/v1/entities/no/such")).status_code == 404
    assert (await client.get("/v1/entities")).status_code == 422
    assert (await client.get("/v1/entities", params={"id": ["e"] * 201})).status_code == 422


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/", "text/html"), ("/web/app.js", "text/javascript"), ("/favicon.ico", "image/svg+xml")],
)
async def test_the_browsers_files_come_with_a_closed_policy(
    client: httpx.AsyncClient, path: str, kind: str
) -> None:
    """Nothing from another host, no inline script, asked for again when changed."""
    answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind)
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-cache"
    again = await client.get(path, headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == (304 if path.startswith("/web") else 200)
