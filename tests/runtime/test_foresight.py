"""What a draft head foretells: it changes no page, and saves passes where it is right."""

from dataclasses import replace
from functools import partial
from itertools import count

import numpy as np
import pytest
from draft_heads import draft_arrays
from drafting import Seer, decode, eager
from engines import run
from hypothesis import given
from pages import SERIALISED, library, of_member, plan, random_plan, rows_of
from strategies import World, worlds

from genpage.errors import BundleError
from runtime import chooser
from runtime.draft_head import DraftHead
from runtime.engine import Engine
from runtime.fake import FakeModel
from runtime.foresight import Foresight
from runtime.foretold import Foretold
from runtime.limits import Limits
from runtime.pace import Pace
from runtime.tables import FusedTable

WIDTH, OWN, ROWS, ENTITIES = 16, 8, 3, 40
NUMBERS = np.random.default_rng(5)


def table() -> FusedTable:
    """Of vectors for rows and entities, whose tokens begin at 10."""
    count = 10 + ROWS + ENTITIES
    return FusedTable(
        rows=NUMBERS.normal(size=(count, WIDTH)).astype(np.float32),
        projection=np.zeros((2, WIDTH), np.float32),
        gate_weight=np.zeros(WIDTH, np.float32),
        gate_bias=np.zeros((), np.float32),
    )


def trusting() -> Pace:
    """A pace that takes the draft head's word for everything."""
    pace = eager(0.5)
    pace._hits |= {source: pace._tries[source] for source in pace._hits if "foretold" in source}
    return pace


@given(worlds())
def test_nothing_foretold_changes_a_page(world: World) -> None:
    """Greedy or sampled, rows whole or short, right or wrong from first to last."""
    chance = world.chance
    page = random_plan(chance, world.catalog)
    model = FakeModel.of(
        page.catalog,
        levels=chance.choice((None, 3)),
        steady=chance.choice((0.0, 0.7)),
        serialised=chance.choice(SERIALISED),
    )
    seer = Seer(model, knows=chance.random() < 0.7)
    model = replace(model, foresight=seer)
    pace = chance.choice((eager(0.5), eager(1.0), trusting()))
    rows, _ = decode(page.job(model), model, pace)
    assert tuple(rows) == page.naive(model)


@pytest.mark.parametrize(("serialised", "most"), [(None, 14), (4, 4)])
def test_a_page_that_is_foretold_takes_few_passes(
    monkeypatch: pytest.MonkeyPatch, serialised: int | None, most: int
) -> None:
    """The scores of such a fake say nothing of the next ones, so all of it is the head's work."""
    monkeypatch.setattr(chooser, "SHORTLIST", 10_000)
    page = plan(library())
    model = FakeModel.of(page.catalog, serialised=serialised)
    rows, passes = decode(page.job(model), model, eager(1.0))
    model = replace(model, foresight=Seer(model))
    foretold, fewer = decode(page.job(model), model, trusting())
    assert foretold == rows
    assert len(fewer) <= most < len(passes)


def test_pages_of_bundles_with_and_without_a_head_share_an_engine() -> None:
    """As they do while one bundle takes the other's place."""
    page = plan(library())
    plain = FakeModel.of(page.catalog, steady=0.7)
    rows, _ = decode(page.job(plain), plain, None)
    engine = Engine(Limits(batch=4, queue=4, warm=0), clock=partial(next, count(step=1e-6)))
    for number in range(6):
        model = replace(plain, foresight=Seer(plain)) if number % 2 else plain
        engine.submit(of_member(f"m{number}", page).job(model, f"p{number}"))
    outputs = run(engine)
    for number in range(6):
        assert rows_of(outputs, f"p{number}") == tuple(rows)
    guesses = engine.stats().guesses
    assert {"entity foretold", "entity kept"} <= set(guesses)
    assert all(0 <= right <= made for right, made in guesses.values())


def test_a_head_that_is_always_wrong_is_soon_left_alone() -> None:
    """What comes true is counted, and drafting goes by that."""
    page = plan(library())
    model = FakeModel.of(page.catalog)
    seer = Seer(model, knows=False)
    pace = Pace()
    pace.token = 0.1
    model = replace(model, foresight=seer)
    asked = []
    for _ in range(6):
        seer.asked = 0
        decode(page.job(model), model, pace)
        asked.append(seer.asked)
    assert pace.chance("entity foretold") < 0.5
    assert asked[-1] < asked[0]


