"""The whole loop: served pages -> members -> events -> contexts -> collected days -> validation."""

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from composed import any_bundle, on, serving
from kafka_clients import until

from dataset.folder import DataFolder
from dataset.validation import validate
from dataset.write import new_folder
from deploy.services import KafkaBroker
from genpage.cli.collect import Collect
from genpage.cli.simulate import Simulate
from simulation import settings as simulated
from simulation.service import simulate


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated service."""
    folder = tmp_path_factory.mktemp("service") / "data"
    with new_folder(folder) as writer:
        simulate(simulated.Settings(members=30, entities=300, days=2, seed=4), writer)
    return folder


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaBroker]:
    """A broker of its own: all that is on it is this test's."""
    with KafkaBroker(tmp_path / "kafka") as broker:
        yield broker


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of the loop left: the pages as they were answered, and the days' folder."""

    pages: list[dict[str, Any]]
    liked: str
    out: Path
    first: pl.DataFrame


@pytest.fixture
async def turn(
    broker: KafkaBroker, service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Turn:
    """Pages are served, members play on them, contexts change, days are collected, twice."""
    data, out = DataFolder(service), tmp_path / "collected"
    any_bundle(monkeypatch, data.catalog())
    members: list[str] = data.profiles()["user_id"].to_list()
    settings = replace(on(kafka=broker.bootstrap), data=service)
    async with serving(settings) as (server, client):
        log = server.event_log
        assert log is not None
        await until(lambda: log.state == "ok")
        pages = []
        for number, user in enumerate(members):
            body = {"user_id": user, "rows": 4, "entities_per_row": 10, "device": "tv"}
            body |= {"temperature": 1.0, "seed": number} if number % 2 else {}
            pages.append((await client.post("/v1/pages", json=body)).json())
        await until(lambda: log.pages.sent == len(pages))
        play = Simulate(from_pages=True, kafka=broker.bootstrap, data=service, until="now")
        await asyncio.to_thread(play.run)

        async def changed() -> bool:
            now = [await server.stores.contexts.get(user) for user in members]
            versions = [None if one is None else one.version for one in now]
            before = [page["context"]["version"] for page in pages]
            pairs = zip(before, versions, strict=True)
            return sum(bool(was != is_now) for was, is_now in pairs) > len(members) // 4

        await until(changed)
        liked: str = pages[0]["rows"][0]["entities"][0]["id"]
        event = {"user_id": members[0], "entity_id": liked, "action": "thumbs_up"}
        assert (await client.post("/v1/events", json=event)).status_code == 202
    out.mkdir()
    for name in ("entities", "rows"):
        shutil.copy(service / f"{name}.parquet", out)
    for _ in range(2):
        await asyncio.to_thread(Collect(kafka=broker.bootstrap, out=out, until="now").run)
        first = DataFolder(out).impressions()
    return Turn(pages, liked, out, first)


async def test_the_loop_turns(turn: Turn) -> None:
    """What was served and done stands in the layout: each page once, place by place."""
    report = validate(turn.out)
    assert report.ok, report.problems
    lines = DataFolder(turn.out).impressions()
    assert lines.equals(turn.first)
    assert lines["page_id"].n_unique() == len(turn.pages)
    for page in turn.pages:
        shown = [e["id"] for row in page["rows"] for e in row["entities"]]
        told = lines.filter(pl.col("page_id") == page["page_id"]).sort("row_pos", "col_pos")
        assert told["entity_id"].to_list() == shown
    drawn = lines.filter(pl.col("propensity") < 1.0)
    assert drawn["page_id"].n_unique() == len(turn.pages) // 2
    assert drawn["explored"].unique().to_list() == [1.0]
    decided = lines.filter(~pl.col("page_id").is_in(drawn["page_id"].unique().implode()))
    assert decided["explored"].unique().to_list() == [0.0]
    # Members' own events name their places; another names no page, and its member's is found.
    acted = lines.filter(pl.col("action").is_not_null())
    own = DataFolder(turn.out).events().filter(pl.col("event_id").str.starts_with("simulated-"))
    assert own.height > 5
    places = ["page_id", "row_pos", "col_pos", "action"]
    assert own.join(acted, on=places, how="anti").height <= 1
    liked = pl.col("entity_id") == turn.liked
    mine = acted.filter(liked, pl.col("page_id") == turn.pages[0]["page_id"])
    assert mine["action"].to_list() == ["thumbs_up"]
    simulated = set(lines.filter("simulated")["user_id"])
    assert simulated == set(own["user_id"])
