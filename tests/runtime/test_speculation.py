"""Drafting: the page is the same with and without it, and takes fewer passes where it can."""

from dataclasses import replace

import numpy as np
import pytest
from drafting import decode, eager
from hypothesis import given
from naive_decoder import scores_after
from pages import (
    SERIALISED,
    FakeClock,
    finish_of,
    library,
    plan,
    random_plan,
    rows_of,
)
from strategies import World, worlds

from genpage.catalog import Catalog
from genpage.exploration import Exploration
from genpage.grammar import DecodedRow
from genpage.promise import PROMISES
from genpage.row import Row
from runtime.decoder import Decoder
from runtime.draft import NO_DRAFT, Drafter
from runtime.engine import Engine
from runtime.fake import FakeModel
from runtime.limits import Limits
from runtime.output import Output
from runtime.pace import Pace
from runtime.writer import PageWriter
from tokenizer.appeal import PageAppeal
from tokenizer.crowd import CROWDS, grained


@given(worlds())
def test_no_draft_changes_a_page(world: World) -> None:
    """Greedy or sampled, with ties everywhere or none, however right or wrong drafts are."""
    chance = world.chance
    page = random_plan(chance, world.catalog)
    model = FakeModel.of(
        page.catalog,
        levels=chance.choice((None, 3)),
        steady=chance.choice((0.0, 0.7, 0.97)),
        serialised=chance.choice(SERIALISED),
    )
    rows, _ = decode(page.job(model), model, eager(chance.choice((0.3, 0.9, 1.0))))
    assert tuple(rows) == page.naive(model)


@pytest.mark.parametrize("seed", range(8))
def test_a_draft_that_came_to_nothing_changes_no_promise(seed: int) -> None:
    """What rows promise is sought behind a pinned row first, where a draft may have got to."""
    numbers = np.random.default_rng(seed)
    films = library(entities=90).entities
    shelves = [
        Row(
            f"r{row}",
            "editorial",
            "Chosen",
            entity_ids=tuple(films[film].id for film in numbers.permutation(90)[:40]),
            pinned_position=None if row else 0,
        )
        for row in range(6)
    ]
    page = plan(Catalog.build(films, shelves), rows=4, entities_per_row=8)
    model = FakeModel.of(page.catalog, steady=0.5)
    appeal = PageAppeal.of(
        numbers.normal(size=90).astype(np.float32), numbers.normal(size=PROMISES).astype(np.float32)
    )
    plain, _ = decode(replace(page.job(model), appeal=appeal.fresh()), model, None)
    drafted, _ = decode(replace(page.job(model), appeal=appeal.fresh()), model, eager(0.9))
    assert drafted == plain


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("exploration", [Exploration(), Exploration(0.2)])
def test_no_draft_changes_what_is_crowded(seed: int, exploration: Exploration) -> None:
    """Titles that lose by those like them above: what a draft placed and took back is not seen."""
    numbers = np.random.default_rng(seed)
    page = plan(library(entities=120, rows=12), rows=6, entities_per_row=8)
    model = FakeModel.of(page.catalog, steady=0.8)
    content = numbers.normal(size=(120, 5)).astype(np.float32)
    content /= np.linalg.norm(content, axis=1, keepdims=True)
    appeal = PageAppeal.of(
        numbers.normal(size=120).astype(np.float32),
        numbers.normal(size=PROMISES).astype(np.float32),
        content,
        np.full(CROWDS, -2.0, np.float32),
    )

    def rows(pace: Pace | None, appeal: PageAppeal | None) -> tuple[list[DecodedRow], list[int]]:
        job = replace(page.job(model), appeal=appeal, exploration=exploration)
        return decode(job, model, pace)

    plain, alone = rows(None, appeal.fresh())
    drafted, passes = rows(eager(0.9), appeal.fresh())
    assert drafted == plain
    assert len(passes) < len(alone)
    uncrowded = PageAppeal.of(appeal.entities, appeal.promise_weights)
    assert plain != rows(None, uncrowded)[0]


def test_a_drafter_holds_lines_of_its_own_and_of_places_to_come() -> None:
    """Neither the scores of a whole pass, with every page's beside, nor of what was passed."""
    page = plan(library())
    model = FakeModel.of(page.catalog, steady=0.7)
    decoder, rows, held = Decoder(page.job(model), eager(1.0)), set[int](), list[int]()
    most = 0
    while True:
        chunk = decoder.chunk(0, decoder.length)
        held[chunk.start :] = chunk.tokens.tolist()
        decoder.fed(chunk)
        ends = range(len(held) - chunk.scored + 1, len(held) + 1)
        scores = np.stack([scores_after(model, held[:end]) for end in ends])
        rows.update(written.row.row for written in decoder.take(scores))
        if decoder.reason is not None:
            break
        drafter = decoder._drafter
        assert drafter is not None
        guesses = drafter.guesses
        lines = [guesses._row_scores, *guesses._kept.values()]
        if guesses._entity_scores is not None:
            lines.append(guesses._entity_scores[1])
        assert not any(np.shares_memory(line, scores) for line in lines if line is not None)
        assert all(line.base is None for line in lines if line is not None)
        for row, number in guesses._kept:
            assert row not in rows if number else row >= len(rows)
        most = max(most, len(guesses._kept))
    assert 0 < most <= 12


