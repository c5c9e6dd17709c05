"""Drafting: the page is the same with and without it, and takes fewer passes where it can."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from naive_decoder import scores_after
from pages import (
    SERIALISED,
    FakeClock,
    finish_of,
    library,
    of_member,
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
from runtime.arrays import FloatArray
from runtime.chunk import Chunk
from runtime.decoder import Decoder
from runtime.draft import NO_DRAFT, Drafter
from runtime.engine import Engine
from runtime.fake import FakeModel
from runtime.job import PageJob
from runtime.limits import Limits
from runtime.output import Output, RowDecoded
from runtime.pace import Pace
from runtime.shown import Shown
from runtime.writer import PageWriter
from tokenizer.appeal import PageAppeal
from tokenizer.crowd import CROWDS, grained


def eager(chance: float) -> Pace:
    """A pace that believes every draft to be right so often, and tokens to cost nothing."""
    pace = Pace()
    pace._hits = {source: chance * tries for source, tries in pace._tries.items()}
    pace.token = 0.0
    return pace


def decode(
    job: PageJob, model: FakeModel, pace: Pace | None, earlier: Sequence[DecodedRow] = ()
) -> tuple[list[DecodedRow], list[int]]:
    """A page by hand: its rows, and the tokens of each pass."""
    decoder = Decoder(job, pace)
    decoder.resume(0, Shown.of(earlier, model))
    rows: list[DecodedRow] = []
    held: list[int] = []
    passes: list[int] = []
    while decoder.reason is None:
        chunk = decoder.chunk(0, decoder.length)
        held[chunk.start :] = chunk.tokens.tolist()
        passes.append(len(chunk.tokens))
        assert decoder.fed(chunk)
        ends = range(len(held) - chunk.scored + 1, len(held) + 1)
        scores = np.stack([scores_after(model, held[:end]) for end in ends])
        rows.extend(written.row for written in decoder.take(scores))
    return rows, passes


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


@given(worlds())
def test_no_earlier_page_changes_a_page(world: World) -> None:
    """Neither the same, nor part of it, nor one in disorder, nor of titles that nobody knows."""
    chance = world.chance
    page = random_plan(chance, world.catalog)
    steady = chance.choice((0.0, 0.9))
    model = FakeModel.of(page.catalog, steady=steady, serialised=chance.choice(SERIALISED))
    naive = page.naive(model)
    earlier = list(naive)
    match chance.randrange(4):
        case 0:
            chance.shuffle(earlier)
        case 1:
            earlier = [replace(row, entities=row.entities[1:]) for row in earlier]
        case 2:
            count = len(page.catalog.entities)
            earlier = [
                replace(row, entities=tuple(chance.sample(range(count), len(row.entities))))
                for row in earlier
            ]
    rows, _ = decode(page.job(model), model, eager(0.9), earlier)
    assert tuple(rows) == naive


@pytest.mark.parametrize("serialised", [None, 2, 4])
def test_a_page_as_the_one_before_takes_few_passes(serialised: int | None) -> None:
    """However little its scores foresee."""
    page = plan(library())
    model = FakeModel.of(page.catalog, serialised=serialised)
    plain, alone = decode(page.job(model), model, None)
    rows, passes = decode(page.job(model), model, eager(0.9), plain)
    assert rows == plain
    assert 4 * len(passes) < len(alone)


def test_a_page_with_a_new_row_is_recalled_around_it() -> None:
    """Rows that moved, and titles that another was put in front of, are found where they are."""
    page = plan(library(), rows=6)
    model = FakeModel.of(page.catalog)
    plain, alone = decode(page.job(model), model, None)
    earlier = [replace(row, entities=row.entities[1:]) for row in plain if row is not plain[2]]
    rows, passes = decode(page.job(model), model, eager(0.9), earlier)
    assert rows == plain
    # A new row is read as without drafts; each other one stumbles once, over its first title.
    assert 4 * len(passes) < 3 * len(alone)


def test_a_page_that_differs_from_the_one_before_soon_ceases_to_follow_it() -> None:
    """Its own scores foresee more, and are asked again after a few mistakes."""
    page = plan(library())
    model = FakeModel.of(page.catalog, steady=0.999)
    plain = page.naive(model)
    turned = [replace(row, entities=row.entities[::-1]) for row in plain]
    alone = decode(page.job(model), model, eager(0.7))[1]
    pace = eager(0.7)
    rows, passes = decode(page.job(model), model, pace, turned)
    assert tuple(rows) == plain
    assert pace.chance("entity before") < 0.7
    assert len(passes) <= len(alone) + 8


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


@pytest.mark.parametrize(("alone", "token"), [(7.0, 0.6), (1.0, 0.02), (1.0, 5.0)])
def test_the_cost_of_a_token_is_that_of_the_line_through_the_passes(
    alone: float, token: float
) -> None:
    """In passes; bounded, so that drafting neither ends for ever nor runs away."""
    pace = Pace()
    generator = np.random.default_rng(0)
    for tokens in generator.integers(1, 40, 400).tolist():
        pace.passed(tokens, alone + token * tokens)
    assert pace.token == pytest.approx(min(token / alone, 1.0))


class Ticks:
    """A clock that goes on by as much as it is told to each time it is read."""

    def __init__(self, each: float) -> None:
        self.now, self.each = 0.0, each

    def __call__(self) -> float:
        """Seconds."""
        self.now += self.each
        return self.now


@pytest.mark.parametrize(("guess", "drafts"), [(0.0001, True), (5.0, False)])
def test_a_guess_that_costs_more_than_a_pass_is_not_made(guess: float, *, drafts: bool) -> None:
    """A small model's passes are cheaper than guessing them away; the page is the same."""
    page = plan(library())
    model = FakeModel.of(page.catalog, steady=0.97)
    pace = Pace(Ticks(guess))
    for round_ in range(3):
        for tokens in (2, 3, 5, 9) * 10:
            pace.passed(tokens, 1.0)
        rows, passes = decode(page.job(model), model, pace)
        assert tuple(rows) == page.naive(model)
        if round_:
            plain = len(decode(page.job(model), model, None)[1])
            assert (len(passes) < 0.8 * plain) is drafts


