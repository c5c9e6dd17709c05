"""What the engine itself costs a page: all time outside the trunk and the head.

    genpage bench engine [--json]

Ten rows of twenty, four entities autoregressive, prompts of 512 tokens. *engine* decodes with a
model that answers at once, so that all its time is the engine's, the grammar's included; *with the
fake* decodes on the fake model of the tests, as the API's own benchmark does. The *floor* is the
least that NumPy must do for the same choices (gather the allowed scores, take the best or
partition for the best few) on such masks in the same run. The rules' mask is built once a page,
before the engine has it, and stands beside.

Every round takes the same steps, so each step's best round is kept and summed: what a page costs
undisturbed, also on a busy machine. The median of whole rounds stands behind it, in brackets.
"""

import random
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from time import perf_counter

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from rich.table import Table

from benchmarks.report import Report
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
from runtime.fake import FakeModel
from runtime.foresight import Foresight
from runtime.job import PageJob, ServedModel
from runtime.prefix import PrefixKey

CATALOGS = (1_500, 12_000)
BATCHES = (1, 8)
ROUNDS = 40
PROMPT = 512
WINDOWS = 50_000
REQUEST = PageRequest("member", 0.0, rows=10, entities_per_row=20)
RULES = Rules.default()
TARGET_MS = 3.0
GENRES = tuple(f"genre {n}" for n in range(25))


class InstantBackend:
    """A trunk that answers at once, always the same."""

    capacity = 2048
    token_bytes = 1

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._state = np.zeros((1, 1), np.float32)

    def drop(self, slot: int) -> None:
        """It holds nothing."""

    def forward(self, chunks: Sequence[Chunk]) -> list[FloatArray]:
        """One state a chunk."""
        return [self._state for _ in chunks]


class InstantHead:
    """A head that answers at once, with other scores each time."""

    def __init__(self, width: int) -> None:
        table = np.random.default_rng(0).standard_normal(width + WINDOWS, np.float32)
        self._windows = sliding_window_view(table, width)
        self._calls = 0

    def scores(self, hidden: FloatArray) -> FloatArray:
        """The next window's scores for every state: a view, nothing is computed."""
        self._calls += 1
        first = 37 * self._calls % (WINDOWS - len(hidden))
        scores: FloatArray = self._windows[first : first + len(hidden)]
        return scores


@dataclass(frozen=True, slots=True, eq=False)
class InstantModel:
    """A `ServedModel` that costs nothing."""

    backend: InstantBackend
    head: InstantHead
    row_tokens: IntArray
    entity_tokens: IntArray
    digest: str = "instant"
    serialised: int | None = None
    foresight: Foresight | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds a page: every step's best round summed, and the median of whole rounds."""

    best: float
    median: float

    @classmethod
    def of(cls, rounds: Sequence[Sequence[float]], batch: int) -> "Spread":
        """From the seconds of each round's steps, each for ``batch`` pages."""
        seconds = np.array(rounds)  # (round, step)
        scale = 1000 / batch
        return cls(
            float(seconds.min(axis=0).sum() * scale), float(np.median(seconds.sum(axis=1)) * scale)
        )

    def __str__(self) -> str:
        return f"{self.best:.2f} ({self.median:.2f})"


@dataclass(frozen=True, slots=True)
class Result:
    """What a page took, by part."""

    entities: int
    batch: int
    engine: Spread
    floor: Spread
    with_fake: Spread
    mask: Spread


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
    """Decode `ROUNDS` rounds of ``batch`` pages at once, on either model in turn."""
    catalog = catalog_of(entities)
    fake = FakeModel.of(catalog, slots=batch)
    head = InstantHead(len(catalog.rows) + entities)
    instant = InstantModel(InstantBackend(batch), head, fake.row_tokens, fake.entity_tokens)
    grammars(catalog, 1)  # the catalog's columns are built once a snapshot
    engine = Engine()
    own, least, whole, mask = [], [], [], []
    for number in range(ROUNDS):
        began = perf_counter()
        pages = grammars(catalog, batch)
        mask.append([perf_counter() - began])
        least.append(floor(pages[0]))
        own.append(decode(engine, instant, pages, number))
        whole.append(decode(engine, fake, grammars(catalog, batch), number))
    return Result(
        entities,
        batch,
        engine=Spread.of(own, batch),
        floor=Spread.of(least, 1),
        with_fake=Spread.of(whole, batch),
        mask=Spread.of(mask, batch),
    )


def decode(
    engine: Engine, model: ServedModel, pages: Sequence[PageGrammar], number: int
) -> list[float]:
    """Decode these pages at once; the seconds of each step, submission in the first."""
    jobs = [job_of(model, page, number * len(pages) + n) for n, page in enumerate(pages)]
    seconds = []
    began = perf_counter()
    for job in jobs:
        engine.submit(job)
    while engine.busy:
        engine.step()
        ended = perf_counter()
        seconds.append(ended - began)
        began = ended
    if any(len(page.rows) != REQUEST.rows for page in pages):
        raise SystemExit(f"a page has not {REQUEST.rows} rows; its times would say nothing")
    return seconds


def grammars(catalog: Catalog, count: int) -> list[PageGrammar]:
    """The pages' rules, as the door builds them."""
    context, trends = Context("member"), Trends.none(catalog)
    return [PageGrammar.start(catalog, RULES, context, REQUEST, trends) for _ in range(count)]


def job_of(model: ServedModel, grammar: PageGrammar, number: int) -> PageJob:
    """A page of a member of its own."""
    prompt = np.arange(PROMPT, dtype=np.int32) + number
    key = PrefixKey(model.digest, f"member {number}")
    return PageJob(f"page {number}", key, model, prompt, grammar, REQUEST.rows)


def floor(grammar: PageGrammar) -> list[float]:
    """One page's choices by NumPy alone: no bookkeeping, no rules, no tokens; seconds a row."""
    scores = np.random.default_rng(0).standard_normal(len(grammar.catalog.entities), np.float32)
    seconds = []
    for row in range(REQUEST.rows):
        twin = deepcopy(grammar, {id(grammar.catalog): grammar.catalog})
        twin.open_row(row)
        allowed = twin.allowed_entities()
        began = perf_counter()
        for _ in range(3):
            scores[allowed].argmax()
        values = scores[allowed]
        np.argsort(-values[np.argpartition(values, len(values) - 17)[-17:]])
        seconds.append(perf_counter() - began)
    return seconds


def report() -> Report:
    """Measure every catalog and batch."""
    results = [measure(entities, batch) for entities in CATALOGS for batch in BATCHES]
    title = f"the engine's own time a 10 x 20 page: best (median) ms; target {TARGET_MS}"
    table = Table(title=title)
    for column in ("entities", "at once", "engine", "NumPy floor", "with the fake", "rules' mask"):
        table.add_column(column, justify="right")
    for result in results:
        spreads = (result.engine, result.floor, result.with_fake, result.mask)
        table.add_row(f"{result.entities:,}", str(result.batch), *map(str, spreads))
    document: dict[str, object] = {
        "engine_ms": max(result.engine.best for result in results),
        "target_ms": TARGET_MS,
        "results": [asdict(result) for result in results],
    }
    return Report(document, table)
