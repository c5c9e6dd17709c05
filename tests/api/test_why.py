"""Why rows stand there: what was counted, what was chosen over what, what titles owe to what."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from api import explanations
from api.fake import FakeServed, FakeServer, fake_catalog
from api.replies import WhyReply
from api.server import Options
from api.why import Explanation, explain
from genpage.catalog import Catalog
from genpage.entity import Entity
from genpage.event import Event
from genpage.row import Row, Where

Start = Callable[[FakeServer], Awaitable[httpx.AsyncClient]]
# At a moment that is fixed, so that it is the same page whenever the tests run.
PAGE = {"user_id": "ada", "rows": 4, "entities_per_row": 5, "at": "2026-05-01T20:00:00Z"}
ACTS = [Event(f"v{n}", "ada", f"e{n}", "play", 1_700_000_000.0 + n) for n in range(0, 400, 2)]


@pytest.fixture
def fake() -> FakeServer:
    """A server whose model tells what titles owe to the member's own acts."""
    return FakeServer.of(served=replace(FakeServed.of(fake_catalog()), learnt=True))


async def told(client: httpx.AsyncClient, page_id: str) -> WhyReply:
    """What the server says."""
    answer = await client.get(f"/v1/pages/{page_id}/why")
    assert answer.status_code == 200
    return WhyReply.model_validate(answer.json())


async def test_each_row_has_its_reasons(client: httpx.AsyncClient, fake: FakeServer) -> None:
    """Counts are the row's own; a ground is what its titles have above the average title."""
    await fake.contexts.apply(ACTS)
    page = (await client.post("/v1/pages", json=PAGE)).json()
    why = await told(client, page["page_id"])
    assert why.told
    assert [row.row_id for row in why.rows] == [row["row"]["id"] for row in page["rows"]]
    for shown, row in zip(page["rows"], why.rows, strict=True):
        numbers = [int(entity["id"][1:]) for entity in shown["entities"]]
        even = sum(number % 2 == 0 for number in numbers)
        assert (row.facts.titles, row.facts.played) == (5, even)
        # Half of the 400 titles were played once each.
        above = even / 5 - 0.5
        if above > 0:
            [ground] = row.grounds
            assert ground.ground == "own"
            assert ground.logits == pytest.approx(above, abs=1e-5)
        else:
            assert row.grounds == []
    assert any(row.grounds for row in why.rows)


async def test_a_row_was_chosen_over_the_next_best(client: httpx.AsyncClient) -> None:
    """Greedy pages never open a row that scores less; candidates go down with every row."""
    page = (await client.post("/v1/pages", json=PAGE)).json()
    rows = (await told(client, page["page_id"])).rows
    ids = [row.row_id for row in rows]
    for number, row in enumerate(rows):
        choice = row.choice
        assert choice is not None
        assert choice.next_best is not None
        assert choice.candidates == 24 - number
        assert choice.score >= choice.next_best.score
        assert choice.next_best.id not in ids[: number + 1]
        assert choice.promise == 0.0


async def test_the_genre_that_a_row_is_about(client: httpx.AsyncClient, fake: FakeServer) -> None:
    """The member's latest titles are counted, each once, however often it was played."""
    plays = [("e0", 1), ("e5", 2), ("e1", 3), ("e0", 4)]  # two of Drama, one of Comedy
    await fake.contexts.apply(
        [Event(f"v{ts}", "ada", title, "play", 1e9 + ts) for title, ts in plays]
    )
    body = {**PAGE, "entities_per_row": 1, "rows": 12}
    page = (await client.post("/v1/pages", json=body)).json()
    expected = {"Drama": 2, "Comedy": 1}
    for shown, row in zip(page["rows"], (await told(client, page["page_id"])).rows, strict=True):
        [genre] = shown["entities"][0]["genres"]
        if genre in expected:
            assert row.facts.genre is not None
            found = row.facts.genre
            assert (found.genre, found.yours, found.of) == (genre, expected[genre], 3)
        else:
            assert row.facts.genre is None


