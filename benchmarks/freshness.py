"""How soon what a member does changes their next page: real Redis, real Kafka, a real server.

*Readable*: events of 5,000 members are published one by one at a rate; from the acknowledgement to
the moment at which Redis says that the member's context changed. *Page*: one member on an idle
server; from an event's acknowledgement to the end of the first page whose context has it.
*Catching up*: a server that was away finds events on the log, with nothing else to do and while a
client asks for one page after the other. *Redis's share*: `benchmarks.context_store`.
"""

import asyncio
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import structlog
from aiokafka import AIOKafkaProducer
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis
from rich.table import Table

from benchmarks import context_store
from benchmarks.report import Report
from benchmarks.serving import Serving
from deploy.services import KafkaBroker, RedisServer
from genpage.event import Event
from streaming.broker import Broker
from streaming.messages import of_event
from streaming.missing_topics import create_missing
from streaming.producer import Producer
from streaming.redis_client import RedisClient

MEMBERS = 5_000
LOG = structlog.wrap_logger(
    structlog.ReturnLogger(), wrapper_class=structlog.make_filtering_bound_logger(50)
)
# Redis says of every key that was given a time to live, as each write of a context does.
TOLD = ("--notify-keyspace-events", "Eg")
WRITTEN = "__keyevent@0__:expire"
SAMPLE_S = 0.1


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``holds`` compares: at most, or for a rate at least, the bound."""

    what: str
    bound: float
    measured: float
    unit: str
    holds: bool


def at_most(what: str, bound: float, measured: float) -> Row:
    """A time, in milliseconds."""
    return Row(what, bound, round(measured, 2), "ms", measured <= bound)


def at_least(what: str, bound: float, measured: float) -> Row:
    """A rate of events."""
    return Row(what, bound, round(measured), "events/s", measured >= bound)


@dataclass(frozen=True, slots=True)
class Place:
    """The services of one run. Every server is of one consumer group."""

    folder: Path
    redis: RedisServer
    kafka: KafkaBroker
    bundle: Path | None

    def serving(self) -> Serving:
        """A server on them, not started."""
        where = ("--redis-url", self.redis.url, "--kafka", self.kafka.bootstrap)
        quiet = ("--log-level", "warning")
        return Serving(self.folder / "server", self.bundle, *where, *quiet)


def event(number: int, user: str | None = None) -> Event:
    """An event of now, as a client would send it."""
    member = user or f"member-{number * 7919 % MEMBERS}"
    page = "0123456789abcdef0123456789abcdef"
    title = f"film-{number % 3000}"
    return Event(uuid.uuid4().hex, member, title, "play", time.time(), 1800.0, page, "r1", 0, 3)


async def write(kafka: str, events: int) -> None:
    """Put events on the log."""
    async with Producer(Broker(kafka), LOG) as producer:
        await producer.until_up()
        for first in range(0, events, 1_000):
            numbers = range(first, min(first + 1_000, events))
            await producer.send([of_event(event(number)) for number in numbers], within_s=30.0)


async def numbers_of(client: httpx.AsyncClient) -> tuple[float, float]:
    """How many messages the server has applied, and how many wait."""
    text = (await client.get("/metrics")).text
    samples = {
        (sample.name, sample.labels.get("topic")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    lag = samples.get(("genpage_kafka_lag", "genpage.events"), 0.0)
    return samples[("genpage_kafka_applied_total", None)], lag


async def until_read(client: httpx.AsyncClient, parts: Sequence[str] = ("events",)) -> None:
    """Return once the server has joined and applied all that is written."""
    while True:
        states = (await client.get("/readyz")).json()["parts"]
        if all(states[part] == "ok" for part in parts):
            applied, lag = await numbers_of(client)
            if applied and not lag:
                return
        await asyncio.sleep(SAMPLE_S)


async def readable(place: Place, rate: int, seconds: float) -> list[float]:
    """Milliseconds from the acknowledgement to the store, sorted; 0 where that was sooner."""
    acknowledged: dict[str, float] = {}
    written: dict[str, float] = {}
    waits: list[float] = []

    def told(user: str) -> None:
        """Of one member at most one event is on its way."""
        if user in acknowledged and user in written:
            waits.append(max(0.0, written.pop(user) - acknowledged.pop(user)) * 1e3)

    async def listen(redis: Redis) -> None:
        async with redis.pubsub() as channel:
            await channel.subscribe(WRITTEN)
            async for message in channel.listen():
                key = message["data"]
                if isinstance(key, bytes) and key.endswith(b"}:ctx"):
                    user = key[len(b"genpage:{u:") : -len(b"}:ctx")].decode()
                    written[user] = time.perf_counter()
                    told(user)

    async with (
        Redis.from_url(place.redis.url, protocol=2) as redis,
        Producer(Broker(place.kafka.bootstrap), LOG) as producer,
        asyncio.TaskGroup() as group,
    ):
        listening = group.create_task(listen(redis))
        await producer.until_up()
        await asyncio.sleep(SAMPLE_S)

        async def publish(one: Event) -> None:
            await producer.send([of_event(one)])
            acknowledged[one.user_id] = time.perf_counter()
            told(one.user_id)

        begun, count = time.perf_counter(), int(rate * seconds)
        for number in range(count):
            group.create_task(publish(event(number)))
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        while len(waits) < count:  # noqa: ASYNC110 - Redis tells it
            await asyncio.sleep(0.01)
        listening.cancel()
    return sorted(waits)


async def to_page(place: Place, client: httpx.AsyncClient, rounds: int) -> list[float]:
    """Milliseconds from the acknowledgement to the end of the first page that has it, sorted."""
    waits, user = [], f"one-{uuid.uuid4().hex}"

    async def version() -> str:
        page = (await client.post("/v1/pages", json={"user_id": user})).raise_for_status().json()
        found: str = page["context"]["version"]
        return found

    async with AIOKafkaProducer(bootstrap_servers=place.kafka.bootstrap, acks="all") as producer:
        before = await version()
        for number in range(rounds):
            message = of_event(event(number, user))
            headers = list(message.headers)
            await producer.send_and_wait(message.topic, message.value, message.key, headers=headers)
            begun = time.perf_counter()
            while (after := await version()) == before:
                pass
            waits.append((time.perf_counter() - begun) * 1e3)
            before = after
    return sorted(waits)


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """How a server caught up: events a second, pages a second meanwhile, whether lag fell."""

    events_per_s: float
    pages_per_s: float
    falling: bool


async def catch_up(place: Place, events: int, *, pages: bool) -> CaughtUp:
    """Start a server that finds events on the log; with ``pages``, ask for them meanwhile."""
    await write(place.kafka.bootstrap, events)
    with place.serving() as serving:
        async with serving.client() as client, asyncio.TaskGroup() as group:
            asked = 0

            async def ask() -> None:
                nonlocal asked
                while True:
                    user = f"member-{asked % MEMBERS}"
                    page = await client.post("/v1/pages", json={"user_id": user})
                    page.raise_for_status()
                    asked += 1

            asking = group.create_task(ask()) if pages else None
            samples: list[tuple[float, float, float]] = []
            while not samples or samples[-1][2]:
                applied, lag = await numbers_of(client)
                if applied:
                    samples.append((time.perf_counter(), applied, lag))
                await asyncio.sleep(SAMPLE_S)
            if asking is not None:
                asking.cancel()
    (begun, first, _), (ended, last, _) = samples[0], samples[-1]
    took = max(ended - begun, SAMPLE_S)
    return CaughtUp((last - first) / took, asked / took, _falls(samples))


def _falls(samples: Sequence[tuple[float, float, float]]) -> bool:
    """Whether of any two samples a second apart the later one has less lag.

    From the highest on: before that, not every partition's end is known.
    """
    highest = max(range(len(samples)), key=lambda n: samples[n][2])
    known = samples[highest:]
    return all(
        later[2] < sooner[2]
        for number, sooner in enumerate(known)
        for later in known[number:]
        if later[0] - sooner[0] >= 1.0
    )


def cut(times: Sequence[float], share: float) -> float:
    """A quantile of sorted times."""
    return times[min(len(times) - 1, int(len(times) * share))]


async def measure(place: Place, events: int, rate: int, rounds: int) -> list[Row]:
    """All rows of the table."""
    await create_missing(Broker(place.kafka.bootstrap))
    rows = []
    with place.serving() as serving:
        async with serving.client() as client:
            await write(place.kafka.bootstrap, MEMBERS)
            await until_read(client)
            waits = await readable(place, rate, seconds=10.0)
            what = f"acknowledged on Kafka to readable in Redis, {rate} events/s"
            rows += [
                at_most(f"{what}, p50", 50.0, cut(waits, 0.5)),
                at_most(f"{what}, p99", 500.0, cut(waits, 0.99)),
            ]
            waits = await to_page(place, client, rounds)
            what = "acknowledged to the end of the first page that reflects it, idle server"
            rows += [
                at_most(f"{what}, p50", 1_000.0, cut(waits, 0.5)),
                at_most(f"{what}, p99", 1_000.0, cut(waits, 0.99)),
            ]
    caught = await catch_up(place, events, pages=False)
    rows.append(at_least("catching up after an outage", 10_000.0, caught.events_per_s))
    caught = await catch_up(place, events // 2, pages=True)
    served = f"catching up while pages are served ({caught.pages_per_s:.1f} a second): lag falls"
    rows.append(Row(served, 0.0, round(caught.events_per_s), "events/s", caught.falling))
    async with RedisClient(place.redis.url, waiting=context_store.PATIENT) as client_:
        reads = await context_store.reads(client_)
    unchanged, after = reads["page's read, unchanged"], reads["page's read, after an event"]
    trips = unchanged["round_trips"]
    rows.append(Row("Redis's share of a warm page: round trips", 1.0, trips, "", trips == 1.0))
    rows.append(at_most("Redis's share of a warm page, p50", 2.0, unchanged["p50"]))
    rows.append(at_most("the same after an event, p50", 2.0, after["p50"]))
    return rows


def report(
    bundle: Path | None = None, *, events: int = 100_000, rate: int = 1_000, rounds: int = 100
) -> Report:
    """On a Redis and a Kafka of its own; without a bundle pages come from the fake engine."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(RedisServer(folder / "redis", options=TOLD))
        kafka = stack.enter_context(KafkaBroker(folder / "kafka"))
        rows = asyncio.run(measure(Place(folder, redis, kafka, bundle), events, rate, rounds))
    table = Table("what", "bound", "measured", "", "holds")
    for row in rows:
        holds = "yes" if row.holds else "no"
        table.add_row(row.what, f"{row.bound:g}", f"{row.measured:g}", row.unit, holds)
    found = {"rows": [asdict(row) for row in rows], "holds": all(row.holds for row in rows)}
    engine = "fake" if bundle is None else str(bundle)
    return Report({"freshness": {**found, "events": events, "engine": engine}}, table)
