"""What the engine itself costs a page: all time outside the trunk and the head.

    python benchmarks/engine.py

Ten rows of twenty, four entities autoregressive, prompts of 512 tokens, on the fake model. The
*floor* is the least that NumPy must do for the same choices (gather the allowed scores, take the
best or partition for the best few), timed on the same masks in the same run. The rules' mask is
built once a page, before the engine has it, and stands beside. Times are the thread's CPU time:
all of this computes and none of it waits, so a busy machine distorts it least.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from time import thread_time

import numpy as np
from rich.console import Console
from rich.table import Table

from genpage.catalog import Catalog
from genpage.context import Context
from genpage.entity import Entity
from genpage.grammar import PageGrammar
from genpage.request import PageRequest
from genpage.row import Row, Where
from genpage.rules import Rules
from genpage.trends import Trends
from runtime.arrays import FloatArray, IntArray
from runtime.chunk import Chunk
from runtime.engine import Engine
from runtime.fake import FakeBackend, FakeHead, FakeModel
from runtime.job import PageJob
from runtime.prefix import PrefixKey

CATALOGS = (1_500, 12_000)
BATCHES = (1, 8)
ROUNDS = 40
PROMPT = 512
REQUEST = PageRequest("member", 0.0, rows=10, entities_per_row=20)
RULES = Rules.default()
TARGET_MS = 3.0
GENRES = tuple(f"genre {n}" for n in range(25))


@dataclass(slots=True)
class Stopwatch:
    """Seconds spent inside the model."""

    spent: float = 0.0


class TimedBackend(FakeBackend):
    """The fake trunk, timed."""

    watch: Stopwatch

    def forward(self, chunks: Sequence[Chunk]) -> list[FloatArray]:
        """Time and run."""
        began = thread_time()
        states = super().forward(chunks)
        self.watch.spent += thread_time() - began
        return states


class TimedHead(FakeHead):
    """The fake head, timed."""

    watch: Stopwatch

    def scores(self, hidden: FloatArray) -> FloatArray:
        """Time and score."""
        began = thread_time()
        scores = super().scores(hidden)
        self.watch.spent += thread_time() - began
        return scores


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds a page over all rounds; on a shared machine the best is nearest the truth."""

    best: float
    median: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Spread":
        """From each round's seconds a page."""
        return cls(min(seconds) * 1000, median(seconds) * 1000)

    def __str__(self) -> str:
        return f"{self.best:.2f} ({self.median:.2f})"


@dataclass(frozen=True, slots=True)
class Result:
    """What a page took, by part."""

    entities: int
    batch: int
    mask: Spread
    floor: Spread
    policy: Spread
    model: Spread


def catalog_of(entities: int) -> Catalog:
    """A catalog of films with two genres each; a row a genre, a decade, and for everything."""
    chance = random.Random(entities)
    films = [
        Entity(
            f"e{n}",
            "film",
            f"Film {n}",
            genres=tuple(chance.sample(GENRES, 2)),
            year=chance.randint(1950, 2025),
        )
        for n in range(entities)
    ]
    rows = [Row(name, "genre", name, where=Where(genres_any=(name,))) for name in GENRES]
    rows += [
        Row(f"{year}s", "decade", f"{year}s", where=Where(year_from=year, year_to=year + 9))
        for year in range(1950, 2020, 10)
    ]
    rows += [Row(f"all {n}", "browse", f"Everything {n}") for n in range(8)]
    return Catalog.build(films, rows)


def measure(entities: int, batch: int) -> Result:
    """Decode `ROUNDS` rounds of ``batch`` pages at once."""
    catalog = catalog_of(entities)
    watch = Stopwatch()
    backend = TimedBackend(slots=batch)
    head = TimedHead(len(catalog.rows), entities)
    backend.watch = head.watch = watch
    model = replace(FakeModel.of(catalog), backend=backend, head=head)
    engine = Engine()
    grammars(catalog, 1)  # the catalog's columns are built once a snapshot
    mask, least, policy, inside = [], [], [], []
    for number in range(ROUNDS):
        began = thread_time()
        pages = grammars(catalog, batch)
        mask.append((thread_time() - began) / batch)
        least.append(floor(pages[0]))
        jobs = [job_of(model, page, number * batch + n) for n, page in enumerate(pages)]
        watch.spent = 0.0
        began = thread_time()
        for job in jobs:
            engine.submit(job)
        while engine.busy:
            engine.step()
        policy.append((thread_time() - began - watch.spent) / batch)
        inside.append(watch.spent / batch)
        assert all(len(page.rows) == REQUEST.rows for page in pages)
    return Result(entities, batch, *map(Spread.of, (mask, least, policy, inside)))


def grammars(catalog: Catalog, count: int) -> list[PageGrammar]:
    """The pages' rules, as the door builds them."""
    context, trends = Context("member"), Trends.none(catalog)
    return [PageGrammar.start(catalog, RULES, context, REQUEST, trends) for _ in range(count)]


def job_of(model: FakeModel, grammar: PageGrammar, number: int) -> PageJob:
    """A page of a member of its own."""
    prompt = np.arange(PROMPT, dtype=np.int32) + number
    key = PrefixKey(model.digest, f"member {number}")
    return PageJob(f"page {number}", key, model, prompt, grammar, REQUEST.rows)


def floor(grammar: PageGrammar) -> float:
    """Seconds for one page's choices by NumPy alone: no bookkeeping, no rules, no tokens."""
    scores = np.random.default_rng(0).standard_normal(len(grammar.catalog.entities), np.float32)
    masks: list[IntArray] = []
    for row in range(REQUEST.rows):
        twin = grammar.fork()
        twin.open_row(row)
        masks.append(twin.allowed_entities())
    began = thread_time()
    for allowed in masks:
        for _ in range(3):
            scores[allowed].argmax()
        values = scores[allowed]
        np.argsort(-values[np.argpartition(values, len(values) - 17)[-17:]])
    return thread_time() - began


def main() -> None:
    """Print the table, then one JSON line."""
    results = [measure(entities, batch) for entities in CATALOGS for batch in BATCHES]
    title = f"the engine's own time a 10 x 20 page: best (median) ms; target {TARGET_MS}"
    table = Table(title=title)
    for column in ("entities", "at once", "engine", "NumPy floor", "fake model", "rules' mask"):
        table.add_column(column, justify="right")
    for result in results:
        spreads = (result.policy, result.floor, result.model, result.mask)
        table.add_row(f"{result.entities:,}", str(result.batch), *map(str, spreads))
    Console(width=100).print(table)
    worst = max(result.policy.best for result in results)
    document = {
        "benchmark": "engine",
        "policy_ms": worst,
        "target_ms": TARGET_MS,
        "results": [asdict(result) for result in results],
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
