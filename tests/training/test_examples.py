"""An example is the prompt of that moment, the page, and the right thing to predict everywhere."""

from dataclasses import replace

import numpy as np
import pytest

from dataset.day import day_start
from dataset.folder import DataFolder, profile_of
from genpage.context import Context, apply_event, apply_profile
from genpage.documents import parse
from genpage.event import Event
from genpage.injection import inject
from genpage.request import PageRequest
from genpage.sources import Sources
from genpage.trends import TrendCounter
from tokenizer.prompt import PromptEncoder
from tokenizer.symbols import SYMBOL_IDS
from training.examples import REPEATED, Example, ExampleBuilder
from training.pages import Pages
from training.timeline import TICK_S, Timeline

FOREVER = float("inf")


@pytest.fixture(scope="module")
def encoder(timeline: Timeline) -> PromptEncoder:
    """Prompts of at most 32 events."""
    return PromptEncoder(timeline.vocabulary, history_tokens=128)


def builder(
    timeline: Timeline, pages: Pages, encoder: PromptEncoder, until: float = FOREVER
) -> ExampleBuilder:
    """A builder over all pages."""
    return ExampleBuilder(timeline, pages, encoder, until=until)


def built(examples: ExampleBuilder, page: int, split: float = 0.0) -> Example:
    """The example of a page."""
    return examples.build(page, np.random.default_rng(0), split=split)


def context_before(folder: DataFolder, user_id: str, at: float) -> Context:
    """The member's context as a store would hold it just before ``at``."""
    context = Context(user_id)
    for line in folder.profiles().iter_rows(named=True):
        if line["user_id"] == user_id:
            context = apply_profile(context, profile_of(line))
    for line in folder.events().iter_rows(named=True):
        if line["user_id"] == user_id and line["ts"] < at:
            context = apply_event(context, parse(Event, line))
    return context


@pytest.mark.parametrize("page", [0, 40, 95])
def test_the_prompt_is_the_one_that_serving_would_encode(
    folder: DataFolder, timeline: Timeline, pages: Pages, encoder: PromptEncoder, page: int
) -> None:
    """The sequence begins with the prompt of the context, trends and clock of that moment."""
    at, user_id = float(pages.ts[page]), pages.user_ids[page]
    counter = TrendCounter(timeline.catalog)
    tick = at // TICK_S * TICK_S
    for line in folder.events().iter_rows(named=True):
        if line["ts"] < tick:
            counter.add(line["entity_id"], line["ts"])
    prompt = encoder.encode(
        context_before(folder, user_id, at),
        PageRequest(user_id, at, device="tv"),
        inject(timeline.catalog, counter.snapshot(), tick),
    )
    example = built(builder(timeline, pages, encoder), page)
    assert example.tokens[: len(prompt.tokens)].tolist() == prompt.tokens.tolist()
    assert np.array_equal(example.tokens[len(prompt.tokens) :], pages.tokens[pages.tokens_of(page)])


@pytest.mark.parametrize("source", ["history", "in_session"])
def test_next_titles_are_asked_where_the_prompt_tells_events(
    timeline: Timeline, pages: Pages, encoder: PromptEncoder, source: str
) -> None:
    """Behind each event that is told, and at ``<next>``, as with all of them."""
    held = replace(encoder, sources=Sources.without([source]))
    page = len(pages) - 1
    whole = built(builder(timeline, pages, encoder), page)
    part = built(builder(timeline, pages, held), page)
    ends = SYMBOL_IDS["<new>"], SYMBOL_IDS["<next>"]
    told = int(np.flatnonzero(part.tokens == ends[0])[0])
    inside = part.titles.positions < told
    assert np.array_equal(part.titles.tokens[inside], whole.titles.tokens[: inside.sum()])
    assert np.array_equal(part.titles.positions[inside], whole.titles.positions[: inside.sum()])
    assert (part.tokens[part.titles.positions[~inside]] == ends[1]).all()
    assert len(part.entities.tokens) == len(whole.entities.tokens)


def test_page_targets_are_the_next_tokens(
    timeline: Timeline, pages: Pages, encoder: PromptEncoder
) -> None:
    """Each page token is predicted from the token before it, a row first, from ``<page>``."""
    example = built(builder(timeline, pages, encoder), 50)
    for targets in (example.rows, example.entities):
        assert np.array_equal(example.tokens[targets.positions + 1], targets.tokens)
    assert len(example.rows.tokens) == 3
    assert len(example.entities.tokens) == 12
    first = int(example.rows.positions[0])
    assert timeline.vocabulary.word(int(example.tokens[first])) == "<page>"