def test_where_scores_hardly_depend_on_the_prefix_a_row_takes_one_pass() -> None:
    """Everything is foreseen but the entities of a new row's first place."""
    page = plan(library())
    model = FakeModel.of(page.catalog, steady=0.9999)
    rows, passes = decode(page.job(model), model, eager(1.0))
    assert tuple(rows) == page.naive(model)
    assert len(passes) < 10


@pytest.mark.parametrize("serialised", [1, 2, 4])
def test_a_tail_that_was_foreseen_wrong_rejects_no_draft(serialised: int) -> None:
    """Only what is in the sequence is verified, so that short rows take half the passes."""
    page = plan(library(entities=400, rows=30))
    whole = FakeModel.of(page.catalog, steady=0.999)
    short = replace(whole, serialised=serialised)
    rows, passes = decode(page.job(short), short, eager(0.9))
    assert tuple(rows) == page.naive(short)
    full = decode(page.job(whole), whole, eager(0.9))[1]
    assert 2 * (len(passes) - 1) <= len(full) - 1


def test_where_nothing_can_be_foreseen_drafting_ends() -> None:
    """Drafts that are never right become rare, and the page takes its plain passes."""
    page = plan(library(entities=2_000, rows=60), rows=40)
    model = FakeModel.of(page.catalog)
    pace = Pace()
    rows, _ = decode(page.job(model), model, pace)
    assert tuple(rows) == page.naive(model)
    assert pace.chance("entity near") < 0.5
    drafted = decode(page.job(model), model, pace)[1]
    plain = decode(page.job(model), model, None)[1]
    assert sum(drafted) < 1.3 * sum(plain)


def test_pages_beside_each_other_draft_too() -> None:
    """Batches, slots and chunks of a prompt change nothing; fewer passes are told."""
    page = plan(library())
    model = FakeModel.of(page.catalog, steady=0.99)

    def run(limits: Limits) -> list[Output]:
        engine = Engine(limits, clock=FakeClock())
        for number in range(3):
            engine.submit(page.job(model, f"page {number}"))
        outputs: list[Output] = []
        while engine.busy:
            outputs += engine.step()
            engine.check_integrity()
        return outputs

    drafted = run(Limits(prefill_tokens_alone=2))
    plain = run(Limits(speculation=False))
    for name in ("page 0", "page 1", "page 2"):
        assert rows_of(drafted, name) == rows_of(plain, name) == page.naive(model)
        assert finish_of(plain, name).forward_passes == 49
        assert finish_of(drafted, name).forward_passes < 35


def test_a_draft_stays_within_the_slot() -> None:
    """At most so many tokens as fit behind those decided."""
    page = plan(library())
    model = FakeModel.of(page.catalog)
    writer, drafter = PageWriter(page.job(model)), Drafter(eager(1.0))
    assert drafter.draft(writer, 100) is NO_DRAFT
    scores = scores_after(model, [1])
    drafter.guesses.seen(writer.place, scores)
    writer.decide(scores)
    drafter.guesses.seen(writer.place, scores)
    writer.decide(scores)
    assert len(drafter.draft(writer, 100).tokens) > 3
    assert len(drafter.draft(writer, 3).tokens) <= 3
    assert drafter.draft(writer, 0) is NO_DRAFT


def test_the_next_decision_is_guessed_from_the_page_as_it_stands() -> None:
    """Nothing is copied or decided by it: what it guesses is what these scores then decide."""
    page = plan(library(entities=200, rows=9), rows=4, entities_per_row=8, autoregressive=3)
    model = FakeModel.of(page.catalog)
    numbers = np.random.default_rng(3)
    content = numbers.normal(size=(200, 5)).astype(np.float32)
    appeal = PageAppeal.of(
        numbers.normal(size=200).astype(np.float32),
        numbers.normal(size=PROMISES).astype(np.float32),
        grained(content / np.linalg.norm(content, axis=1, keepdims=True)),
        np.full(CROWDS, -0.5, np.float32),
    )
    job = replace(page.job(model), appeal=appeal, exploration=Exploration(0.3))
    other = replace(page.job(model), appeal=appeal.fresh(), exploration=Exploration(0.3))
    writer, alone = PageWriter(job), PageWriter(other)
    while writer.reason is None:
        place, behind = writer.place, writer.takes_behind
        for scores in numbers.normal(size=(3, 209)).astype(np.float32):
            guessed = writer.tokens_of(writer.guess(scores))
            assert writer.place == place
            assert len(guessed) == writer.takes
        tokens, row = writer.decide(scores)
        assert np.array_equal(tokens, guessed)
        plain, written = alone.decide(scores)
        assert np.array_equal(tokens, plain)
        assert row == written
        if writer.place[1]:
            assert behind == writer.takes
