"""The catalog changes while pages are made: what begins after sees it, what is under way keeps."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import httpx
import pytest
from kafka_clients import until
from prometheus_client.parser import text_string_to_metric_families

from api import live_catalog
from api.fake import FakeServed, FakeServer, fake_catalog
from genpage.catalog_changes import Withdrawal
from genpage.context import Context
from genpage.entity import Entity
from genpage.injection import Injection
from genpage.request import PageRequest
from genpage.row import Row
from tokenizer.prompt import Prompt, PromptEncoder

Eventually = Callable[[Callable[[], Awaitable[bool] | bool]], Awaitable[None]]
PAGE = {"user_id": "ada", "rows": 3, "entities_per_row": 4}
NEW = Entity("n1", "film", "Never seen", genres=("Drama",), year=2026)
# Alone in a pinned row, it stands on every page that may show it.
SHELF = Row("shelf", "editorial", "Just in", entity_ids=("n1",), pinned_position=0)


def shown(page: httpx.Response) -> list[str]:
    """The titles of a page, in order."""
    return [entity["id"] for row in page.json()["rows"] for entity in row["entities"]]


async def changed(fake: FakeServer, *changes: Entity | Row | Withdrawal) -> None:
    """Apply changes, and return once pages are made with them."""
    catalog = fake.server.catalog
    assert catalog is not None
    before = catalog.snapshots
    await catalog.apply(changes)
    await until(lambda: catalog.snapshots > before and not catalog.pending)


async def test_a_new_title_is_on_the_next_page(fake: FakeServer, client: httpx.AsyncClient) -> None:
    """Pages name another catalog version; the entity route knows it; so does a withdrawal."""
    before = await client.post("/v1/pages", json=PAGE)
    assert "n1" not in shown(before)
    await changed(fake, SHELF, NEW)
    after = await client.post("/v1/pages", json=PAGE)
    assert after.json()["catalog_version"] != before.json()["catalog_version"]
    assert after.json()["rows"][0]["row"]["title"] == "Just in"
    assert shown(after)[0] == "n1"
    assert (await client.get("/v1/entities/n1")).json()["title"] == "Never seen"
    built = fake.server.catalog.built if fake.server.catalog else None
    assert built is not None
    assert (built.entities, built.rows) == (401, 25)
    await changed(fake, Withdrawal("entity", "n1"))
    assert "n1" not in shown(await client.post("/v1/pages", json=PAGE))
    assert (await client.get("/v1/entities/n1")).status_code == 404


async def test_what_is_withdrawn_leaves_the_rows_not_yet_sent(
    fake: FakeServer, client: httpx.AsyncClient, eventually: Eventually
) -> None:
    """A title, and a whole row; what was sent stands, and the page ends as it would have."""
    wanted = (await client.post("/v1/pages", json=PAGE)).json()["rows"]
    assert len(wanted) == 3
    titles = [[entity["id"] for entity in row["entities"]] for row in wanted]
    fake.backend.hold()
    asked = asyncio.create_task(client.post("/v1/pages", json=PAGE))
    await eventually(lambda: fake.server.pages.store.running() != [])
    (page,) = fake.server.pages.store.running()

    # The prompt, the row and three titles; the fourth comes with the third's pass.
    fake.backend.let(5)
    await eventually(lambda: len(page.rows) == 1)
    await changed(
        fake,
        Withdrawal("entity", titles[0][1]),
        Withdrawal("entity", titles[1][2]),
        Withdrawal("row", wanted[2]["row"]["id"]),
    )
    fake.backend.open()
    answer = (await asked).json()
    assert shown(await client.get(f"/v1/pages/{answer['page_id']}")) == [
        *titles[0],
        *(title for title in titles[1] if title != titles[1][2]),
    ]
    assert answer["finish_reason"] == "complete"
    again = shown(await client.post("/v1/pages", json=PAGE))
    assert not {titles[0][1], titles[1][2]} & set(again)


async def test_the_first_row_is_measured_where_the_one_before_it_was_withdrawn(
    fake: FakeServer, client: httpx.AsyncClient, eventually: Eventually
) -> None:
    """From submission to what the member sees first."""
    whole = (await client.post("/v1/pages", json=PAGE)).json()["rows"]
    fake.backend.hold()
    asked = asyncio.create_task(client.post("/v1/pages", json=PAGE))
    await eventually(lambda: fake.server.pages.store.running() != [])
    await changed(fake, Withdrawal("row", whole[0]["row"]["id"]))
    fake.backend.open()
    rows = (await asked).json()["rows"]
    assert [row["row"]["id"] for row in rows] == [row["row"]["id"] for row in whole[1:]]
    text = (await client.get("/metrics")).text
    told = {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert told["genpage_time_to_first_row_seconds_count"] == 2
    firsts = [each[0]["timing"]["at_ms"] / 1000 for each in (whole, rows)]
    assert told["genpage_time_to_first_row_seconds_sum"] == pytest.approx(sum(firsts), abs=1e-5)
    assert told["genpage_row_interval_seconds_count"] == 3


async def test_an_arrival_costs_those_alone_whose_history_it_is_in(
    fake: FakeServer, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their prompts tell it then; nobody's prompt is encoded anew, nobody else's fed again."""
    for user, title in (("ada", "e5"), ("eve", "n1")):
        for number in range(30):
            posted = {
                "user_id": user,
                "entity_id": f"e{number}" if number else title,
                "action": "play",
                "ts": 1e9 + number,
            }
            assert (await client.post("/v1/events", json=posted)).status_code == 202
    encoded: list[str] = []
    encode = PromptEncoder.encode

    def counted(
        self: PromptEncoder, context: Context, request: PageRequest, injection: Injection
    ) -> Prompt:
        encoded.append(context.user_id)
        return encode(self, context, request, injection)

    monkeypatch.setattr(PromptEncoder, "encode", counted)

    async def ask(user: str) -> tuple[list[str], int, int]:
        body = {**PAGE, "user_id": user, "at": "2001-09-09T02:00:00Z"}
        page = (await client.post("/v1/pages", json=body)).json()
        prompt = (await client.get(f"/v1/pages/{page['page_id']}/prompt")).json()
        history = [word["text"] for word in prompt["words"] if word["segment"] == "history"]
        return history, page["prompt_tokens"], page["cached_prompt_tokens"]

    before = {}
    for user in ("ada", "eve"):
        await ask(user)
        before[user], tokens, cached = await ask(user)
        assert cached == tokens - 1
        assert "Never seen" not in before[user]
    encoded.clear()
    await changed(fake, NEW)
    told, tokens, cached = await ask("ada")
    assert (told, cached) == (before["ada"], tokens - 1)
    told, tokens, cached = await ask("eve")
    differs = [was != now for was, now in zip(before["eve"], told, strict=True)]
    assert told[differs.index(True)] == "Never seen"
    assert differs.count(True) == 1
    # The profile and the summary stand before the history.
    assert cached < 20 < tokens
    assert encoded == []
    assert (await ask("eve"))[2] == tokens - 1


