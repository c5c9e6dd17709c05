"""How fast the event log is caught up with, and how soon an event is applied, on a real broker.

    PYTHONPATH=scripts python benchmarks/event_log.py [--events 100000] [--rate 1000] [--json]

Starts a broker of its own. *Catching up*: events of 5,000 members lie on the log, and a new group
applies them to the store in memory; beside it stands the ceiling, a plain client of the same
library that reads them and does nothing. *Freshness*: events are published one by one at a rate;
the time runs from the acknowledgement to the context that has it (0 where that was sooner).
"""

import argparse
import asyncio
import json
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog
from aiokafka import AIOKafkaConsumer
from rich.console import Console
from rich.table import Table

from deploy.services import KafkaBroker
from genpage.event import Event
from streaming.broker import Broker
from streaming.event_log import EventLog
from streaming.memory import MemoryContextStore
from streaming.messages import of_event
from streaming.producer import Producer

MEMBERS = 5_000
BOUND = 10_000
LOG = structlog.wrap_logger(
    structlog.ReturnLogger(), wrapper_class=structlog.make_filtering_bound_logger(50)
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured: events a second, and milliseconds."""

    events: int
    catching_up_per_s: float
    reading_alone_per_s: float
    bound_per_s: int
    rate_per_s: int
    applied_p50_ms: float
    applied_p99_ms: float


class Watched(MemoryContextStore):
    """Notes when each event was applied."""

    def __init__(self) -> None:
        super().__init__()
        self.at: dict[str, float] = {}

    async def apply(self, events: Sequence[Event]) -> Sequence[Event]:
        """Apply and note."""
        changed = await super().apply(events)
        now = time.perf_counter()
        self.at.update((event.event_id, now) for event in changed)
        return changed


def event(number: int) -> Event:
    """An event as a client would send it."""
    user = f"member-{number * 7919 % MEMBERS}"
    return Event(uuid.uuid4().hex, user, f"film-{number % 3000}", "play", float(number), 1800.0)


def log_of(bootstrap: str, store: MemoryContextStore) -> EventLog:
    """A log read by a group of its own."""

    async def forget(user_id: str, at: float | None) -> None:
        await store.erase(user_id, at)

    return EventLog(Broker(bootstrap, uuid.uuid4().hex), store, None, LOG, forget=forget)


async def write(bootstrap: str, events: int) -> None:
    """Put events on the log."""
    async with Producer(Broker(bootstrap), LOG) as producer:
        await producer.until_up()
        for begin in range(0, events, 1_000):
            batch = [of_event(event(number)) for number in range(begin, begin + 1_000)]
            await producer.send(batch, within_s=30.0)


async def read_alone(bootstrap: str, events: int) -> float:
    """Events a second of a client that does nothing with them."""
    async with AIOKafkaConsumer(
        "genpage.events",
        bootstrap_servers=bootstrap,
        group_id=uuid.uuid4().hex,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    ) as consumer:
        begun, read = time.perf_counter(), 0
        while read < events:
            read += sum(len(each) for each in (await consumer.getmany(timeout_ms=200)).values())
        return events / (time.perf_counter() - begun)


async def catch_up(bootstrap: str, events: int) -> float:
    """Events a second from the assignment to the last one applied."""
    async with log_of(bootstrap, MemoryContextStore()) as log:
        while log.state != "ok":  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0)
        begun = time.perf_counter()
        while log.consumer.tally.applied < events:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.005)
        return events / (time.perf_counter() - begun)


async def freshness(bootstrap: str, rate: int, seconds: float = 10.0) -> list[float]:
    """Milliseconds from the acknowledgement to the store, sorted."""
    store, waits = Watched(), []
    async with log_of(bootstrap, store) as log:
        while sum(log.consumer.lag.values()) or log.consumer.tally.applied == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        acknowledged: dict[str, float] = {}

        async def publish(one: Event) -> None:
            await log.sink.publish([one])
            acknowledged[one.event_id] = time.perf_counter()

        begun, count = time.perf_counter(), int(rate * seconds)
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(publish(event(10_000_000 + number)))
                await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        while not acknowledged.keys() <= store.at.keys():  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.01)
        waits = [max(0.0, store.at[name] - at) * 1000 for name, at in acknowledged.items()]
    return sorted(waits)


async def measure(events: int, rate: int) -> Figures:
    """All of it, on a broker of its own."""
    with tempfile.TemporaryDirectory() as folder, KafkaBroker(Path(folder)) as broker:
        await write(broker.bootstrap, events)
        alone = await read_alone(broker.bootstrap, events)
        applied = await catch_up(broker.bootstrap, events)
        waits = await freshness(broker.bootstrap, rate)
        p50, p99 = (waits[int(len(waits) * share)] for share in (0.5, 0.99))
        return Figures(
            events, round(applied), round(alone), BOUND, rate, round(p50, 2), round(p99, 2)
        )


def main() -> None:
    """Measure, print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--json", action="store_true", help="the document alone")
    asked = parser.parse_args()
    figures = asdict(asyncio.run(measure(asked.events, asked.rate)))
    if not asked.json:
        table = Table("what", "figure")
        for name, value in figures.items():
            table.add_row(name, str(value))
        Console().print(table)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
