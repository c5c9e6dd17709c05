"""What Redis costs a page and an event, beside the least that a round trip costs.

Reading a member with 512 events and the encoded prompt: never read (decoded), unchanged since the
last read, and after an event; applying events of many members with histories of several lengths;
the values' encoding alone, beside one pass of orjson over the same bytes.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import orjson
from rich.table import Table

from benchmarks.report import Report
from deploy.services import RedisServer
from genpage.context import HISTORY_LIMIT, Context, apply_event
from genpage.event import ACTIONS, Event
from streaming import context_value
from streaming.ports import CachedHistory
from streaming.recent import Recent
from streaming.redis_client import RedisClient
from streaming.redis_context import RedisContextStore
from streaming.redis_members import RedisMembers
from streaming.redis_prompts import RedisPromptCache
from streaming.redis_url import Waiting

ROUNDS = 500
MEMBERS = 500
BATCH = 250
HISTORIES = (10, 50, HISTORY_LIMIT)
VOCABULARY = "v" * 64
TITLES = {f"film-{n}": 600 + n for n in range(3_000)}
Summary = dict[str, float]
# A busy machine is measured, not given up.
PATIENT = Waiting(connect_s=5.0, command_s=5.0)


def event(user_id: str, number: int) -> Event:
    """An event as a page's row sends it."""
    action = ACTIONS[number % len(ACTIONS)]
    identity = f"{user_id}-{number:08x}-4c1b-9f6e-0242ac120002"
    page = "0123456789abcdef0123456789abcdef"
    return Event(
        identity, user_id, f"film-{number}", action, 1.7e9 + number, 61.5, page, "r1", 0, 3
    )


def summary(seconds: Sequence[float]) -> Summary:
    """Milliseconds."""
    cut = statistics.quantiles(seconds, n=100)
    return {"p50": cut[49] * 1e3, "p95": cut[94] * 1e3, "p99": cut[98] * 1e3, "n": len(seconds)}


async def timed(work: Callable[[], Awaitable[object]]) -> Summary:
    """One call after the other."""
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        await work()
        times.append(time.perf_counter() - begun)
    return summary(times)


def coded(context: Context) -> dict[str, Summary]:
    """The value of a full history, in and out."""
    value = context_value.encode(context)
    lines = b"[" + b",".join(value[value.index(b"\n[") : value.rindex(b"]") + 1].split(b"\n")[1:])
    works: dict[str, Callable[[], object]] = {
        "decode": lambda: context_value.decode(value, context.user_id),
        "encode": lambda: context_value.encode(context),
        "orjson.loads alone": lambda: orjson.loads(lines + b"]"),
    }
    found = {}
    for name, work in works.items():
        times = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            work()
            times.append(time.perf_counter() - begun)
        found[name] = summary(times)
    return found


async def reads(client: RedisClient) -> dict[str, Summary]:
    """A page's read of a member with a full history, and how many commands it takes."""
    recent = Recent()
    store = RedisContextStore(client, recent, vocabularies=lambda: {VOCABULARY: TITLES})
    cache, members = RedisPromptCache(client), RedisMembers(client, store, recent)
    tokens = np.arange(512, dtype=np.int32)
    await store.apply([event("ada", number) for number in range(HISTORY_LIMIT)])
    await cache.put("ada", VOCABULARY, CachedHistory("1" * 15, 0.0, tokens[:8], tokens))

    async def cold() -> None:
        recent.forget("ada")
        await members.read("ada", VOCABULARY)

    numbers = iter(range(HISTORY_LIMIT, 100 * ROUNDS))

    async def after() -> float:
        await store.apply([event("ada", next(numbers))])
        begun = time.perf_counter()
        await members.read("ada", VOCABULARY)
        return time.perf_counter() - begun

    async def commands() -> int:
        stats = await client.call(lambda redis: redis.info("commandstats"))
        return sum(each["calls"] for name, each in stats.items() if "get" in name)

    before = await commands()
    unchanged = await timed(lambda: members.read("ada", VOCABULARY))
    unchanged["round_trips"] = (await commands() - before) / ROUNDS
    return {
        "PING": await timed(lambda: client.call(lambda redis: redis.ping())),
        "page's read, unchanged": unchanged,
        "page's read, after an event": summary([await after() for _ in range(ROUNDS)]),
        "page's read, decoded": await timed(cold),
    }


async def applied(client: RedisClient, history: int) -> float:
    """Events a second, in batches as a consumer has them, each of another member.

    The members have ``history`` events before.
    """
    store = RedisContextStore(client, Recent(), vocabularies=lambda: {VOCABULARY: TITLES})
    users = [f"busy{n}-{history}" for n in range(MEMBERS)]
    for user_id in users:
        await store.apply([event(user_id, n) for n in range(history)])
    rounds = 40
    batches = [
        [event(users[(r * BATCH + n) % MEMBERS], history + r) for n in range(BATCH)]
        for r in range(rounds)
    ]
    begun = time.perf_counter()
    for batch in batches:
        await store.apply(batch)
    return BATCH * rounds / (time.perf_counter() - begun)


async def measure(url: str) -> tuple[dict[str, Summary], dict[str, float]]:
    """Milliseconds by what was done, and events a second by length of the histories."""
    context = Context("ada")
    for n in range(HISTORY_LIMIT):
        context = apply_event(context, event("ada", n))
    async with RedisClient(url, waiting=PATIENT) as client:
        store = RedisContextStore(client, Recent())

        async def one() -> None:
            await store.apply([event(f"new{time.perf_counter_ns()}", 1)])

        times = {**await reads(client), "one event": await timed(one), **coded(context)}
        return times, {str(history): await applied(client, history) for history in HISTORIES}


def report(redis_url: str | None = None) -> Report:
    """On a Redis of its own, or the one given, to which it writes."""
    with ExitStack() as stack:
        if redis_url is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            redis_url = stack.enter_context(RedisServer(folder)).url
        times, rates = asyncio.run(measure(redis_url))
    table = Table("what", "p50 ms", "p95 ms", "p99 ms")
    for name, cuts in times.items():
        table.add_row(name, *(f"{cuts[cut]:.3f}" for cut in ("p50", "p95", "p99")))
    for history, rate in rates.items():
        table.add_row(f"events/s into histories of {history}, {BATCH} a call", f"{rate:.0f}")
    document: dict[str, object] = {"milliseconds": times, "events_per_s": rates}
    return Report({"context_store": document}, table)
