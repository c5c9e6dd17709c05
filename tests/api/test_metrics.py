"""Metrics: the names that the issue of operations fixes, and labels that stay few."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import httpx
from prometheus_client.parser import text_string_to_metric_families

from api.fake import FakeServer
from api.metrics import VERSIONS

Start = Callable[[FakeServer], Awaitable[httpx.AsyncClient]]
PAGE = {"user_id": "ada", "rows": 2, "entities_per_row": 3}


async def samples(client: httpx.AsyncClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by name and labels."""
    text = (await client.get("/metrics")).text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_versions_that_came_and_went_do_not_pile_up(start: Start) -> None:
    """The latest keep their numbers; the one in use counts on."""
    fake = FakeServer.of()
    client = await start(fake)
    served = fake.models.active
    assert served is not None
    for number in range(VERSIONS + 5):
        fake.models.active = replace(served, version=f"v{number}")
        assert (await client.post("/v1/pages", json=PAGE)).status_code == 200
    found = await samples(client)
    versions = {
        value
        for (name, labels), _ in found.items()
        for label, value in labels
        if label == "version" and name != "genpage_bundle_info"
    }
    assert versions == {f"v{number}" for number in range(5, VERSIONS + 5)}
    last = frozenset({("version", f"v{VERSIONS + 4}"), ("reason", "complete")})
    assert found["genpage_pages_total", last] == 1
    assert found["genpage_decode_seconds_count", frozenset({("version", "v5")})] == 1


async def test_parts_and_bundles_are_told_as_readyz_does(start: Start) -> None:
    """A part that is not well is 0; a bundle says what it is for."""
    fake = FakeServer.of()
    client = await start(fake)
    found = await samples(client)
    parts = {
        dict(labels)["part"]: value
        for (name, labels), value in found.items()
        if name == "genpage_part_up"
    }
    assert parts == dict.fromkeys((await client.get("/readyz")).json()["parts"], 1.0)
    (bundle,) = [dict(labels) for name, labels in found if name == "genpage_bundle_info"]
    assert (bundle["version"], bundle["role"]) == ("fake-1", "active")
    fake.models.active = None
    assert (await samples(client))["genpage_part_up", frozenset({("part", "bundle")})] == 0


async def test_a_swap_is_timed(start: Start) -> None:
    """Whoever swaps tells the seconds."""
    fake = FakeServer.of()
    client = await start(fake)
    fake.server.metrics.swap.observe(3.0)
    found = await samples(client)
    assert found["genpage_swap_seconds_sum", frozenset()] == 3.0
    assert found["genpage_swap_seconds_count", frozenset()] == 1
