"""Pages that explore: within every rule, by exact chances, however they are decoded."""

from dataclasses import replace

import pytest
from hypothesis import given
from naive_decoder import scores_after
from pages import Plan, library, plan, random_plan
from strategies import World, worlds

from genpage.exploration import Exploration
from genpage.grammar import DecodedRow
from runtime.decoder import Decoder
from runtime.engine import Engine
from runtime.fake import FakeModel
from runtime.job import PageJob
from runtime.limits import Limits
from runtime.output import RowDecoded
from runtime.writer import PageWriter
from runtime.written import Written

EXPLORING = Exploration(0.2)


def written(job: PageJob, model: FakeModel) -> list[Written]:
    """A page decoded plainly."""
    decoder, rows, fed = Decoder(job), list[Written](), list[int]()
    while decoder.reason is None:
        chunk = decoder.chunk(0, decoder.length)
        fed.extend(chunk.tokens.tolist())
        decoder.fed(chunk)
        rows.extend(decoder.take(scores_after(model, fed)[None]))
    return rows


def exploring(page: Plan, model: FakeModel, name: str, share: float = 0.2) -> PageJob:
    """A job that explores."""
    return replace(page.job(model, name), exploration=Exploration(share))


@given(worlds())
def test_no_rule_breaks_and_every_place_was_possible(world: World) -> None:
    """Of any member's page, whatever is drawn."""
    page = random_plan(world.chance, world.catalog)
    page = replace(page, request=replace(page.request, temperature=0.0))
    model = FakeModel.of(page.catalog, levels=world.chance.choice((None, 3)))
    found = written(exploring(page, model, "any", world.chance.choice((0.2, 1.0))), model)
    assert page.broken(row.row for row in found) == []
    for row in found:
        assert len(row.propensities) == len(row.row.entities)
        assert all(0 < chance <= 1 for chance in row.propensities)


@pytest.mark.parametrize("autoregressive", [1, 4])
def test_speculation_changes_no_page_that_explores(autoregressive: int) -> None:
    """Drafts draw by the same page and place, so even explored choices are foreseen."""
    page = plan(library(), autoregressive=autoregressive)
    model = FakeModel.of(page.catalog, steady=0.99)

    def run(limits: Limits) -> dict[str, list[RowDecoded]]:
        engine, rows = Engine(limits), dict[str, list[RowDecoded]]()
        for number in range(4):
            engine.submit(exploring(page, model, f"page {number}"))
        while engine.busy:
            for output in engine.step():
                if isinstance(output, RowDecoded):
                    rows.setdefault(output.page_id, []).append(output)
        return rows

    drafted, plain = run(Limits()), run(Limits(speculation=False))
    for name, rows in plain.items():
        assert [(row.row, row.entities, row.propensities) for row in drafted[name]] == [
            (row.row, row.entities, row.propensities) for row in rows
        ]
    greedy = page.naive(model)
    assert all(
        tuple(DecodedRow(row.row, row.entities) for row in rows) != greedy
        for rows in plain.values()
    )


def test_a_page_taken_up_again_draws_the_same() -> None:
    """Behind its first rows, by the same page id."""
    page = plan(library())
    model = FakeModel.of(page.catalog)
    whole = written(exploring(page, model, "page"), model)
    shown = [row.row for row in whole[:4]]
    job = replace(page.job(model, "page", shown=shown), exploration=EXPLORING)
    rest = written(job, model)
    assert rest == whole[4:]


def test_a_page_draws_as_another_is_told_to() -> None:
    """By the other's id: what a shadow's page is compared with was drawn so."""
    page = plan(library())
    model = FakeModel.of(page.catalog)
    other = written(replace(exploring(page, model, "other"), drawn_as="page"), model)
    assert other == written(exploring(page, model, "page"), model)
    assert other != written(exploring(page, model, "other"), model)


def test_pages_come_as_often_as_their_propensities_say() -> None:
    """All pages of a small catalog: their probabilities sum to 1, row by row and place by place."""
    page = plan(library(entities=4, rows=2), rows=1, entities_per_row=3, autoregressive=2)
    model = FakeModel.of(page.catalog)
    chances: dict[tuple[int, ...], float] = {}
    counts: dict[tuple[int, ...], int] = {}
    for number in range(4_000):
        (row,) = written(exploring(page, model, f"page {number}", share=0.9), model)
        name = (row.row.row, *row.row.entities)
        product = 1.0
        for chance in row.propensities:
            product *= chance
        assert chances.setdefault(name, product) == pytest.approx(product)
        counts[name] = counts.get(name, 0) + 1
    assert sum(chances.values()) == pytest.approx(1.0, abs=0.02)
    for name, chance in chances.items():
        assert counts[name] / 4_000 == pytest.approx(chance, abs=0.03)


def test_the_share_of_explored_places_is_what_was_declared() -> None:
    """Of many pages' places, so many were not the best that was left."""
    page = plan(library(), rows=6)
    model = FakeModel.of(page.catalog, levels=2)  # nearly flat: the best is seldom drawn
    others = places = 0
    for number in range(30):
        for row in written(exploring(page, model, f"page {number}"), model):
            _, *chances = row.propensities  # the first stands for the row's too
            places += len(chances)
            others += sum(chance < 0.5 for chance in chances)
    assert others / places == pytest.approx(EXPLORING.share, abs=0.025)


def test_without_exploration_nothing_is_drawn() -> None:
    """Greedy pages stay what they were, and certain."""
    page = plan(library())
    model = FakeModel.of(page.catalog)
    found = written(page.job(model), model)
    assert tuple(row.row for row in found) == page.naive(model)
    assert all(row.propensities == () for row in found)


def test_a_guess_tells_no_chances() -> None:
    """A copy that only guesses spends no time on what nobody is told."""
    page = plan(library())
    model = FakeModel.of(page.catalog)
    writer = PageWriter(exploring(page, model, "page"))
    copy, scores = writer.fork(), scores_after(model, [1])
    while copy.decide(scores)[1] is None:
        assert copy._chances == []
    while (found := writer.decide(scores)[1]) is None:
        assert writer._chances
    assert len(found.propensities) == 20
