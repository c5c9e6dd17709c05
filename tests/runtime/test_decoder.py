"""Decoding one page, with scores straight from the hash of what was fed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from naive_decoder import scores_after
from pages import SERIALISED, library, plan, random_plan
from strategies import World, worlds

from genpage.errors import ArtefactError
from genpage.grammar import DecodedRow
from runtime.decoder import Decoder
from runtime.fake import FakeModel
from runtime.job import PageJob
from tokenizer.appeal import PageAppeal


def decode(job: PageJob, model: FakeModel) -> tuple[list[DecodedRow], list[int], list[int]]:
    """Run a page by hand: its rows, all tokens fed, and the tokens of each pass."""
    decoder = Decoder(job)
    rows: list[DecodedRow] = []
    fed: list[int] = []
    passes: list[int] = []
    while decoder.reason is None:
        chunk = decoder.chunk(0, decoder.length)
        assert chunk.start == len(fed)
        fed.extend(chunk.tokens.tolist())
        passes.append(len(chunk.tokens))
        assert decoder.fed(chunk)
        rows.extend(written.row for written in decoder.take(scores_after(model, fed)[None]))
    return rows, fed, passes


@pytest.mark.parametrize(
    ("autoregressive", "expected"), [(1, 19), (2, 29), (4, 49), (19, 199), (20, 209), (99, 209)]
)
def test_a_page_takes_as_many_passes_as_hybrid_decoding_says(
    autoregressive: int, expected: int
) -> None:
    """N a row and one between rows, for 10 rows of 20, the prompt aside."""
    page = plan(library(), autoregressive=autoregressive)
    model = FakeModel.of(page.catalog)
    rows, _, passes = decode(page.job(model), model)
    assert len(rows) == 10
    assert len(passes) - 1 == expected


def test_what_is_fed_is_the_prompt_and_the_page_without_its_last_tail() -> None:
    """Left to right, top to bottom; behind the last row nothing is fed."""
    page = plan(library(), rows=3, entities_per_row=6)
    model = FakeModel.of(page.catalog)
    rows, fed, passes = decode(page.job(model), model)
    serialised = [*page.prompt]
    for row in rows:
        serialised.append(int(model.row_tokens[row.row]))
        serialised.extend(int(model.entity_tokens[entity]) for entity in row.entities)
    assert fed == serialised[: -(6 - 3)]
    assert passes == [5, 1, 1, 1, 1, 3, 1, 1, 1, 1, 3, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("autoregressive", "serialised", "expected"),
    [(4, 4, 50), (99, 4, 50), (4, 2, 30), (1, 1, 20), (4, 8, 49), (1, 8, 19), (20, 8, 90)],
)
def test_a_short_row_opens_the_next_with_the_pass_that_fills_it(
    autoregressive: int, serialised: int, expected: int
) -> None:
    """N passes a row, or one more than it has in the sequence; its tail is fed nowhere."""
    page = plan(library(), autoregressive=autoregressive)
    model = FakeModel.of(page.catalog, serialised=serialised)
    rows, fed, passes = decode(page.job(model), model)
    assert tuple(rows) == page.naive(model)
    assert [len(row.entities) for row in rows] == [20] * 10
    assert len(passes) - 1 == expected
    told = [
        token
        for row in rows
        for token in (
            int(model.row_tokens[row.row]),
            *model.entity_tokens[list(row.entities[:serialised])].tolist(),
        )
    ]
    # Where the fill comes with an entity of the sequence, the last row's are not fed any more.
    unfed = serialised - autoregressive + 1 if autoregressive < serialised else 0
    assert fed == [*page.prompt, *told[: len(told) - unfed]]


@pytest.mark.parametrize(("pinned", "first_row"), [(1, [1]), (3, [1, 1, 1]), (5, [1, 1, 1, 1])])
def test_a_pinned_row_that_holds_fewer_ends_early(pinned: int, first_row: list[int]) -> None:
    """The pinned row shows what it has and the page goes on behind it."""
    page = plan(library(pinned=pinned), rows=2)
    model = FakeModel.of(page.catalog)
    rows, _, passes = decode(page.job(model), model)
    assert [len(row.entities) for row in rows] == [pinned, 20]
    assert passes[1 : 1 + len(first_row)] == first_row
    assert not page.broken(rows)


def test_a_row_that_empties_is_skipped_and_its_absence_ends_the_page() -> None:
    """45 titles fill two rows of 20; no third row can be filled: exhausted, nothing fed for it."""
    page = plan(library(entities=45))
    model = FakeModel.of(page.catalog)
    decoder_rows, _, passes = decode(page.job(model), model)
    assert len(decoder_rows) == 2
    assert len(passes) - 1 == 9
    assert not page.broken(decoder_rows)


def test_a_page_with_nothing_to_show_ends_before_it_begins() -> None:
    """No eligible title: exhausted from the outset."""
    page = plan(library(entities=0))
    assert Decoder(page.job(FakeModel.of(page.catalog))).reason == "exhausted"


def test_a_page_that_is_whole_already_is_complete() -> None:
    """Taken up behind its last row."""
    page = plan(library(), rows=2, entities_per_row=5)
    model = FakeModel.of(page.catalog)
    rows, _, _ = decode(page.job(model), model)
    assert Decoder(page.job(model, shown=rows)).reason == "complete"


@given(worlds())
def test_the_page_is_the_naive_twins_and_breaks_no_rule(world: World) -> None:
    """Any page, greedy or sampled, also where scores tie everywhere."""
    page = random_plan(world.chance, world.catalog)
    levels, serialised = world.chance.choice((None, 3)), world.chance.choice(SERIALISED)
    model = FakeModel.of(page.catalog, levels=levels, serialised=serialised)
    rows, _, _ = decode(page.job(model), model)
    assert tuple(rows) == page.naive(model)
    assert not page.broken(rows)


@given(worlds())
def test_a_page_taken_up_again_goes_on_token_for_token(world: World) -> None:
    """Behind any number of rows, with those rows fed behind the prompt or standing in it."""
    page = random_plan(world.chance, world.catalog)
    model = FakeModel.of(page.catalog, serialised=world.chance.choice(SERIALISED))
    whole, fed, _ = decode(page.job(model), model)
    for count in range(len(whole)):
        rest, fed_again, _ = decode(page.job(model, shown=whole[:count]), model)
        assert rest == whole[count:]
        assert fed_again == fed
        shown_tokens = sum(1 + len(row.entities[: model.serialised]) for row in whole[:count])
        prompt = np.array(fed[: len(page.prompt) + shown_tokens], np.int32)
        continued = page.job(model, shown=whole[:count], prompt=prompt, prompt_rows=count)
        assert decode(continued, model)[:2] == (rest, fed)


def test_temperature_samples_by_seed() -> None:
    """Equal seeds give equal pages, others other pages; low temperature is nearly greedy."""
    page = plan(library(), rows=3)
    model = FakeModel.of(page.catalog)

    def sampled(temperature: float, seed: int) -> list[DecodedRow]:
        request = replace(page.request, temperature=temperature, seed=seed)
        return decode(replace(page, request=request).job(model), model)[0]

    assert sampled(1.0, 1) == sampled(1.0, 1)
    assert sampled(1.0, 1) != sampled(1.0, 2)
    for cold in (1e-9, 5e-324):
        assert sampled(cold, 1) == decode(page.job(model), model)[0]


def test_scores_that_are_no_numbers_are_refused() -> None:
    """A model gone NaN ends the page with a typed error."""
    page = plan(library())
    decoder = Decoder(page.job(FakeModel.of(page.catalog)))
    decoder.fed(decoder.chunk(0, 5))
    with pytest.raises(ArtefactError):
        decoder.take(np.full((1, 630), np.nan, np.float32))


class TestAppeal:
    """What the moment adds to the scores of a page."""

    def test_it_is_added_to_every_choice(self) -> None:
        """Each row and title is the best of score plus appeal, found anew from all that is left."""
        page = plan(library(entities=120, rows=6), rows=3, entities_per_row=6, autoregressive=3)
        model = FakeModel.of(page.catalog)
        chance = np.random.default_rng(5)
        appeal = PageAppeal.of(
            chance.normal(size=120).astype(np.float32), np.array([1.0, 0.5, 0.0, -2.0], np.float32)
        )
        rows, fed, _ = decode(replace(page.job(model), appeal=appeal), model)
        without, _, _ = decode(page.job(model), model)
        assert rows != without
        assert not page.broken(rows)
        grammar, tokens = page.grammar(), fed[: len(page.prompt)]
        for row in rows:
            allowed = grammar.allowed_rows()
            scores = scores_after(model, tokens)[:6].copy()
            for index in allowed.tolist():
                left = np.sort(appeal.entities[grammar.left_for(index)])[::-1]
                scores[index] += left[0] + 0.5 * left[:3].mean() - 2.0 * left[:20].mean()
            assert row.row == int(allowed[scores[allowed].argmax()])
            grammar.open_row(row.row)
            tokens = [*tokens, int(model.row_tokens[row.row])]
            for place, entity in enumerate(row.entities):
                titles = grammar.allowed_entities()
                if place < 3:
                    scores = scores_after(model, tokens)[6:] + appeal.entities
                assert entity == int(titles[scores[titles].argmax()])
                grammar.add(entity)
                tokens = [*tokens, int(model.entity_tokens[entity])]

    def test_what_stands_above_takes_from_what_is_like_it(self) -> None:
        """Each title is the best of score, appeal and crowd, asked anew of the page as it is."""
        page = plan(library(entities=120, rows=6), rows=3, entities_per_row=6, autoregressive=3)
        model = FakeModel.of(page.catalog)
        chance = np.random.default_rng(5)
        content = chance.normal(size=(120, 6)).astype(np.float32)
        content /= np.linalg.norm(content, axis=1, keepdims=True)
        own, promise = chance.normal(size=120).astype(np.float32), np.zeros(4, np.float32)
        alone = PageAppeal.of(own, promise)
        crowded = PageAppeal.of(own, promise, content, np.array([-2.0, -3.0], np.float32))
        rows, fed, _ = decode(replace(page.job(model), appeal=crowded), model)
        assert rows != decode(replace(page.job(model), appeal=alone), model)[0]
        grammar, tokens = page.grammar(), fed[: len(page.prompt)]
        for row in rows:
            grammar.open_row(row.row)
            tokens = [*tokens, int(model.row_tokens[row.row])]
            for place, entity in enumerate(row.entities):
                titles = grammar.allowed_entities()
                if place < 3:
                    around = crowded.fresh().titles(grammar)
                    scores = scores_after(model, tokens)[6:] + around
                assert entity == int(titles[scores[titles].argmax()])
                grammar.add(entity)
                tokens = [*tokens, int(model.entity_tokens[entity])]

    def test_a_page_taken_up_again_adds_the_same(self) -> None:
        """Behind its first two rows the page goes on as it would have."""
        page = plan(library(entities=400, rows=12), rows=8)
        model = FakeModel.of(page.catalog)
        worth = np.random.default_rng(6).normal(size=400).astype(np.float32)
        weights = np.array([1.0, 0.5, 3.0, -2.0], np.float32)
        whole, _, _ = decode(replace(page.job(model), appeal=PageAppeal.of(worth, weights)), model)
        job = replace(page.job(model, shown=whole[:2]), appeal=PageAppeal.of(worth, weights))
        rest, _, _ = decode(job, model)
        assert [*whole[:2], *rest] == whole