async def test_a_page_goes_on_over_a_newer_snapshot(
    fake: FakeServer, client: httpx.AsyncClient
) -> None:
    """Behind its own prompt, whose KV is still good; what is new may stand in the next rows."""
    first = (await client.post("/v1/pages", json=PAGE)).json()
    await changed(fake, NEW, replace(SHELF, pinned_position=3), Withdrawal("entity", "e1"))
    body = {**PAGE, "continue_from": first["page_id"]}
    second = await client.post("/v1/pages", json=body)
    assert second.json()["cached_prompt_tokens"] >= first["prompt_tokens"]
    assert shown(second)[0] == "n1"


async def test_a_snapshot_that_cannot_be_built_is_told_and_tried_again(
    fake: FakeServer, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages go on with the older one and say so; the next change heals it."""
    catalog = fake.server.catalog
    assert catalog is not None

    def broken(*_: object) -> FakeServed:
        raise MemoryError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(FakeServed, "with_catalog", broken)
        await catalog.apply([NEW])
        await until(lambda: catalog.failed)
        page = await client.post("/v1/pages", json=PAGE)
        assert page.json()["degraded"] == ["catalog"]
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["parts"]["catalog"]) == (200, "stale")
        monkeypatch.setattr(live_catalog, "AGAIN_S", 0.0)
    await changed(fake, SHELF)
    page = await client.post("/v1/pages", json=PAGE)
    assert (page.json()["degraded"], shown(page)[0]) == ([], "n1")


async def test_a_bundle_loaded_later_begins_with_all_that_changed(fake: FakeServer) -> None:
    """What was applied while it was loaded is in it as well."""
    catalog = fake.server.catalog
    assert catalog is not None
    await catalog.apply([NEW])
    loaded = FakeServed.of(fake_catalog(50, 5))
    adopted = await catalog.adopt(loaded)
    assert fake.models.active is adopted
    assert isinstance(adopted, FakeServed)
    assert [entity.id for entity in adopted.catalog.entities[-2:]] == ["e49", "n1"]
    assert adopted.bundled is loaded.catalog
    assert await catalog.adopt(adopted) is adopted


async def test_trends_follow_the_catalog(fake: FakeServer, client: httpx.AsyncClient) -> None:
    """What was watched before its document was there trends once it is."""
    for number in range(5):
        event = {"user_id": f"u{number}", "entity_id": "n1", "action": "play"}
        await client.post("/v1/events", json=event)
    await changed(fake, NEW)
    page = (await client.post("/v1/pages", json=PAGE)).json()
    prompt = (await client.get(f"/v1/pages/{page['page_id']}/prompt")).json()
    trending = [word["text"] for word in prompt["words"] if word["segment"] == "trending"]
    assert trending[1:] == ["Never seen"]
