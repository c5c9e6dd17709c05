"""What Redis costs a page and an event, beside the least that a round trip costs.

Reading a member with 512 events and the encoded prompt, cold (decoded) and unchanged since the last
read; applying events of many members with full histories; the values' encoding alone, beside one
pass of orjson over the same bytes. Starts its own Redis, or takes ``--redis-url``. Prints a table,
then one JSON document.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import numpy as np
import orjson
from rich.console import Console
from rich.table import Table

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

ROUNDS = 1_000
MEMBERS = 500
BATCH = 500
HISTORIES = (10, 50, HISTORY_LIMIT)
VOCABULARY = "v" * 64


def event(user_id: str, number: int) -> Event:
    """An event as a page's row sends it."""
    action = ACTIONS[number % len(ACTIONS)]
    identity = f"{user_id}-{number:08x}-4c1b-9f6e-0242ac120002"
    page = "0123456789abcdef0123456789abcdef"
    return Event(
        identity, user_id, f"film-{number}", action, 1.7e9 + number, 61.5, page, "r1", 0, 3
    )


def summary(times: Sequence[float]) -> dict[str, float]:
    """Milliseconds."""
    cut = statistics.quantiles(times, n=100)
    return {"p50": cut[49] * 1e3, "p95": cut[94] * 1e3, "p99": cut[98] * 1e3, "n": len(times)}


async def timed(work: Callable[[], Awaitable[object]]) -> dict[str, float]:
    """One call after the other."""
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        await work()
        times.append(time.perf_counter() - begun)
    return summary(times)


def coded(context: Context) -> dict[str, dict[str, float]]:
    """The value of a full history, in and out."""
    value = context_value.encode(context)
    lines = b"[" + value.partition(b"\n")[2].replace(b"\n", b",") + b"]"
    works: dict[str, Callable[[], object]] = {
        "decode": lambda: context_value.decode(value, context.user_id),
        "encode": lambda: context_value.encode(context),
        "orjson.loads alone": lambda: orjson.loads(lines),
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


async def applied(store: RedisContextStore, history: int) -> dict[str, float]:
    """Events a second, in batches as a consumer has them, each of another member.

    The members have ``history`` events before.
    """
    users = [f"busy{n}-{history}" for n in range(MEMBERS)]
    for user_id in users:
        await store.apply([event(user_id, n) for n in range(history)])
    rounds = 20
    batches = [
        [event(users[n % MEMBERS], history + r) for n in range(BATCH)] for r in range(rounds)
    ]
    begun = time.perf_counter()
    for batch in batches:
        await store.apply(batch)
    took = time.perf_counter() - begun
    return {"events_per_s": BATCH * rounds / took, "batch_ms": took / rounds * 1e3}


async def measure(url: str) -> dict[str, dict[str, float]]:
    """Everything, over one client."""
    context = Context("ada")
    for n in range(HISTORY_LIMIT):
        context = apply_event(context, event("ada", n))
    tokens = np.arange(512, dtype=np.int32)
    async with RedisClient(url) as client:
        recent = Recent()
        store, cache = RedisContextStore(client, recent), RedisPromptCache(client)
        members = RedisMembers(client, store, recent)
        await store.apply(context.events)
        await cache.put("ada", VOCABULARY, CachedHistory("1" * 16, 0.0, tokens[:8], tokens))

        async def cold() -> None:
            recent.forget("ada")
            await members.read("ada", VOCABULARY)

        numbers = iter(range(HISTORY_LIMIT, 10 * ROUNDS))

        async def after() -> float:
            await store.apply([event("ada", next(numbers))])
            begun = time.perf_counter()
            await members.read("ada", VOCABULARY)
            return time.perf_counter() - begun

        async def one() -> None:
            await store.apply([event(f"new{time.perf_counter_ns()}", 1)])

        return {
            "PING": await timed(lambda: client.call(lambda redis: redis.ping())),
            "page's read, unchanged": await timed(lambda: members.read("ada", VOCABULARY)),
            "page's read, decoded": await timed(cold),
            "page's read, after an event": summary([await after() for _ in range(ROUNDS)]),
            "one event": await timed(one),
            **coded(context),
            **{f"apply {n}": await applied(store, n) for n in HISTORIES},
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--redis-url", help="in place of a Redis of its own")
    url = parser.parse_args().redis_url
    if url is not None:
        found = asyncio.run(measure(url))
    else:
        with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as server:
            found = asyncio.run(measure(server.url))
    table = Table("what", "p50 ms", "p95 ms", "p99 ms")
    for name, times in found.items():
        if "p50" in times:
            table.add_row(name, *(f"{times[cut]:.3f}" for cut in ("p50", "p95", "p99")))
    Console().print(table)
    for history in HISTORIES:
        rate = found[f"apply {history}"]["events_per_s"]
        print(f"{rate:.0f} events/s into histories of {history}, {BATCH} members in a batch")
    print(json.dumps({"context_store": found}))


if __name__ == "__main__":
    main()
