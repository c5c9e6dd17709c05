"""How long a prompt takes to encode, beside the least that any encoder must do.

The floor looks up each raw event's title and makes the array of the prompt's length; nothing in
plain Python can do less.

    genpage bench prompts [--json]
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
from rich.table import Table

from benchmarks.report import Report
from genpage.context import Context
from genpage.event import ACTIONS, Event
from genpage.injection import Injection
from genpage.profile import Profile
from genpage.request import PageRequest
from tokenizer.history import Histories
from tokenizer.prompt import PromptEncoder
from tokenizer.vocabulary import Item, Vocabulary

ENTITIES = 20_000
LENGTHS = (0, 50, 128, 500)
ROUNDS = 300
NOON = 1_375_358_400.0


def member(count: int) -> Context:
    """A member with ``count`` seeded events in sittings."""
    generator = np.random.default_rng(count)
    times = NOON - np.cumsum(generator.exponential(40_000.0, count))[::-1]
    events = (
        Event(
            f"v{n}",
            "u",
            f"e{generator.integers(ENTITIES)}",
            ACTIONS[int(generator.integers(len(ACTIONS)))],
            float(ts),
            float(generator.uniform(0, 9_000)),
        )
        for n, ts in enumerate(times)
    )
    return Context("u", Profile("u", "en", country="US"), tuple(events))


def median_ms(work: Callable[[], object]) -> float:
    """The median of many runs, in milliseconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def measure(encoder: PromptEncoder, count: int) -> dict[str, float]:
    """The medians for a member with ``count`` events."""
    context, request = member(count), PageRequest("u", NOON, device="tv")
    titles = tuple(f"e{n}" for n in range(8))
    injection = Injection(titles, (), titles)
    tokens = encoder.encode(context, request, injection).tokens.tolist()
    raw = context.events[encoder.window.start(count) :]
    lookup = encoder.vocabulary.entity_tokens
    events = context.events
    histories = Histories.of(
        encoder.vocabulary,
        ["u"] * count,
        [event.entity_id for event in events],
        [event.action for event in events],
        [event.ts for event in events],
        [event.duration_s for event in events],
    )

    def floor() -> None:
        for event in raw:
            lookup.get(event.entity_id)
        np.array(tokens, np.int32)

    def columns() -> None:
        histories.prompt(
            encoder,
            histories.member("u"),
            count,
            at=NOON,
            device="tv",
            profile=context.profile,
            injection=injection,
        )

    return {
        "events": count,
        "tokens": len(tokens),
        "request_ms": median_ms(lambda: encoder.encode(context, request, injection)),
        "columns_ms": median_ms(columns),
        "floor_ms": median_ms(floor),
    }


def report() -> Report:
    """Measure every length."""
    vocabulary = Vocabulary(tuple(Item("entity", f"e{n}", "film") for n in range(ENTITIES)))
    encoder = PromptEncoder(vocabulary)
    results = [measure(encoder, count) for count in LENGTHS]
    table = Table("events", "tokens", "request ms", "columns ms", "floor ms", "request / floor")
    for found in results:
        table.add_row(
            f"{found['events']:.0f}",
            f"{found['tokens']:.0f}",
            f"{found['request_ms']:.3f}",
            f"{found['columns_ms']:.3f}",
            f"{found['floor_ms']:.3f}",
            f"{found['request_ms'] / found['floor_ms']:.1f}",
        )
    return Report({"prompts": results}, table)