@pytest.mark.parametrize("split", [0.0, 1.0])
@pytest.mark.parametrize("most", [1, 2, 3, 4, 9])
def test_tails_of_short_rows_are_targets_behind_the_last_told(
    timeline: Timeline, pages: Pages, encoder: PromptEncoder, most: int, split: float
) -> None:
    """The sequence lacks the tails alone; each is predicted behind its row's last title there."""
    held = replace(encoder, serialised=most)
    for page in range(0, len(pages), 7):
        whole = built(builder(timeline, pages, encoder), page, split)
        short = built(builder(timeline, pages, held), page, split)
        kept = np.ones(len(whole.tokens), np.bool_)
        kept[(whole.entities.positions + 1)[whole.entities.columns >= most]] = False
        assert np.array_equal(short.tokens, whole.tokens[kept])
        assert np.array_equal(short.entities.tokens, whole.entities.tokens)
        assert np.array_equal(short.entities.weights, whole.entities.weights)
        assert np.array_equal(short.entities.columns, np.tile(range(4), 3))
        assert np.array_equal(short.entities.told, short.entities.columns < most)
        # Where a token of the whole sequence stands in the short one: with what is told up to it.
        place = np.cumsum(kept) - 1
        for targets, full in ((short.rows, whole.rows), (short.entities, whole.entities)):
            assert np.array_equal(targets.positions, place[full.positions])
            told = targets.positions[targets.told] + 1
            assert np.array_equal(short.tokens[told], targets.tokens[targets.told])


def test_title_targets_are_the_members_next_events(
    timeline: Timeline, pages: Pages, encoder: PromptEncoder
) -> None:
    """After each event comes the next one's title; at ``<next>`` the first one after the page."""
    page = 24 * 3 + 5
    example = built(builder(timeline, pages, encoder), page)
    histories = timeline.histories
    member = histories.member(pages.user_ids[page])
    assert member is not None
    events = histories.events_of(member)
    titles, first = histories.entity[events], timeline.first_time[events]
    assert example.titles.tokens.tolist() == [*titles[1:7].tolist(), titles[6]]
    words = [timeline.vocabulary.word(int(example.tokens[p])) for p in example.titles.positions]
    assert words[-1] == "<next>"
    assert all(word.startswith("duration:") for word in words[:-1])
    expected = [1.0 if seen else REPEATED for seen in [*first[1:7], first[6]]]
    assert example.titles.weights.tolist() == pytest.approx(expected)


def test_no_target_lies_beyond_the_training_days(
    timeline: Timeline, pages: Pages, encoder: PromptEncoder
) -> None:
    """A title whose event falls on the held-out day is not a target, wherever it stands."""
    until = day_start("2026-01-04")
    page = 24 * 2 + 5
    bounded = built(builder(timeline, pages, encoder, until), page)
    free = built(builder(timeline, pages, encoder), page)
    histories = timeline.histories
    member = histories.member(pages.user_ids[page])
    assert member is not None
    before = int((histories.ts[histories.events_of(member)] < until).sum())
    assert before == 6
    assert len(free.titles.tokens) == len(bounded.titles.tokens)
    last = built(builder(timeline, pages, encoder, float(pages.ts[page])), page)
    assert len(last.titles.tokens) == len(free.titles.tokens) - 2


def test_a_split_page_says_what_was_done_on_its_first_rows(
    timeline: Timeline, pages: Pages, encoder: PromptEncoder
) -> None:
    """Some rows, what the member did on them, ``<page>``, the further rows; all still targets."""
    for page in range(len(pages)):
        whole = built(builder(timeline, pages, encoder), page)
        split = built(builder(timeline, pages, encoder), page, split=1.0)
        words = [timeline.vocabulary.word(int(token)) for token in split.tokens]
        added = len(split.tokens) - len(whole.tokens)
        at = words.index("<acted>")
        assert words[at + added - 1] == "<page>"
        assert words[at + added].startswith("row:")
        assert (added - 2) % 4 == 0
        shown = {word for word in words[:at] if word.startswith("entity:")}
        assert {words[at + 1 + 4 * n] for n in range((added - 2) // 4)} <= shown
        assert np.array_equal(np.delete(split.tokens, range(at, at + added)), whole.tokens)
        assert np.array_equal(split.rows.tokens, whole.rows.tokens)
        for targets in (split.rows, split.entities):
            assert np.array_equal(split.tokens[targets.positions + 1], targets.tokens)


def test_some_split_page_has_engagements(
    timeline: Timeline, pages: Pages, encoder: PromptEncoder
) -> None:
    """Among split pages there are ones with engagements above the split."""
    lengths = [
        len(built(builder(timeline, pages, encoder), page, split=1.0).tokens)
        - len(built(builder(timeline, pages, encoder), page).tokens)
        for page in range(24)
    ]
    assert max(lengths) == 2 + 2 * 4
    assert min(lengths) == 2
