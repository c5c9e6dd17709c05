"""Pages to decode with the fake model: seeded requests over a catalog, and one plain library."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from naive_decoder import decode_naively
from strategies import random_context, random_request, random_trends

from genpage.audit import Violation, violations
from genpage.catalog import Catalog
from genpage.context import Context
from genpage.entity import Entity
from genpage.grammar import DecodedRow, PageGrammar
from genpage.page import Page, PageRow
from genpage.request import PageRequest
from genpage.row import Row
from genpage.rules import Rules
from genpage.trends import Trends
from runtime.arrays import IntArray
from runtime.fake import FakeModel
from runtime.job import PageJob
from runtime.output import Output, PageFailed, PageFinished, RowDecoded
from runtime.prefix import PrefixKey

RULES = Rules.default()


def library(entities: int = 600, rows: int = 30, pinned: int = 0) -> Catalog:
    """Films for everybody and rows that take any of them.

    With ``pinned``, the first row stands at the top of the page and lists only that many.
    """
    films = [Entity(f"e{n}", "film", f"Film {n}") for n in range(entities)]
    shelves = [Row(f"r{n}", "browse", f"Row {n}") for n in range(rows)]
    if pinned:
        listed = tuple(f"e{n}" for n in range(pinned))
        shelves[0] = Row("r0", "editorial", "Chosen", entity_ids=listed, pinned_position=0)
    return Catalog.build(films, shelves)


@dataclass(frozen=True, slots=True)
class Plan:
    """One page to decode; `job` may be taken any number of times, each from the page's start."""

    catalog: Catalog
    request: PageRequest
    context: Context = field(default_factory=lambda: Context("member"))
    prompt: tuple[int, ...] = (1, 2, 3, 4, 5)
    member: str = "member"
    autoregressive: int = 4
    trends: Trends | None = None

    def grammar(self) -> PageGrammar:
        """The page's state at its start."""
        return PageGrammar.start(self.catalog, RULES, self.context, self.request, self._trends())

    def job(
        self,
        model: FakeModel,
        page_id: str = "page",
        *,
        shown: Iterable[DecodedRow] = (),
        prompt: IntArray | None = None,
        prompt_rows: int = 0,
        deadline: float | None = None,
    ) -> PageJob:
        """A job for this page, taken up behind the rows ``shown``."""
        grammar = self.grammar()
        grammar.replay(shown)
        return PageJob(
            page_id=page_id,
            key=PrefixKey(model.digest, self.member),
            model=model,
            prompt=np.array(self.prompt, np.int32) if prompt is None else prompt,
            grammar=grammar,
            rows=self.request.rows,
            autoregressive=self.autoregressive,
            temperature=self.request.temperature,
            seed=self.request.seed,
            deadline=deadline,
            prompt_rows=prompt_rows,
        )

    def naive(self, model: FakeModel) -> tuple[DecodedRow, ...]:
        """The rows that the slow twin decodes."""
        return decode_naively(
            model,
            np.array(self.prompt, np.int32),
            self.grammar(),
            self.request.rows,
            autoregressive=self.autoregressive,
            temperature=self.request.temperature,
            seed=self.request.seed,
        )

    def broken(self, rows: Iterable[DecodedRow]) -> list[Violation]:
        """The rules that these rows break, by the audit."""
        page = Page(
            tuple(
                PageRow(
                    self.catalog.rows[row.row].id,
                    tuple(self.catalog.entities[entity].id for entity in row.entities),
                )
                for row in rows
            )
        )
        return violations(page, self.catalog, RULES, self.context, self.request, self._trends())

    def _trends(self) -> Trends:
        return self.trends or Trends.none(self.catalog)


def plan(
    catalog: Catalog, rows: int = 10, entities_per_row: int = 20, autoregressive: int = 4
) -> Plan:
    """A plain page over a catalog."""
    request = PageRequest("member", 0.0, rows=rows, entities_per_row=entities_per_row)
    return Plan(catalog, request, autoregressive=autoregressive)


def of_member(member: str, page: Plan) -> Plan:
    """The same page for another member."""
    return replace(page, member=member)


# How many entities of a row a model may have in its sequence; None: all.
SERIALISED = (None, 1, 2, 3, 5)


def random_plan(chance: random.Random, catalog: Catalog) -> Plan:
    """Any page: few members, whose prompts share prefixes, under every kind of request."""
    member = f"m{chance.randrange(3)}"
    history = random.Random(member)
    own = [history.randrange(500) for _ in range(20)]
    prompt = own[: chance.randint(1, 20)] + [chance.randrange(500) for _ in range(3)]
    request = random_request(chance)
    if chance.random() < 0.5:
        temperature = chance.choice((0.5, 2.0))
        request = replace(request, temperature=temperature, seed=chance.randrange(100))
    return Plan(
        catalog,
        request,
        random_context(chance, catalog),
        tuple(prompt),
        member,
        chance.randint(1, 5),
        random_trends(chance, catalog),
    )


@dataclass(slots=True)
class FakeClock:
    """A monotonic clock that moves when told."""

    now: float = 100.0

    def __call__(self) -> float:
        """The time in seconds."""
        return self.now


def rows_of(outputs: Iterable[Output], page_id: str = "page") -> tuple[DecodedRow, ...]:
    """The rows decoded for a page."""
    rows = [o for o in outputs if isinstance(o, RowDecoded) and o.page_id == page_id]
    return tuple(DecodedRow(row.row, row.entities) for row in rows)


def ending_of(outputs: Iterable[Output], page_id: str = "page") -> PageFinished | PageFailed:
    """A page's one ending, which must be its last output."""
    of_page = [output for output in outputs if output.page_id == page_id]
    endings = [output for output in of_page if not isinstance(output, RowDecoded)]
    assert len(endings) == 1
    assert of_page[-1] is endings[0]
    return endings[0]


def finish_of(outputs: Iterable[Output], page_id: str = "page") -> PageFinished:
    """A page's ending, which must not be a failure."""
    ending = ending_of(outputs, page_id)
    assert isinstance(ending, PageFinished), ending
    return ending
