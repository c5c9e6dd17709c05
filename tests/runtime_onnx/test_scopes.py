"""Heads over what members may see: the same bits as the whole head's, kept, bounded, carried on."""

import threading
from dataclasses import replace
from weakref import ref

import numpy as np
import pytest
from tiny import tiny_catalog, tiny_entity

from export.members import evening_after, made_up_members
from genpage.audience import Audience
from genpage.catalog import Catalog
from genpage.eligibility import Viewer
from genpage.entity import Entity
from genpage.row import Row
from genpage.rules import Rules
from genpage.trends import Trends
from runtime import scopes as scopes_module
from runtime import snapshot as snapshot_module
from runtime.arrays import FloatArray, IntArray
from runtime.engine import Engine
from runtime.head import CatalogHead
from runtime.job import PageJob
from runtime.model import LoadedModel, LoadSettings
from runtime.offline import job_of
from runtime.output import RowDecoded
from runtime.scope import Scope
from runtime.scopes import PAYS, Packed, Scopes
from runtime.sessions import SessionSettings

ROWS, WIDTH = 3, 64
AT = 1_700_000_000.0
SESSION = SessionSettings(1)
RULES = Rules.default()
HIDDEN: FloatArray = np.random.default_rng(1).standard_normal((5, WIDTH)).astype(np.float32)
VECTORS: FloatArray = np.random.default_rng(0).standard_normal((600, WIDTH)).astype(np.float32)
# Brazil is offered every tenth title; of those, some are for adults alone.
BRAZIL, CHILD = Viewer("BR", 18, None, None), Viewer("BR", 7, None, None)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catalogs of tests save little."""
    monkeypatch.setattr(scopes_module, "LEAST_SAVED", 1)


def catalog_of(numbers: range, gone: int | None = None) -> Catalog:
    """Films by number; one of them may no longer be offered in Brazil."""
    films = [
        Entity(
            f"e{n}",
            "film",
            f"Film {n}",
            countries=("BR",) if n % 10 == 0 and n != gone else ("US",),
            maturity=16 if n % 40 == 0 else 0,
        )
        for n in numbers
    ]
    return Catalog.build(films, [Row(f"r{n}", "browse", "All") for n in range(ROWS)])


def packing(tokens: IntArray, earlier: Packed | None) -> CatalogHead:
    """A head whose tokens are places in `VECTORS`."""
    before = earlier if isinstance(earlier, CatalogHead) else None
    return CatalogHead(tokens, lambda some: VECTORS[some], "int8", SESSION, before=before)


def scopes_of(catalog: Catalog, before: Scopes | None = None) -> Scopes:
    """Of a snapshot: three rows, then a token for each film's number."""
    rows = np.arange(ROWS, dtype=np.int32)
    numbers = np.array([int(film.id[1:]) for film in catalog.entities], np.int32)
    whole = packing(np.concatenate([rows, ROWS + numbers]), None)
    return Scopes(whole, rows, ROWS + numbers, packing, lambda items: items * WIDTH, before)


def audience_of(catalog: Catalog, viewer: Viewer = BRAZIL) -> Audience:
    """What such viewers may see."""
    return Audience.of(catalog, RULES, viewer, AT)


def packed_aside(scopes: Scopes, audience: Audience, asked: int = PAYS) -> None:
    """Ask so often, and wait for the thread that packs."""
    for number in range(asked):
        assert scopes.of(audience) is None
        assert bool(packers()) == (number == asked - 1)
    for thread in packers():
        thread.join()


def packers() -> list[threading.Thread]:
    """The threads that pack."""
    return [thread for thread in threading.enumerate() if thread.name == "packs a head"]


def ask(scopes: Scopes, audience: Audience) -> Scope | None:
    """Ask, and wait for what comes of it."""
    scope = scopes.of(audience)
    for thread in packers():
        thread.join()
    return scope


def test_it_is_packed_once_pages_ask_and_scores_the_same() -> None:
    """The first pages go by the whole head, those after them by a tenth of it."""
    catalog = catalog_of(range(500))
    scopes, audience = scopes_of(catalog), audience_of(catalog)
    packed_aside(scopes, audience)
    scope = scopes.of(audience)
    assert scope is not None
    scores = scope.head.scores(HIDDEN)
    assert scores.shape == (5, ROWS + 50)
    whole = scopes_of(catalog).whole.scores(HIDDEN)
    np.testing.assert_array_equal(scores[:, :ROWS], whole[:, :ROWS])
    entities = audience.entities
    assert entities is not None
    np.testing.assert_array_equal(
        scores[:, ROWS + scope.places[entities]], whole[:, ROWS + entities]
    )
    assert scopes.of(audience_of(catalog)) is scope  # the same set, made again


