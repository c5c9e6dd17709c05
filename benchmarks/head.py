"""What a step's scores and choice cost, by how many titles there are and how many a member may see.

    genpage bench head [--width 768] [--largest 2000000] [--json]

The head alone, over made-up vectors: *head* scores one position, *choice* asks the page's grammar
for what an open row that takes everything may show and finds its best 17. The *floor* of a head is
the time in which NumPy reads as many bytes as are packed, on as many threads: small ones stand in
the processor's cache, large ones in memory. Sizes take turns, and medians of the rounds are told.

The *whole* head scores the catalog, *eligible* the tenth that a member may see. int8 vectors up to
two million; float32 ones of 200,000, whole and *screened*, and of two million screened alone.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from statistics import median

import numpy as np
from rich.table import Table

from benchmarks.report import Report
from genpage.audience import Audience
from genpage.catalog import Catalog
from genpage.eligibility import Viewer
from genpage.grammar import PageGrammar
from genpage.row import Row
from genpage.rules import Rules
from runtime.arrays import FloatArray, IntArray
from runtime.head import CatalogHead
from runtime.manifest import Precision
from runtime.screen import Screen
from runtime.selection import top
from runtime.sessions import SessionSettings

SIZES = (1_000, 20_000, 200_000, 2_000_000)
SHARE = 10
ROWS = 40
FILL = 17
POSITIONS = 5
SCREENED_FROM = 200_000
BOUND = 1.2
# What the bound compares: a tenth of the many are as many as all of the few.
_FEW_AND_MANY = (20_000, 200_000)
# Vectors are sums of one of so many and a shift, made when they are asked for.
_BASE = 20_000


class Vectors:
    """Output vectors (n, width) of as many tokens as are asked for; clustered, as real ones are."""

    def __init__(self, width: int) -> None:
        chance = np.random.default_rng(0)
        kinds = chance.standard_normal((200, width), np.float32)
        own = chance.standard_normal((_BASE, width), np.float32)
        self._base: FloatArray = kinds[chance.integers(0, 200, _BASE)] + np.float32(0.5) * own
        self._shifts = np.float32(0.3) * chance.standard_normal((200, width), np.float32)

    def __call__(self, tokens: IntArray) -> FloatArray:
        """The vectors of tokens (n,)."""
        found: FloatArray = self._base[tokens % _BASE] + self._shifts[tokens // _BASE]
        return found

    def hidden(self, count: int) -> FloatArray:
        """(count, width) states that are like one title each, as a trained model's are."""
        tokens = np.arange(100, 100 + 37 * count, 37, dtype=np.int32)
        chance = np.random.default_rng(1)
        noise = chance.standard_normal((count, self._base.shape[1]), np.float32)
        return self(tokens) + np.float32(0.5) * noise


@dataclass(frozen=True, slots=True)
class Line:
    """Of one size and head; milliseconds but for ``packed_mb``."""

    entities: int
    eligible: int
    precision: str
    by: str
    packed_mb: float
    head: float
    head_of_5: float
    choice: float
    step: float
    floor: float


class Stand:
    """A head, and a page whose open row may show all that it scores."""

    def __init__(
        self,
        entities: int,
        head: CatalogHead | Screen,
        audience: Audience,
        precision: Precision,
        by: str,
    ) -> None:
        self.entities, self.head, self.precision, self.by = entities, head, precision, by
        rows = [Row(f"r{n}", "browse", "Everything") for n in range(ROWS)]
        catalog = Catalog.build((), rows)
        self._grammar = PageGrammar(catalog, Rules.default(), audience.members, 20, audience)
        self._grammar.open_row(0)
        self.times: dict[str, list[float]] = {"head": [], "head_of_5": [], "choice": []}
        self.floors: list[float] = []

    @property
    def eligible(self) -> int:
        """How many titles it chooses among."""
        return len(self._grammar.allowed_entities())

    def choose(self, line: FloatArray) -> IntArray:
        """The fill of the open row."""
        places = self._grammar.allowed_places()
        allowed, columns = self._grammar.entities_at(places), ROWS + places
        if isinstance(self.head, Screen):
            few, values = self.head.refined(line, columns, None, FILL)
            return top(values, allowed[few], FILL)
        return top(line.take(columns), allowed, FILL)

    def turn(self, hidden: FloatArray, reading: Callable[[int], object] | None = None) -> None:
        """One round; the floor too, where something reads."""
        lines = self.head.scores(hidden[:1])
        self.times["head"].append(_ms(lambda: self.head.scores(hidden[:1])))
        self.times["head_of_5"].append(_ms(lambda: self.head.scores(hidden)))
        self.times["choice"].append(_ms(lambda: self.choose(lines[0])))
        if reading is not None:
            self.floors.append(_ms(lambda: reading(self.head.nbytes)))

    @property
    def step(self) -> float:
        """The median of a head's call and the choice behind it."""
        steps = zip(self.times["head"], self.times["choice"], strict=True)
        return median(sum(each) for each in steps)

    def line(self) -> Line:
        """The medians."""
        middle = {name: median(times) for name, times in self.times.items()}
        return Line(
            self.entities,
            self.eligible,
            self.precision,
            self.by,
            round(self.head.nbytes / 1e6, 1),
            **{name: round(each, 3) for name, each in middle.items()},
            step=round(self.step, 3),
            floor=round(median(self.floors), 3),
        )


def _ms(work: Callable[[], object]) -> float:
    """The better of two runs: what the others left in the cache is not counted."""
    times = []
    for _ in range(2):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times) * 1e3