async def test_a_genre_of_everything_tells_nothing(start: Start) -> None:
    """A row is about what it has more of than the catalog has."""
    films = [
        Entity(f"e{n}", "film", f"F{n}", genres=("Drama", "Crime" if n % 4 else "Western"))
        for n in range(40)
    ]
    western = Row("w", "genre", "Westerns", where=Where(genres_all=("Western",)))
    rows = [western, Row("all", "browse", "Everything")]
    fake = FakeServer.of(served=FakeServed.of(Catalog.build(films, rows)))
    client = await start(fake)
    await fake.contexts.apply([Event("v", "ada", "e4", "play", 1e9)])
    page = (await client.post("/v1/pages", json={**PAGE, "rows": 2})).json()
    found = {row.row_id: row.facts.genre for row in (await told(client, page["page_id"])).rows}
    assert found["w"] is not None
    assert found["w"].genre == "Western"
    assert found["all"] is None


async def test_without_the_model_there_are_the_facts(start: Start) -> None:
    """A bundle that was replaced explains nothing any more; what was counted stays."""
    fake = FakeServer.of(served=replace(FakeServed.of(fake_catalog()), learnt=True))
    client = await start(fake)
    await fake.contexts.apply(ACTS)
    page = (await client.post("/v1/pages", json=PAGE)).json()
    before = await told(client, page["page_id"])
    fake.models.active = FakeServed.of(fake_catalog(60))
    after = await told(client, page["page_id"])
    assert (before.told, after.told) == (True, False)
    assert [row.facts for row in after.rows] == [row.facts for row in before.rows]
    assert [row.choice for row in after.rows] == [row.choice for row in before.rows]
    assert not any(row.grounds for row in after.rows)


async def test_reasons_are_found_aside_and_once_a_page(
    client: httpx.AsyncClient, fake: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop that serves everybody does nothing of it; asked again, what was found is told."""
    threads: list[threading.Thread] = []

    def observed(*args: Any) -> Explanation:  # noqa: ANN401 - whatever it is called with
        threads.append(threading.current_thread())
        return explain(*args)

    monkeypatch.setattr(explanations, "explain", observed)
    await fake.contexts.apply(ACTS)
    page = (await client.post("/v1/pages", json=PAGE)).json()
    first, beside = await asyncio.gather(*(told(client, page["page_id"]) for _ in range(2)))
    assert first == beside == await told(client, page["page_id"])
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()
    other = (await client.post("/v1/pages", json=PAGE)).json()
    await told(client, other["page_id"])
    assert len(threads) == 2


async def test_an_erased_member_is_explained_nowhere(
    client: httpx.AsyncClient, fake: FakeServer
) -> None:
    """With the member their pages go, and so do the reasons; no log line told of them."""
    await fake.contexts.apply(ACTS)
    page = (await client.post("/v1/pages", json=PAGE)).json()
    await told(client, page["page_id"])
    await client.delete("/v1/users/ada/context")
    assert (await client.get(f"/v1/pages/{page['page_id']}/why")).status_code == 404
    assert not [line for line in fake.logbook.lines if "e398" in str(line)]


async def test_pages_keep_their_counts_only_where_they_are_explained(start: Start) -> None:
    """Without the console a page that is over has let go of the trends, and says nothing."""
    for console in (True, False):
        fake = FakeServer.of(options=Options(console=console))
        client = await start(fake)
        page = (await client.post("/v1/pages", json=PAGE)).json()
        kept = fake.server.pages.store.get(page["page_id"]).plan.trends
        assert len(kept.scores) == (400 if console else 0)
        assert kept.nbytes == kept.scores.nbytes + (0 if kept.paces is None else kept.paces.nbytes)
        assert np.isfinite(kept.scores).all()
        answer = await client.get(f"/v1/pages/{page['page_id']}/why")
        assert answer.status_code == (200 if console else 404)
