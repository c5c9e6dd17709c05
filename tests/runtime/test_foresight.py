"""What a draft head foretells: it changes no page, and saves passes where it is right."""

from dataclasses import replace

import numpy as np
import pytest
from draft_heads import draft_arrays
from drafting import Seer, decode, eager
from hypothesis import given
from pages import SERIALISED, library, plan, random_plan
from strategies import World, worlds

from genpage.errors import BundleError
from runtime.draft_head import DraftHead
from runtime.fake import FakeHead, FakeModel
from runtime.foresight import Foresight
from runtime.foretold import Foretold
from runtime.pace import Pace
from runtime.scope import Scope
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
    seer = Seer(model.head, knows=chance.random() < 0.7)
    model = replace(model, foresight=seer)
    rows, _ = decode(page.job(model), model, eager(chance.choice((0.5, 1.0))))
    assert tuple(rows) == page.naive(model)


@pytest.mark.parametrize(("serialised", "most"), [(None, 14), (4, 4)])
def test_a_page_that_is_foretold_takes_few_passes(serialised: int | None, most: int) -> None:
    """The scores of such a fake say nothing of the next ones, so all of it is the head's work."""
    page = plan(library())
    model = FakeModel.of(page.catalog, serialised=serialised)
    rows, passes = decode(page.job(model), model, eager(1.0))
    model = replace(model, foresight=Seer(model.head))
    foretold, fewer = decode(page.job(model), model, trusting())
    assert foretold == rows
    assert len(fewer) <= most < len(passes)


def test_a_head_that_is_always_wrong_is_soon_left_alone() -> None:
    """What comes true is counted, and drafting goes by that."""
    page = plan(library())
    model = FakeModel.of(page.catalog)
    seer = Seer(model.head, knows=False)
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
    np.testing.assert_allclose(head.follow(state, embedding), after, rtol=1e-4, atol=1e-4)


def test_scores_stand_as_the_page_s_own_do() -> None:
    """Rows, then titles in catalog order; of a scope, those that are in it at their places."""
    head, outputs = DraftHead.from_arrays(draft_arrays(WIDTH, OWN), WIDTH), table()
    items = np.arange(10, 10 + ROWS + ENTITIES, dtype=np.int32)
    foresight = Foresight(head, table(), outputs, ROWS, items)
    state = foresight.follow(foresight.begin(np.ones(WIDTH, np.float32)), items[:3])
    scores = foresight.scores(state, None)
    np.testing.assert_allclose(
        scores, outputs.at(items) @ head.outputs.T @ state, rtol=1e-4, atol=1e-4
    )
    inside = np.array([2, 3, 30, 39])
    places = np.full(ENTITIES, len(inside), np.int32)
    places[inside] = np.arange(len(inside))
    for _ in range(2):
        narrow = foresight.scores(state, scope := Scope(FakeHead(ROWS, 4), places))
        np.testing.assert_allclose(narrow[:ROWS], scores[:ROWS], rtol=1e-5)
        few = narrow[ROWS : ROWS + len(inside)]
        np.testing.assert_allclose(few, scores[ROWS + inside], rtol=1e-5)
    everybody = Scope(scope.head, np.arange(ENTITIES, dtype=np.int32))
    np.testing.assert_array_equal(foresight.scores(state, everybody), scores)


def test_what_is_foretold_goes_on_from_the_page_each_time() -> None:
    """A draft that was made leaves nothing behind in the next one."""
    page = plan(library())
    model = FakeModel.of(page.catalog)
    model = replace(model, foresight=Seer(model.head))
    foretold = Foretold.of(page.job(model))
    assert foretold is not None
    assert not foretold.known
    with pytest.raises(RuntimeError, match="bug"):
        foretold.scores()
    hidden = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    foretold.begin(hidden, model.row_tokens[:1])
    first = foretold.scores()
    foretold.follow(model.entity_tokens[:2])
    assert not np.array_equal(foretold.scores(), first)
    foretold.begin(hidden, model.row_tokens[:1])
    np.testing.assert_array_equal(foretold.scores(), first)


@pytest.mark.parametrize("name", ["state.bias", "inputs", "wide.weight"])
def test_weights_of_another_shape_are_refused(name: str) -> None:
    """By name, with what to do."""
    held = draft_arrays(WIDTH, OWN)
    held[name] = held[name][:-1]
    with pytest.raises(BundleError, match="export the checkpoint again"):
        DraftHead.from_arrays(held, WIDTH)
    del held[name]
    with pytest.raises(BundleError, match=r"drafts\."):
        DraftHead.from_arrays(held, WIDTH)