def everything(entities: int) -> Audience:
    """A member who may see all, in every row."""
    return Audience(Viewer(None, None, None, None), *_full(entities))


def tenth(entities: int) -> Audience:
    """A member who may see one title of ten, here and there in the catalog."""
    shown = np.arange(3, entities, SHARE, dtype=np.int32)
    places = np.full(entities, len(shown), np.int32)
    places[shown] = np.arange(len(shown), dtype=np.int32)
    members, offered = _full(len(shown) + 1)
    members[:, -1] = offered[-1] = False
    return Audience(Viewer("BR", None, None, None), members, offered, shown, places)


def _full(columns: int) -> tuple[np.ndarray, np.ndarray]:
    return np.ones((ROWS, columns), np.bool_), np.ones(columns, np.bool_)


def stands(largest: int, vectors: Vectors, settings: SessionSettings) -> list[Stand]:
    """All that is measured."""
    found = []
    rows = np.arange(ROWS, dtype=np.int32)

    def head(tokens: IntArray, precision: Precision) -> CatalogHead:
        return CatalogHead(tokens, vectors, precision, settings)

    for size in (each for each in SIZES if each <= largest):
        audience, tokens = tenth(size), ROWS + np.arange(size, dtype=np.int32)
        assert audience.entities is not None
        whole = np.concatenate([rows, tokens])
        some = np.concatenate([rows, tokens[audience.entities]])
        found.append(Stand(size, head(whole, "int8"), everything(size), "int8", "whole"))
        found.append(Stand(size, head(some, "int8"), audience, "int8", "eligible"))
        if size >= SCREENED_FROM:
            screen = Screen(whole, ROWS, vectors, settings)
            if screen.again.agrees(settings):
                found.append(Stand(size, screen, everything(size), "fp32", "screened"))
        if size == SCREENED_FROM:
            found.append(Stand(size, head(whole, "fp32"), everything(size), "fp32", "whole"))
    return found


def ratio(*, width: int, threads: int, rounds: int) -> float:
    """A step at 200,000 titles of which a tenth is eligible, in one at 20,000 that all are.

    Of int8 vectors, the two in turns; nothing else is packed.
    """
    vectors, settings = Vectors(width), SessionSettings(threads)
    rows, few, many = np.arange(ROWS, dtype=np.int32), *_FEW_AND_MANY
    some = tenth(many)
    assert some.entities is not None

    def stand(size: int, entities: IntArray, audience: Audience, by: str) -> Stand:
        tokens = np.concatenate([rows, ROWS + entities])
        return Stand(size, CatalogHead(tokens, vectors, "int8", settings), audience, "int8", by)

    all_of_few = np.arange(few, dtype=np.int32)
    held = (
        stand(few, all_of_few, everything(few), "whole"),
        stand(many, some.entities, some, "eligible"),
    )
    hidden = vectors.hidden(POSITIONS)
    for _ in range(rounds):
        for each in held:
            each.turn(hidden)
    return round(held[1].step / held[0].step, 3)


class Reading:
    """Reads memory as fast as NumPy does, on some threads."""

    def __init__(self, most: int, threads: int) -> None:
        self._memory = np.ones(most // 8, np.int64)
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads)

    def __call__(self, count: int) -> None:
        """So many bytes."""
        part = max(1, count // 8 // self._threads)
        parts = [self._memory[n * part : (n + 1) * part] for n in range(self._threads)]
        list(self._pool.map(np.bitwise_or.reduce, parts))


def same_choices(held: list[Stand], hidden: FloatArray) -> bool:
    """Whether the screen chose what exact scores of everything choose."""
    alike = [each for each in held if each.precision == "fp32" and each.entities == SCREENED_FROM]
    chosen = [[each.choose(line) for line in each.head.scores(hidden)] for each in alike]
    return all(np.array_equal(chosen[0], other) for other in chosen[1:])


def report(*, width: int, largest: int, threads: int, rounds: int) -> Report:
    """Measure all sizes in turns."""
    vectors, settings = Vectors(width), SessionSettings(threads)
    held = stands(largest, vectors, settings)
    hidden = vectors.hidden(POSITIONS)
    exact = same_choices(held, hidden)
    reading = Reading(max(each.head.nbytes for each in held), threads)
    for _ in range(rounds):
        for each in held:
            each.turn(hidden, reading)
    lines = [each.line() for each in held]
    of = {(line.entities, line.by): line for line in lines if line.precision == "int8"}
    few, many = (of.get(each) for each in zip(_FEW_AND_MANY, ("whole", "eligible"), strict=True))
    times = None if few is None or many is None else round(many.step / few.step, 3)
    table = Table(title=f"ms a step, width {width}, {threads} threads")
    for column in ("entities", "eligible", "precision", "scored", "packed MB", "head", "of 5"):
        table.add_column(column, justify="right")
    for column in ("choice", "step", "floor"):
        table.add_column(column, justify="right")
    for line in lines:
        numbers = (line.head, line.head_of_5, line.choice, line.step, line.floor)
        table.add_row(
            f"{line.entities:,}",
            f"{line.eligible:,}",
            line.precision,
            line.by,
            f"{line.packed_mb:,}",
            *(f"{number:.2f}" for number in numbers),
        )
    if times is not None:
        table.caption = f"200,000 with 20,000 eligible in 20,000: {times} (bound {BOUND})"
    document: dict[str, object] = {
        "width": width,
        "threads": threads,
        "lines": [asdict(line) for line in lines],
        "ratio": times,
        "bound": BOUND,
        "holds": times is not None and times < BOUND,
        "screened_alike": exact,
    }
    return Report(document, table)