def test_a_head_holds_no_set_that_was_asked_for() -> None:
    """Sets are held, and bounded, by who keeps them: a head would hold them beyond that."""
    catalog = catalog_of(range(500))
    scopes, first, later = scopes_of(catalog), audience_of(catalog), audience_of(catalog)
    packed_aside(scopes, first)
    assert scopes.of(later) is scopes.of(first) is not None
    sets = [ref(first), ref(later)]
    del first, later
    assert [each() for each in sets] == [None, None]
    assert scopes.of(audience_of(catalog)) is not None  # made again, it fits as well


def test_a_process_that_ends_waits_for_what_is_being_packed() -> None:
    """The interpreter joins threads that are no daemons; this one would be cut off in C++."""
    catalog = catalog_of(range(500))
    scopes, go_on = scopes_of(catalog), threading.Event()

    def waiting(tokens: IntArray, earlier: Packed | None) -> CatalogHead:
        go_on.wait()
        return packing(tokens, earlier)

    scopes._packing = waiting
    try:
        for _ in range(PAYS):
            scopes.of(audience_of(catalog))
        assert [thread.daemon for thread in packers()] == [False]
    finally:
        go_on.set()
        for thread in packers():
            thread.join()


def test_what_is_most_of_a_catalog_is_scored_with_all_of_it() -> None:
    """Nothing is packed, and nobody asks for it."""
    catalog = catalog_of(range(500))
    scopes = scopes_of(catalog)
    assert scopes.of(None) is None
    assert scopes.of(audience_of(catalog, Viewer("US", 18, None, None))) is None
    assert not packers()


def test_a_set_that_shrank_a_little_keeps_its_head() -> None:
    """One licence less, and the head has a score too many; a title more, and it is packed too."""
    catalog, fewer = catalog_of(range(500)), catalog_of(range(500), gone=30)
    scopes = scopes_of(catalog)
    scopes.pack(audience_of(fewer))
    smaller = scopes.of(audience_of(fewer))
    assert smaller is not None
    packed_aside(scopes, audience_of(catalog))
    larger = scopes.of(audience_of(catalog))
    assert larger is not None
    assert scopes.of(audience_of(fewer)) is larger
    heads = smaller.head, larger.head
    assert isinstance(heads[0], CatalogHead)
    assert isinstance(heads[1], CatalogHead)
    assert [part.pack.items for part in heads[1].parts] == [ROWS + 49, 1]
    assert heads[1].parts[0] is heads[0].parts[0]
    # Of children's there are fewer; they are other viewers, with a head of their own.
    packed_aside(scopes, audience_of(catalog, CHILD))
    child = scopes.of(audience_of(catalog, CHILD))
    assert child is not None
    assert child is not larger


def test_a_new_snapshot_takes_packs_along() -> None:
    """What was packed for the one before is not packed again."""
    before, after = catalog_of(range(500)), catalog_of(range(520))
    scopes = scopes_of(before)
    scopes.pack(audience_of(before))
    old = scopes.of(audience_of(before))
    later = scopes_of(after, scopes)
    packed_aside(later, audience_of(after), asked=1)
    new = later.of(audience_of(after))
    assert old is not None
    assert new is not None
    assert isinstance(old.head, CatalogHead)
    assert isinstance(new.head, CatalogHead)
    assert new.head.parts[0] is old.head.parts[0]
    assert [part.pack.items for part in new.head.parts] == [ROWS + 50, 2]


def test_what_is_packed_is_bounded() -> None:
    """Together no more than the whole head takes: who asked least lately goes."""
    catalog = catalog_of(range(500))
    scopes = scopes_of(catalog)
    viewers = [Viewer("BR", maturity, None, None) for maturity in range(18, 30)]
    for viewer in viewers:
        scopes.pack(audience_of(catalog, viewer))
    assert set(scopes.heads()) < set(viewers)
    assert viewers[0] not in scopes.heads()
    places = 4 * len(catalog.entities)
    assert sum(head.nbytes + places for head in scopes.heads().values()) <= scopes.whole.nbytes


def test_more_audiences_than_there_is_room_for_do_not_pack_in_turn() -> None:
    """They come one after the other, again and again; those that are asked for most are kept."""
    catalog = catalog_of(range(500))
    scopes = scopes_of(catalog)
    packs: list[int] = []

    def counted(tokens: IntArray, earlier: Packed | None) -> CatalogHead:
        packs.append(len(tokens))
        return packing(tokens, earlier)

    scopes._packing = counted
    crowd = [audience_of(catalog, Viewer("BR", age, None, None)) for age in range(18, 43)]
    for _ in range(20):
        for audience in crowd:
            ask(scopes, audience)
    held = set(scopes.heads())
    assert 4 < len(held) < len(crowd)
    assert len(packs) == len(held)
    # One of those that are not held comes in its own right, once it comes more than twice as often.
    late = next(each for each in crowd if each.viewer not in held)
    asked = next(number for number in range(100) if ask(scopes, late) is not None)
    assert 20 < asked < 60
    assert len(packs) == len(held) + 1


