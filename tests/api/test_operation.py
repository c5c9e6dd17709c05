"""What an operator asks: alive, ready, which version, how it does."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api import pages
from api.fake import FakeServed, FakeServer, fake_catalog
from api.replies import ModelsReply, ReadyReply, VersionReply
from api.routes import probes
from genpage.errors import UnavailableError
from genpage.event import Event
from runtime.cpu import cpu_note

Start = Callable[[FakeServer], Awaitable[httpx.AsyncClient]]
Eventually = Callable[[Callable[[], Awaitable[bool] | bool]], Awaitable[None]]
PAGE = {"user_id": "ada", "rows": 3, "entities_per_row": 4}

# Dashboards and alerts rely on these names.
STABLE = {
    "genpage_time_to_first_row_seconds",
    "genpage_row_interval_seconds",
    "genpage_page_seconds",
    "genpage_queue_seconds",
    "genpage_prefill_seconds",
    "genpage_decode_seconds",
    "genpage_kv_cache_usage_ratio",
    "genpage_prefix_cache_queries",
    "genpage_prefix_cache_hits",
    "genpage_prefix_cache_evictions",
    "genpage_kv_cache_bytes",
    "genpage_mask_build_seconds",
    "genpage_context_age_seconds",
    "genpage_checkpoint_age_seconds",
    "genpage_degraded_pages",
    "genpage_pages",
    "genpage_events",
}


async def metrics(client: httpx.AsyncClient) -> dict[str, float]:
    """Every sample without its labels, summed."""
    totals: dict[str, float] = {}
    for family in text_string_to_metric_families((await client.get("/metrics")).text):
        for sample in family.samples:
            totals[sample.name] = totals.get(sample.name, 0.0) + sample.value
    return totals


async def test_alive_ready_and_versioned(client: httpx.AsyncClient, fake: FakeServer) -> None:
    """Each probe has a body that says what it knows."""
    assert (await client.get("/livez")).json() == {"status": "live"}
    ready = ReadyReply.model_validate((await client.get("/readyz")).json())
    assert set(ready.parts.values()) == {"ok"}
    version = VersionReply.model_validate((await client.get("/version")).json())
    active = fake.models.active
    assert active is not None
    assert version.catalog_version == active.catalog.version
    assert (version.console, version.auth) == (True, False)
    assert version.exact is True
    assert version.processor == cpu_note()


async def test_models_are_listed(client: httpx.AsyncClient, fake: FakeServer) -> None:
    """The active one, the one before, and all in memory."""
    fake.models.previous = FakeServed.of(fake_catalog(entities=20))
    models = ModelsReply.model_validate((await client.get("/v1/models")).json())
    assert models.active is not None
    assert models.previous is not None
    assert models.active.version == "fake-1"
    assert [model.version for model in models.loaded] == ["fake-1"]


async def test_a_dead_engine_is_not_ready(
    client: httpx.AsyncClient, fake: FakeServer, eventually: Eventually
) -> None:
    """The process lives, so it is not restarted for being stuck; it just takes no pages."""
    await fake.server.worker.close()
    await eventually(lambda: not fake.server.worker.alive)
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["parts"]["engine"]) == (503, "dead")
    assert ready.headers["content-type"] == "application/problem+json"
    page = await client.post("/v1/pages", json=PAGE)
    assert (page.status_code, page.json()["code"]) == (503, "unavailable")
    assert (await client.get("/livez")).status_code == 200
    assert (await client.get("/metrics")).status_code == 200
    assert fake.server.pages.admission.taken == 0


async def test_stable_metric_names_count_what_they_say(
    client: httpx.AsyncClient, fake: FakeServer
) -> None:
    """Two pages of three rows, one warm, after one event."""
    await client.post("/v1/events", json={"user_id": "ada", "entity_id": "e1", "action": "play"})
    for _ in range(2):
        await client.post("/v1/pages", json=PAGE)
    text = (await client.get("/metrics")).text
    assert {family.name for family in text_string_to_metric_families(text)} >= STABLE
    assert "ada" not in text
    totals = await metrics(client)
    assert totals["genpage_time_to_first_row_seconds_count"] == 2
    assert totals["genpage_row_interval_seconds_count"] == 4
    assert totals["genpage_page_seconds_count"] == 2
    assert totals["genpage_pages_total"] == 2
    assert totals["genpage_events_total"] == 1
    assert totals["genpage_mask_build_seconds_count"] == 2
    assert totals["genpage_context_age_seconds_count"] == 2
    asked, found = (totals[f"genpage_prefix_cache_{n}_total"] for n in ("queries", "hits"))
    assert asked / 2 - 1 <= found < asked
    assert 0 < totals["genpage_kv_cache_usage_ratio"] < 1
    assert totals["genpage_kv_cache_bytes"] > 0
    assert totals["genpage_prefix_cache_evictions_total"] == 0
    assert totals["genpage_checkpoint_age_seconds"] > 0
    assert totals["genpage_pages_live"] == totals["genpage_pages_waiting"] == 0
    assert await fake.is_idle()


async def test_metrics_in_the_open_format_too(client: httpx.AsyncClient) -> None:
    """A scraper that asks for OpenMetrics gets it."""
    headers = {"accept": "application/openmetrics-text; version=1.0.0"}
    answer = await client.get("/metrics", headers=headers)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def test_a_store_that_is_away_degrades_the_page_and_says_so(start: Start) -> None:
    """The page comes all the same; events are refused, never falsely taken."""
    fake = FakeServer.of()

    class Away:
        async def get(self, _: str) -> None:
            raise UnavailableError("away")

        async def apply(self, _: list[Event]) -> None:
            raise UnavailableError("the context store is away; try again")

    reader, sink = fake.server.planner._members, fake.server.stores.sink
    for holder, name in ((reader, "_contexts"), (sink, "_store")):
        setattr(holder, name, Away())
    client = await start(fake)
    page = (await client.post("/v1/pages", json=PAGE)).json()
    assert page["degraded"] == ["context-store"]
    assert page["context"]["known"] is False
    assert page["finish_reason"] == "complete"
    event = {"user_id": "ada", "entity_id": "e1", "action": "play"}
    refused = await client.post("/v1/events", json=event)
    assert (refused.status_code, refused.json()["retryable"]) == (503, True)
    assert refused.headers["retry-after"]
    assert (await metrics(client))["genpage_degraded_pages_total"] == 1


async def test_a_full_server_says_when_to_come_back(
    client: httpx.AsyncClient, fake: FakeServer, eventually: Eventually
) -> None:
    """429 with Retry-After beyond the queue; every place is given back afterwards."""
    limit = fake.server.pages.admission.limit
    fake.backend.hold()
    asked = [asyncio.ensure_future(client.post("/v1/pages", json=PAGE)) for _ in range(limit)]
    await eventually(lambda: fake.server.worker.open == limit)
    for headers in ({}, {"accept": "text/event-stream"}):
        full = await client.post("/v1/pages", json=PAGE, headers=headers)
        assert (full.status_code, full.json()["code"]) == (429, "overloaded")
        assert full.json()["retryable"] is True
        assert 1 <= int(full.headers["retry-after"]) <= 60
    fake.backend.open()
    fake.backend.let(10_000)
    answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {200}
    await eventually(lambda: fake.server.pages.admission.taken == 0)
    assert (await client.post("/v1/pages", json=PAGE)).status_code == 200
    assert await fake.is_idle()


async def test_a_stuck_engine_holds_up_no_operator(
    client: httpx.AsyncClient,
    fake: FakeServer,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Metrics come with the gauges of before; stopping and erasing say 503, and work later."""
    monkeypatch.setattr(probes, "STATS_S", 0.01)
    monkeypatch.setattr(pages, "LAST_STEP_S", 0.01)
    fake.backend.hold()
    asked = asyncio.ensure_future(client.post("/v1/pages", json=PAGE))
    await eventually(lambda: fake.backend.begun > 0)
    (page,) = fake.server.pages.store.running()
    assert (await client.get("/metrics")).status_code == 200
    for path in (f"/v1/pages/{page.page_id}", "/v1/users/ada/context"):
        answer = await client.delete(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"]
    monkeypatch.undo()
    fake.backend.open()
    assert (await asked).json()["finish_reason"] == "cancelled"
    assert (await client.delete("/v1/users/ada/context")).status_code == 204
    assert (await client.get(f"/v1/pages/{page.page_id}")).status_code == 404


@pytest.mark.parametrize(
    "path", ["/", "/livez", "/readyz", "/version", "/openapi.json", "/web/app.js", "/v1/models"]
)
async def test_head_is_get_without_a_body(client: httpx.AsyncClient, path: str) -> None:
    """Load balancers and monitors ask so; status and headers are GET's."""
    own = {"x-request-id", "date"}
    head, got = await client.head(path), await client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert {k: v for k, v in head.headers.items() if k not in own} == {
        k: v for k, v in got.headers.items() if k not in own
    }


async def test_head_is_logged_as_such_and_starts_nothing(
    client: httpx.AsyncClient, fake: FakeServer
) -> None:
    """By the route that answered; a page that is not there is 404, its stream has no HEAD."""
    assert (await client.head("/metrics")).status_code == 200
    line = next(line for line in reversed(fake.logbook.lines) if line["event"] == "request")
    assert (line["method"], line["route"]) == ("HEAD", "/metrics")
    assert (await client.head("/v1/pages/x")).status_code == 404
    assert (await client.head("/v1/pages/x/events")).status_code == 405
    assert (await client.head("/v1/pages")).status_code == 405
