"""Days off a real log, over runs that end and begin again, and what the log does not answer."""

import asyncio
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError
from kafka_clients import produce

from dataset.day import day_of
from dataset.folder import DataFolder
from deploy.services import KafkaBroker
from genpage.cli.collect import Collect
from genpage.errors import UnavailableError
from genpage.event import Event
from streaming import collecting, playing
from streaming.broker import Broker
from streaming.collecting import Collecting, ends_by, reading
from streaming.topics import PAGES

PLACE = TopicPartition("genpage.pages", 0)
NOWHERE = Broker("127.0.0.1:1")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaBroker]:
    """A broker of its own: all that is on it is this test's."""
    with KafkaBroker(tmp_path / "kafka") as broker:
        yield broker


def page(name: str, user: str, at: float) -> tuple[bytes, bytes]:
    """A page of one title as it lies on the log."""
    row = {"index": 0, "row": {"id": "r0", "kind": "genre"}, "entities": [{"id": "e0"}]}
    about = {"page_id": name, "user_id": user, "at": at, "device": "tv", "rows": [row]}
    return user.encode(), orjson.dumps(about)


def play(user: str, ts: float, **fields: object) -> tuple[bytes, bytes]:
    """An event as it lies on the log."""
    about = {"event_id": uuid.uuid4().hex, "user_id": user, "entity_id": "e0", "action": "play"}
    return user.encode(), orjson.dumps({**about, "ts": ts, **fields})


async def test_runs_that_end_and_begin_again_miss_nothing(
    broker: KafkaBroker, tmp_path: Path
) -> None:
    """A clock far ahead, times on no calendar, answers that come later, an erasure in between."""
    out, now = tmp_path / "out", time.time()
    collect = Collect(kafka=broker.bootstrap, out=out, until="now")
    await asyncio.to_thread(collect.run)
    ahead = now + 150 * 86_400
    catalog = [
        (b"entity:e0", orjson.dumps({"kind": "film", "title": "Rivers", "genres": ["Drama"]})),
        (b"row:r0", orjson.dumps({"kind": "genre", "title": "Drama", "genre": "Drama"})),
    ]
    await produce(broker.bootstrap, catalog, topic="genpage.catalog")
    pages = [page("p1", "ada", now - 60), page("p2", "eve", ahead), page("p3", "eve", 1e15)]
    await produce(broker.bootstrap, [*pages, page("p4", "eve", now - 50)], topic="genpage.pages")
    await produce(broker.bootstrap, [play("eve", -1e15), play("eve", now - 40)])
    await asyncio.to_thread(collect.run)
    lines = DataFolder(out).impressions()
    assert set(lines["page_id"]) == {"p1", "p2", "p4"}
    assert lines.filter(pl.col("action") == "play")["page_id"].to_list() == ["p4"]
    assert (out / "impressions" / f"{day_of(ahead)}.parquet").exists()
    # Behind the first day's file and the one far ahead.
    await produce(broker.bootstrap, [play("ada", now - 30, page_id="p1")])
    await produce(broker.bootstrap, [page("p5", "ada", now - 20)], topic="genpage.pages")
    await asyncio.to_thread(collect.run)
    lines = DataFolder(out).impressions()
    assert set(lines["page_id"]) == {"p1", "p2", "p4", "p5"}
    acted = lines.filter(pl.col("action") == "play")
    assert sorted(acted["page_id"]) == ["p1", "p4"]
    await produce(broker.bootstrap, [(b"ada", None)])
    await asyncio.to_thread(collect.run)
    assert set(DataFolder(out).impressions()["user_id"]) == {"eve"}
    assert set(DataFolder(out).events()["user_id"]) == {"eve"}
    assert set(DataFolder(out).profiles()["user_id"]) == {"eve"}


@dataclass(frozen=True, slots=True)
class Lying:
    """A record."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class Client:
    """A consumer that takes everything for read."""

    def __init__(self, end: int | Exception) -> None:
        self.end = end

    def assignment(self) -> set[TopicPartition]:
        """One partition."""
        return {PLACE}

    def highwater(self, place: TopicPartition) -> int | None:  # noqa: ARG002
        """Nothing was fetched yet."""
        return None

    async def position(self, place: TopicPartition) -> int:  # noqa: ARG002
        """Five messages were read."""
        return 5

    async def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """What the broker says."""
        if isinstance(self.end, Exception):
            raise self.end
        return dict.fromkeys(places, self.end)


@pytest.mark.parametrize(
    ("end", "wanted"), [(5, 100.0), (9, 50.0), (KafkaConnectionError("away"), None)]
)
async def test_what_is_read_is_what_the_broker_says(end: int | Exception, wanted: object) -> None:
    """A client cut off takes what it saw last for the end; then no day is complete."""
    reader = Collecting(NOWHERE, 60.0, clock=lambda: 100.0)
    reader._written[PLACE] = 50.0
    client: Any = Client(end)
    assert await reader._watermark(client) == wanted


async def test_a_broker_that_goes_away_is_said() -> None:
    """No traceback of its client."""
    client: Any = Client(KafkaConnectionError("away"))
    with pytest.raises(UnavailableError, match="where it ends"):
        await ends_by(client, 1.0)


def test_a_page_that_stands_in_its_days_file_is_not_told_with_fewer_events() -> None:
    """The slack in front of where a run begins is for events alone."""
    reader = Collecting(NOWHERE, 60.0, clock=lambda: 1e9)
    reader._since = 1_000.0
    for written in (999.0, 1_000.0):
        key, value = page(f"p{written}", "ada", 900.0)
        record = Lying(0, round(written * 1000), key, value, ())
        taken: Any = record
        reader._take(PAGES.name, taken)
    (day,) = reader._days.rest()
    assert [each.page_id for each in day.pages] == ["p1000.0"]


class Stuck:
    """A consumer whose end waits for ever, as aiokafka's may."""

    def __init__(self, *_: object, **__: object) -> None:
        self._coordinator = self._fetcher = None
        self._client = self

    async def start(self) -> None:
        """It connects."""

    async def stop(self) -> None:
        """It does not end."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Its sockets."""


async def test_a_reader_whose_client_does_not_end_ends_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Within seconds."""

    async def made(*_: object) -> None:
        pass

    monkeypatch.setattr(collecting, "AIOKafkaConsumer", Stuck)
    monkeypatch.setattr(collecting, "create_missing", made)
    monkeypatch.setattr(collecting, "END_S", 0.01)
    async with asyncio.timeout(5), reading(NOWHERE, (PAGES,), None):
        pass


async def test_events_that_are_not_taken_are_not_sent_in_a_busy_loop() -> None:
    """With a wait in between."""
    tries = []

    class Refusing:
        async def until_up(self) -> None:
            """It answers."""

        async def send(self, messages: object) -> None:
            tries.append(messages)
            raise UnavailableError("no leader")

    refusing: Any = Refusing()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await playing._publish(refusing, [Event("1", "ada", "e0", "play", 1.0)])
    assert len(tries) == 1