def test_heads_of_earlier_snapshots_are_held_within_the_bound_and_outlive_the_next() -> None:
    """Nobody asks between two snapshots, or between three; what was packed is packed no more."""
    catalog = catalog_of(range(500))
    scopes = scopes_of(catalog)
    audience = audience_of(catalog)
    scopes.pack(audience)
    first = scopes.heads()[BRAZIL]
    for _ in range(3):
        scopes = scopes_of(catalog, scopes)
        assert scopes.heads() == {BRAZIL: first}
    for age in range(19, 43):
        scopes.pack(audience_of(catalog, Viewer("BR", age, None, None)))
        assert sum(head.nbytes for head in scopes.heads().values()) <= scopes.whole.nbytes
    assert BRAZIL not in scopes.heads()
    smaller = catalog_of(range(120))
    later = scopes_of(smaller, scopes)
    assert 0 < sum(head.nbytes for head in later.heads().values()) <= later.whole.nbytes


def test_a_head_larger_than_the_room_is_not_packed() -> None:
    """As float32 of a quarter beside integers of all: its pages go by the whole one."""
    catalog = catalog_of(range(500))
    numbers = np.arange(500, dtype=np.int32)
    rows = np.arange(ROWS, dtype=np.int32)
    whole = packing(np.concatenate([rows, ROWS + numbers]), None)
    scopes = Scopes(whole, rows, ROWS + numbers, packing, lambda items: items * WIDTH * 10)
    audience = audience_of(catalog)
    for _ in range(3 * PAYS):
        assert ask(scopes, audience) is None
    assert not scopes.heads()
    # Nor held where it turns out so.
    scopes._most = 100
    scopes.pack(audience)
    assert not scopes.heads()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_packing_that_fails_is_not_tried_for_every_page() -> None:
    """As for want of memory: pages go on by the whole head, and it is tried again later."""
    catalog = catalog_of(range(500))
    scopes, audience = scopes_of(catalog), audience_of(catalog)
    tries: list[int] = []

    def failing(tokens: IntArray, _: Packed | None) -> CatalogHead:
        tries.append(len(tokens))
        raise MemoryError

    scopes._packing = failing
    for _ in range(2 * PAYS):
        assert ask(scopes, audience) is None
    assert len(tries) == 2


@pytest.mark.parametrize(
    ("name", "screened_from"), [("fp32_bundle", 9_999), ("fp32_bundle", 9), ("int8_bundle", 9)]
)
def test_pages_are_the_same_by_either_head(
    name: str,
    screened_from: int,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a real model; members may see less than a quarter of the catalog, newcomers in it."""
    monkeypatch.setattr(snapshot_module, "SCREENED_FROM", screened_from)
    model = LoadedModel.load(request.getfixturevalue(name), LoadSettings(4, session=SESSION))
    mine = tiny_catalog(64)
    abroad = [replace(tiny_entity(n), countries=(f"C{n % 10}",)) for n in range(100, 500)]
    catalog = Catalog.build([*mine.entities[:30], *abroad, *mine.entities[30:]], mine.rows)
    model = model.with_catalog(catalog, Trends.none(catalog))
    at = evening_after(catalog, None)
    members = made_up_members(catalog, model.rules, model.trends, at, seed=3)
    scoped, model.snapshot.scopes._most = 0, 1 << 30  # room for all
    for member in members:
        # Exact scores of everything, which a screened model's pages go by nowhere else.
        whole, some = replace(job_of(model, member), scope=None), job_of(model, member)
        audience = some.grammar.audience
        assert audience is not None
        if audience.entities is None:
            continue  # of those who may see all
        scoped += 1
        if audience.viewer not in model.snapshot.scopes.heads():
            model.snapshot.scopes.pack(audience)
        scope = model.scope(audience)
        assert scope is not None
        assert (scope.refining is not None) == (name == "fp32_bundle" and screened_from == 9)
        rows = decoded(whole)
        assert decoded(replace(some, scope=scope)) == rows
        everywhere = model.scope(None)
        assert (everywhere is None) == (scope.refining is None)
        assert decoded(replace(job_of(model, member), scope=everywhere)) == rows
    assert scoped > 1


def decoded(job: PageJob) -> list[tuple[int, tuple[int, ...]]]:
    """A page's rows."""
    engine = Engine()
    engine.submit(job)
    outputs = engine.step()
    while engine.busy:
        outputs += engine.step()
    return [(each.row, each.entities) for each in outputs if isinstance(each, RowDecoded)]