def test_a_step_is_the_published_recurrence() -> None:
    """Written once more, plainly: normalise, widen, SiLU, and add to what was there."""
    held = draft_arrays(WIDTH, OWN)
    head = DraftHead.from_arrays(held, WIDTH)
    state = head.begin(NUMBERS.normal(size=WIDTH).astype(np.float32))
    embedding = NUMBERS.normal(size=WIDTH).astype(np.float32)
    both = np.concatenate([state, held["inputs"] @ embedding]).astype(np.float64)
    both = (both - both.mean()) / np.sqrt(both.var() + 1e-5)
    wide = held["wide.weight"] @ (both * held["norm.weight"] + held["norm.bias"])
    wide = wide + held["wide.bias"]
    after = state + held["back.weight"] @ (wide / (1 + np.exp(-wide))) + held["back.bias"]
    np.testing.assert_allclose(
        head.follow(state, head.hear(embedding)), after, rtol=1e-4, atol=1e-4
    )


def test_titles_are_scored_by_their_own_vectors() -> None:
    """By catalog index, whichever are asked for; and what was heard of a token once stays."""
    head, outputs = DraftHead.from_arrays(draft_arrays(WIDTH, OWN), WIDTH), table()
    items = np.arange(10, 10 + ROWS + ENTITIES, dtype=np.int32)
    foresight = Foresight(head, table(), outputs, ROWS, items)
    begun = foresight.begin(np.ones(WIDTH, np.float32))
    state = foresight.follow(begun, items[:3])
    np.testing.assert_array_equal(foresight.follow(begun, items[:3]), state)
    plain = outputs.at(items) @ head.outputs.T @ state
    np.testing.assert_allclose(foresight.rows(state), plain[:ROWS], rtol=1e-4, atol=1e-4)
    asked = np.array([39, 2, 30], np.int32)
    scores = foresight.titles(state, asked)
    np.testing.assert_allclose(scores, plain[ROWS + asked], rtol=1e-4, atol=1e-4)
    assert Foresight.holds(head, 1_000_000)
    assert not Foresight.holds(head, 1_000_000_000)


def test_what_is_not_a_number_is_a_guess_like_any_other() -> None:
    """A draft may be wrong and no more: the page is not ended by it."""
    page = plan(library())
    model = FakeModel.of(page.catalog, steady=0.7)
    rows, _ = decode(page.job(model), model, None)
    held = draft_arrays(4, OWN)
    held["state.weight"] = np.full((OWN, 4), 1e38, np.float32)
    rng = np.random.default_rng(1)
    vectors = FusedTable(
        rows=rng.normal(size=(4000, 4)).astype(np.float32),
        projection=np.zeros((2, 4), np.float32),
        gate_weight=np.zeros(4, np.float32),
        gate_bias=np.zeros((), np.float32),
    )
    items = np.concatenate([model.row_tokens, model.entity_tokens])
    head = DraftHead.from_arrays(held, 4)
    with np.errstate(all="ignore"):
        foresight = Foresight(head, vectors, vectors, len(model.row_tokens), items)
        model = replace(model, foresight=foresight)
        assert decode(page.job(model), model, trusting())[0] == rows


def test_a_head_that_was_bad_is_tried_again() -> None:
    """A later bundle's may be good, while other guesses are right often enough to stay first."""
    pace = Pace()
    for _ in range(2000):
        pace.tried("entity foretold", hit=False)
    assert pace.chance("entity foretold") < 0.1
    for _ in range(3000):
        pace.tried("entity kept", hit=True)
    assert pace.chance("entity kept") > 0.9
    assert pace.chance("entity foretold") > 0.7


def test_what_is_foretold_goes_on_from_the_page_each_time() -> None:
    """A draft that was made leaves nothing behind in the next one."""
    page = plan(library())
    model = FakeModel.of(page.catalog)
    model = replace(model, foresight=Seer(model))
    foretold = Foretold(model.foresight)
    assert not foretold.known
    with pytest.raises(RuntimeError, match="bug"):
        foretold.rows()
    hidden = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    foretold.begin(hidden, model.row_tokens[:1])
    first = foretold.rows()
    foretold.follow(model.entity_tokens[:2])
    assert not np.array_equal(foretold.rows(), first)
    foretold.begin(hidden, model.row_tokens[:1])
    np.testing.assert_array_equal(foretold.rows(), first)


@pytest.mark.parametrize("name", ["state.bias", "inputs", "wide.weight"])
def test_weights_of_another_shape_are_refused(name: str) -> None:
    """By name, with what to do; and those that are no numbers."""
    held = draft_arrays(WIDTH, OWN)
    held[name].flat[0] = np.nan
    with pytest.raises(BundleError, match=rf"drafts.{name} holds what is not a number"):
        DraftHead.from_arrays(held, WIDTH)
    held = draft_arrays(WIDTH, OWN)
    held[name] = held[name][:-1]
    with pytest.raises(BundleError, match="export the checkpoint again"):
        DraftHead.from_arrays(held, WIDTH)
    del held[name]
    with pytest.raises(BundleError, match=r"drafts\."):
        DraftHead.from_arrays(held, WIDTH)
