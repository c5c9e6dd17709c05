"""A page scored by what its member may see: the page that scores of the whole catalog give."""

from dataclasses import replace
from random import Random

import numpy as np
from hypothesis import given
from numpy.typing import NDArray
from pages import RULES, SERIALISED, Plan, finish_of, random_plan, rows_of
from strategies import World, worlds

from genpage.audience import Audience
from genpage.eligibility import Viewer
from genpage.exploration import Exploration
from genpage.grammar import DecodedRow
from genpage.promise import PROMISES
from runtime.arrays import FloatArray, IntArray
from runtime.backend import Head
from runtime.engine import Engine
from runtime.fake import FakeModel
from runtime.job import PageJob
from runtime.limits import Limits
from runtime.output import Output
from runtime.scope import Scope
from tokenizer.appeal import PageAppeal
from tokenizer.crowd import CROWDS, grained


class SomeHead:
    """Of another head's scores some columns."""

    def __init__(self, head: Head, columns: IntArray) -> None:
        self._head, self._columns = head, columns

    def scores(self, hidden: FloatArray) -> FloatArray:
        """Scores (n, R + k)."""
        return self._head.scores(hidden)[:, self._columns]


class RoughHead(SomeHead):
    """The same with rough scores of entities, made exact at need; a hidden state behind each."""

    def __init__(self, head: Head, columns: IntArray, rows: int) -> None:
        super().__init__(head, columns)
        self._rows = rows
        self.refinements = 0

    def scores(self, hidden: FloatArray) -> FloatArray:
        """Lines (n, R + k + d); entities' scores are whole halves."""
        exact = super().scores(hidden)
        rough = np.concatenate(
            [exact[:, : self._rows], np.round(2 * exact[:, self._rows :]) / 2], 1
        )
        return np.concatenate([rough, hidden], axis=1)

    def refined(
        self, line: FloatArray, columns: NDArray[np.integer], added: FloatArray | None, count: int
    ) -> tuple[IntArray, FloatArray]:
        """By a bound of a quarter on either side."""
        self.refinements += 1
        rough = line[columns] if added is None else line[columns] + added
        least = np.sort(rough)[-count] - np.float32(0.51)
        places = np.flatnonzero(rough >= least).astype(np.int32)
        exact = super().scores(line[None, len(self._columns) :])[0, columns[places]]
        return places, exact if added is None else exact + added[places]


def scope_of(plan: Plan, model: FakeModel, chance: Random) -> Scope:
    """Of what the page's member may see, and sometimes of more: a head of an earlier set."""
    count = len(plan.catalog.entities)
    viewer = Viewer.of(plan.catalog, RULES, plan.context, plan.request)
    audience = Audience.of(plan.catalog, RULES, viewer, plan.request.at)
    entities = audience.entities
    if entities is None:
        entities = np.flatnonzero(audience.offered).astype(np.int32)
    if chance.random() < 0.5:
        more = np.array(chance.sample(range(count), count // 2), np.int32)
        entities = np.union1d(entities, more)
    rows = len(model.row_tokens)
    places = np.full(count, len(entities), np.int32)
    places[entities] = np.arange(len(entities))
    columns = np.concatenate([np.arange(rows), rows + entities]).astype(np.int32)
    if chance.random() < 0.5:
        return Scope(SomeHead(model.head, columns), places)
    head = RoughHead(model.head, columns, rows)
    return Scope(head, places, head)


def appeal_of(chance: Random, count: int) -> PageAppeal:
    """An appeal of every kind."""
    numbers = np.random.default_rng(chance.randrange(1000))
    own = numbers.standard_normal(count).astype(np.float32)
    content = numbers.standard_normal((count, 4))
    content /= np.linalg.norm(content, axis=1, keepdims=True)
    promise, crowd = np.ones(PROMISES, np.float32), np.full(CROWDS, -1.0, np.float32)
    return PageAppeal.of(own, promise, grained(content.astype(np.float32)), crowd)


def run(engine: Engine) -> list[Output]:
    """Until all is decoded; what there was to tell."""
    outputs = engine.step()
    while engine.busy:
        outputs += engine.step()
    return outputs


def decoded(jobs: list[PageJob], *, speculation: bool) -> list[tuple[DecodedRow, ...]]:
    """The rows of each, all decoded at once."""
    engine = Engine(Limits(batch=4, speculation=speculation))
    for job in jobs:
        engine.submit(job)
    outputs = run(engine)
    for job in jobs:
        assert finish_of(outputs, job.page_id).reason in {"complete", "exhausted"}
    return [rows_of(outputs, job.page_id) for job in jobs]


@given(worlds())
def test_a_scope_changes_no_page(world: World) -> None:
    """Greedy, sampled or explored, drafted or not, with an appeal or none, beside other pages."""
    chance = world.chance
    plan, other = random_plan(chance, world.catalog), random_plan(chance, world.catalog)
    model = FakeModel.of(world.catalog, steady=0.9, serialised=chance.choice(SERIALISED))
    exploration = Exploration(chance.choice((0.0, 0.3)))
    seed = chance.randrange(1000) if chance.random() < 0.5 else None

    def job(of: Plan, page_id: str, scope: Scope | None) -> PageJob:
        count = len(world.catalog.entities)
        appeal = None if seed is None else appeal_of(Random(seed), count)
        made = of.job(model, page_id)
        return replace(made, exploration=exploration, appeal=appeal, scope=scope)

    pages = ((plan, "page"), (other, "other"))
    plain = [decoded([job(of, name, None)], speculation=False)[0] for of, name in pages]
    for speculation in (False, True):
        scope, beside = scope_of(plan, model, chance), scope_of(other, model, chance)
        scopes = (scope, chance.choice((None, beside)))
        jobs = [job(of, name, each) for (of, name), each in zip(pages, scopes, strict=True)]
        assert decoded(jobs, speculation=speculation) == plain
