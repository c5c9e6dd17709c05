"""What the event log guarantees, and what that costs: whole lists, partitions that move.

*Lists*: what posting one takes in a transaction, beside the same messages without. *Rebalances*:
events are published one by one while a second replica joins and leaves; the longest time from an
acknowledgement to the store, beside that of a group at rest. Ceilings of the same run, not bounds.
"""

import asyncio
import logging
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import structlog
from rich.table import Table

from benchmarks.report import Report
from deploy.services import KafkaBroker
from genpage.errors import UnavailableError
from genpage.event import Event
from streaming.broker import Broker
from streaming.event_log import EventLog
from streaming.memory import MemoryContextStore
from streaming.messages import Message, of_event
from streaming.producer import Producer

LOG = structlog.wrap_logger(
    structlog.ReturnLogger(), wrapper_class=structlog.make_filtering_bound_logger(50)
)
# Lists posted at once, and events of each: clients that send what they gathered.
CLIENTS, LIST = 16, 20
MEMBERS = 50
PAUSE_S = 0.005
AROUND_S = 1.0


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
    """An event of one of some members."""
    return Event(uuid.uuid4().hex, f"member-{number % MEMBERS}", "film-1", "play", 1.0)


def log_of(bootstrap: str, group: str, store: MemoryContextStore) -> EventLog:
    """A replica's log."""

    async def forget(user_id: str, at: float | None) -> None:
        await store.erase(user_id, at)

    async def epoch() -> str:
        return "benchmark"

    return EventLog(Broker(bootstrap, group), store, None, LOG, forget=forget, epoch=epoch)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another replica brings about."""
    while not condition():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.01)


async def lists(bootstrap: str, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of a list posted alone, and events a second of many at once."""
    found = {}
    async with Producer(Broker(bootstrap), LOG) as producer:
        await producer.until_up()
        ready = False
        while not ready:
            await asyncio.sleep(0.05)
            with suppress(UnavailableError):
                await producer.send_whole([of_event(event(0))])
                ready = True
        for name, send in (("apart", producer.send), ("whole", producer.send_whole)):
            found[name] = await _lists(send, rounds)
    return found


async def _lists(
    send: Callable[[Sequence[Message]], Awaitable[None]], rounds: int
) -> dict[str, float]:
    times = []
    for _ in range(rounds):
        messages = [of_event(event(number)) for number in range(LIST)]
        begun = time.perf_counter()
        await send(messages)
        times.append((time.perf_counter() - begun) * 1000)

    async def client() -> None:
        for _ in range(rounds // 4):
            await send([of_event(event(number)) for number in range(LIST)])

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(client())
    rate = CLIENTS * (rounds // 4) * LIST / (time.perf_counter() - begun)
    times.sort()
    cuts = (times[len(times) // 2], times[int(len(times) * 0.99)])
    return {"p50_ms": round(cuts[0], 1), "p99_ms": round(cuts[1], 1), "events_per_s": round(rate)}


async def rebalances(bootstrap: str, rounds: int) -> dict[str, float]:
    """The longest milliseconds from acknowledged to applied: at rest, at a join, at a leave."""
    group, store = uuid.uuid4().hex, Watched()
    acknowledged: dict[str, float] = {}
    longest = {"rest": 0.0, "join": 0.0, "leave": 0.0}

    def note(what: str, since: float) -> None:
        waits = [
            store.at[i] - at for i, at in acknowledged.items() if at >= since and i in store.at
        ]
        longest[what] = max(longest[what], round(max(waits) * 1000, 1))

    async with log_of(bootstrap, group, store) as one:
        await until(lambda: one.state == "ok" and not one.stale)

        async def publish() -> None:
            while True:
                sent = event(len(acknowledged))
                await one.sink.publish([sent])
                acknowledged[sent.event_id] = time.perf_counter()
                await asyncio.sleep(PAUSE_S)

        publishing = asyncio.create_task(publish())
        for _ in range(rounds):
            begun = time.perf_counter()
            await asyncio.sleep(2 * AROUND_S)
            note("rest", begun)
            begun = time.perf_counter()
            async with log_of(bootstrap, group, store) as two:
                await until(lambda: len(one.consumer.partitions) == len(two.consumer.partitions))
                await until(lambda: not one.stale and not two.stale)
                await asyncio.sleep(AROUND_S)
                note("join", begun)
                begun = time.perf_counter()
            await until(lambda: one.consumer.partitions == one.consumer.every_partition)
            await until(lambda: not one.stale)
            await asyncio.sleep(AROUND_S)
            note("leave", begun)
        publishing.cancel()
        await asyncio.wait([publishing])
    return longest


async def measure(
    bootstrap: str, rounds: int
) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Both."""
    return await lists(bootstrap, rounds), await rebalances(bootstrap, max(1, rounds // 40))


def report(*, rounds: int = 160) -> Report:
    """On a broker of its own."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder, KafkaBroker(Path(folder)) as broker:
        posted, moved = asyncio.run(measure(broker.bootstrap, rounds))
    table = Table("what", "figure")
    for name, figures in posted.items():
        for figure, value in figures.items():
            table.add_row(f"a list of {LIST} events, {name}: {figure}", f"{value:g}")
    for name, value in moved.items():
        table.add_row(f"longest from acknowledged to applied, {name}", f"{value:g} ms")
    document = {"lists": posted, "rebalances_longest_ms": moved, "list": LIST, "clients": CLIENTS}
    return Report({"log": document}, table)