def test_a_guess_is_tried_again_now_and_then() -> None:
    """What was too dear once is measured anew."""
    pace = Pace()
    pace.drafted(2, 8.0)
    for tokens in (2, 3, 5, 9) * 10:
        pace.passed(tokens, 1.0)
    assert pace.guess > 3.0
    tries = [pace.worth(1.0, 1, 0) for _ in range(640)]
    assert sum(tries) == 10
    for _ in range(2000):
        pace.drafted(1, 0.01)
        pace.passed(2, 1.0)
        pace.passed(8, 1.0)
    assert pace.guess == pytest.approx(0.01, rel=0.1)
    assert pace.worth(1.0, 1, 0)


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
            guessed = writer.guess(scores)
            assert writer.place == place
            assert len(guessed) == writer.takes
        tokens, row = writer.decide(scores)
        assert np.array_equal(tokens, guessed)
        plain, written = alone.decide(scores)
        assert np.array_equal(tokens, plain)
        assert row == written
        if writer.place[1]:
            assert behind == writer.takes


@pytest.mark.parametrize(("seconds", "looks"), [(0.3, 100), (0.9, 1)])
def test_a_look_is_worth_what_it_saves(seconds: float, looks: int) -> None:
    """Of passes that take a second, by a guess that is right in eight of ten cases, nearly."""
    pace = Pace()
    for tokens in (1, 2, 3, 5) * 10:
        pace.passed(tokens, 1.0)
    assert pace.worth_a_look("row kept", pace.chance("row kept"), 1)
    pace.looked("row kept", seconds)
    assert sum(pace.worth_a_look("row kept", 0.8, 1) for _ in range(100)) == looks
    assert not pace.worth_a_look("fill", 0.05, 17)


def test_a_wrong_token_is_worth_the_scores_that_it_leaves_behind() -> None:
    """While tokens cost less than that, and as many as are kept; one that decides a fill is not."""
    pace = Pace()
    pace.token = 0.04
    assert pace.worth(0.0, 1, 5)
    assert not pace.worth(0.0, 1, 12)
    assert not pace.worth(0.0, 17, 5)
    pace.token = 0.06
    assert not pace.worth(0.0, 1, 5)
    assert pace.worth(0.02, 1, 5)


def test_every_decision_tells_whether_the_page_before_had_it() -> None:
    """Drafted or not: a page that proves to be the same is soon drafted in whole rows."""
    page = plan(library())
    model = FakeModel.of(page.catalog)
    plain, _ = decode(page.job(model), model, None)
    pace = Pace()
    pace.token = 0.06
    rows, passes = decode(page.job(model), model, pace, plain)
    assert rows == plain
    assert len(passes) <= 8
    assert max(passes) > 30
    assert pace.chance("fill before") > 0.6


def test_drafts_of_pages_decoded_at_once_share_a_step() -> None:
    """However sure they are: a step takes no more than a prompt's chunk would."""
    page = plan(library())
    model = FakeModel.of(page.catalog, slots=8)
    engine = Engine(Limits(batch=8, queue=0, warm=0))
    seen = list[int]()
    forward = model.backend.forward

    def counted(chunks: Sequence[Chunk]) -> list[FloatArray]:
        seen.append(sum(len(chunk.tokens) for chunk in chunks))
        return forward(chunks)

    for _ in range(4):
        seen.clear()
        for number in range(8):
            engine.submit(of_member(f"m{number}", page).job(model, f"p{number}"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(model.backend, "forward", counted)
            while engine.busy:
                engine.step()
    # A fill of 17, decided already, and at most 16 drafted behind it: of each of eight pages.
    assert max(seen) <= 8 * (17 + 16)
    assert len(seen) < 49


def test_a_draft_holds_up_the_next_row_no_longer_than_two_rows_take() -> None:
    """A page that is the one before to the last title still comes row by row."""
    page = plan(library())
    model = FakeModel.of(page.catalog)
    engine = Engine(Limits(batch=1, queue=0, warm=1))
    for _ in range(4):
        rows = []
        engine.submit(page.job(model))
        while engine.busy:
            rows.append(sum(isinstance(output, RowDecoded) for output in engine.step()))
    assert sum(rows) == 10
    assert max(rows) <= 3


def test_what_a_draft_saves_is_shared_by_pages_decoded_at_once() -> None:
    """Of a pass of eight pages each saves an eighth, for tokens that cost as much."""
    pace = Pace()
    for tokens in (16, 24, 40, 72) * 10:
        pace.passed(tokens, 1.0 + 0.02 * tokens)
    assert pace.token == pytest.approx(0.02)
    assert pace.worth(0.1, 1, 12)
    pace.shared_by(8)
    assert not pace.worth(0.1, 1, 12)
    assert pace.worth(0.2, 1, 12)
    assert not pace.worth_a_look("entity far", 0.5, 17)
