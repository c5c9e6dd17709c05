"""A loaded model: pages as PyTorch has them, whoever is decoded beside; new titles; rules."""

import gc
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import RELEASED, tiny_entity

from export.members import evening_after, made_up_members
from export.parity import Reference
from genpage.catalog import Catalog
from genpage.entity import Entity
from genpage.errors import InputError, RulesError, UsageError
from genpage.exploration import NO_EXPLORATION, Exploration
from genpage.promise import PROMISES
from genpage.row import Row
from genpage.rules import Rules
from genpage.trends import Trends
from model.checkpoint import Checkpoint
from runtime import lexicon
from runtime.cases import Member
from runtime.chunk import Chunk
from runtime.engine import Engine
from runtime.limits import Limits
from runtime.model import LoadedModel, LoadSettings
from runtime.offline import generate, job_of, prompt_of
from runtime.output import PageFailed, PageFinished, RowDecoded
from runtime.pace import Pace, Source
from runtime.sessions import SessionSettings
from streaming.catalog_messages import MOST_IN_VECTOR, of_change, read_change
from tokenizer.appeal import PageAppeal
from tokenizer.crowd import CROWDS, grained


@pytest.fixture(scope="module")
def fp32(fp32_bundle: Path) -> LoadedModel:
    """The fp32 bundle with slots for several pages."""
    return LoadedModel.load(fp32_bundle, LoadSettings(4, SessionSettings(1)))


@pytest.fixture(scope="module")
def int8(int8_bundle: Path) -> LoadedModel:
    """The int8 bundle with slots for several pages."""
    return LoadedModel.load(int8_bundle, LoadSettings(4, SessionSettings(1)))


def members_of(model: LoadedModel, seed: int) -> list[Member]:
    """Members that the golden pages have not seen, with pages of five rows."""
    at = evening_after(model.catalog, None)
    made = made_up_members(model.catalog, model.rules, model.trends, at, seed=seed)
    return [replace(m, request=replace(m.request, rows=5, entities_per_row=6)) for m in made]


def test_fp32_pages_are_pytorchs(fp32: LoadedModel, checkpoint: Checkpoint) -> None:
    """Cached and chunked, every page is the one that the plain twin decodes."""
    reference = Reference(checkpoint)
    members = members_of(fp32, seed=7)
    pages = list(generate(fp32, members))
    assert pages == [reference.page(fp32, member) for member in members]
    assert len({page.rows for page in pages}) == len(pages)


@pytest.mark.parametrize("name", ["fp32", "int8"])
def test_pages_do_not_depend_on_who_is_decoded_beside(
    name: str, request: pytest.FixtureRequest
) -> None:
    """Alone or four at once, in any order: the same pages."""
    model: LoadedModel = request.getfixturevalue(name)
    members = members_of(model, seed=8)
    alone = list(generate(model, members))
    assert list(generate(model, members, batch=4)) == alone
    assert list(generate(model, members[::-1], batch=3)) == alone[::-1]


class Eager(Pace):
    """Finds every guess worth it, and tells which came true."""

    def __init__(self) -> None:
        super().__init__()
        self.came_true: list[bool] = []

    def worth(self, chance: float, tokens: int, guessed: int) -> bool:  # noqa: ARG002 - not asked
        """Always."""
        return True

    def worth_a_look(self, source: Source, chance: float, tokens: int) -> bool:  # noqa: ARG002 - not asked
        """Always."""
        return True

    def tried(self, source: Source, *, hit: bool) -> None:
        """Remember it."""
        self.came_true.append(hit)
        super().tried(source, hit=hit)


def crowding(model: LoadedModel, seed: int) -> PageAppeal:
    """An appeal that no bundle of random weights has: rows promise, and titles crowd others."""
    numbers, titles = np.random.default_rng(seed), len(model.catalog.entities)
    content = numbers.normal(size=(titles, 5)).astype(np.float32)
    content /= np.linalg.norm(content, axis=1, keepdims=True)
    return PageAppeal.of(
        numbers.normal(size=titles).astype(np.float32),
        numbers.normal(size=PROMISES).astype(np.float32),
        grained(content),
        np.full(CROWDS, -2.0, np.float32),
    )


def drafting(
    model: LoadedModel, members: list[Member], pace: Pace | None, exploration: Exploration
) -> tuple[list[list[object]], int]:
    """Pages decoded together with drafts, or without: their rows' titles and chances; passes."""
    engine = Engine(Limits(batch=len(members), queue=0, speculation=pace is not None))
    engine._pace = pace
    pages: list[list[object]] = [[] for _ in members]
    passes = 0
    for number, member in enumerate(members):
        job = replace(job_of(model, member), appeal=crowding(model, number))
        engine.submit(replace(job, page_id=str(number), exploration=exploration))
    while engine.busy:
        for output in engine.step():
            assert not isinstance(output, PageFailed)
            if isinstance(output, RowDecoded):
                told = (output.row, output.entities, output.propensities)
                pages[int(output.page_id)].append(told)
            else:
                passes += output.forward_passes
    return pages, passes


@pytest.mark.parametrize("exploration", [NO_EXPLORATION, Exploration(0.2)])
@pytest.mark.parametrize("together", [1, 4])
@pytest.mark.parametrize("name", ["fp32", "int8"])
def test_drafts_change_no_page_of_a_bundle(
    name: str, together: int, exploration: Exploration, request: pytest.FixtureRequest
) -> None:
    """Verified in one pass by the real trunk and head, right and wrong ones: the pages are plain's.

    A pass scores many places at once where plain decoding scores one: each must round alike.
    """
    model: LoadedModel = request.getfixturevalue(name)
    members = members_of(model, seed=10)
    assert len(members) >= 4
    sampled = replace(members[0].request, temperature=0.7, seed=3)
    members[0] = replace(members[0], request=sampled)
    pace = Eager()
    for start in range(0, 4, together):
        group = members[start : start + together]
        plain, alone = drafting(model, group, None, exploration)
        drafted, passes = drafting(model, group, pace, exploration)
        assert drafted == plain
        assert passes < alone
    assert set(pace.came_true) == {True, False}


@pytest.mark.parametrize("name", ["fp32", "int8"])
def test_a_warm_prompt_gives_the_same_page(name: str, request: pytest.FixtureRequest) -> None:
    """A page from reused KV is the page from scratch, row by row."""
    model: LoadedModel = request.getfixturevalue(name)
    member = members_of(model, seed=9)[2]
    engine = Engine(Limits(batch=1, queue=0))
    told = []
    for _ in range(2):
        engine.submit(job_of(model, member))
        rows, cached = [], None
        while engine.busy:
            for output in engine.step():
                if isinstance(output, RowDecoded):
                    rows.append((output.row, output.entities))
                elif isinstance(output, PageFinished):
                    cached = output.cached_prompt_tokens
        told.append((rows, cached))
    (cold, none), (warm, reused) = told
    assert warm == cold
    assert none == 0
    assert reused == len(prompt_of(model, member.context, member.request).tokens) - 1


@pytest.fixture
def newer(fp32: LoadedModel) -> Catalog:
    """The catalog with a title and a row that the bundle has never seen."""
    title = replace(tiny_entity(99), released_at=RELEASED)
    row = Row("r-new", "editorial", "Chosen", entity_ids=("e99",))
    return Catalog.build([*fp32.catalog.entities, title], [*fp32.catalog.rows, row])


def test_a_new_title_gets_vectors_of_its_own(
    fp32_bundle: Path, checkpoint: Checkpoint, newer: Catalog
) -> None:
    """They are what the network's fusion makes of its fallback and its content."""
    model = LoadedModel.load(fp32_bundle, LoadSettings(1, SessionSettings(1)))
    grown = model.with_catalog(newer, Trends.none(newer))
    token = int(grown.entity_tokens[-1])
    assert token == grown.vocabulary.size - 1 == model.vocabulary.size + 1
    network = checkpoint.network()
    content = torch.from_numpy(grown.snapshot.lexicon.encoder.encode(newer.entities[-1:]))
    fallback = torch.tensor([grown.vocabulary.fallback_of(token)])
    for side, table in (
        (grown.snapshot.lexicon.inputs, network.inputs),
        (grown.snapshot.lexicon.outputs, network.outputs),
    ):
        with torch.inference_mode():
            expected = table.fuse(table.ids[fallback], content)[0].numpy()
        np.testing.assert_allclose(side.rows[token], expected, rtol=0, atol=1e-6)
        # The new row has no content: its fallback stands for it.
        row_token = int(grown.row_tokens[-1])
        fallback_row = side.rows[grown.vocabulary.fallback_of(row_token)]
        np.testing.assert_array_equal(side.rows[row_token], fallback_row)


def test_a_newer_snapshot_changes_no_known_score(fp32_bundle: Path, newer: Catalog) -> None:
    """Known titles keep their tokens and scores; the backend serves old and new pages alike."""
    model = LoadedModel.load(fp32_bundle, LoadSettings(1, SessionSettings(1)))
    grown = model.with_catalog(newer, Trends.none(newer))
    assert grown.backend is model.backend
    np.testing.assert_array_equal(grown.entity_tokens[:-1], model.entity_tokens)
    tokens = np.array([7, *model.entity_tokens[:5]], np.int32)
    hidden = model.backend.forward([Chunk(0, 0, tokens)])[0]
    before, after = model.head.scores(hidden)[0], grown.head.scores(hidden)[0]
    rows, titles = len(model.catalog.rows), len(model.catalog.entities)
    np.testing.assert_array_equal(after[:rows], before[:rows])
    np.testing.assert_array_equal(after[rows + 1 : rows + 1 + titles], before[rows:])
    fed = np.array([grown.entity_tokens[-1], grown.row_tokens[-1]], np.int32)
    assert np.isfinite(grown.backend.forward([Chunk(0, 0, fed)])[0]).all()


def test_a_newcomer_with_other_content_gets_another_token(
    fp32_bundle: Path, newer: Catalog
) -> None:
    """So no KV of what it was is hit; dates and a withdrawal in between change nothing."""
    model = LoadedModel.load(fp32_bundle, LoadSettings(1, SessionSettings(1)))
    title = newer.entities[-1]

    def snapshot(before: LoadedModel, *entities: Entity) -> LoadedModel:
        catalog = Catalog.build([*fp32_catalog, *entities], newer.rows[:-1])
        return before.with_catalog(catalog, Trends.none(catalog))

    fp32_catalog = model.catalog.entities
    first = snapshot(model, title)
    token = int(first.entity_tokens[-1])
    later = snapshot(first, replace(title, available_until=9e9))
    assert later.entity_tokens[-1] == token
    gone = snapshot(later)
    assert snapshot(gone, title).entity_tokens[-1] == token
    assert title.vector is not None
    other = snapshot(gone, replace(title, vector=title.vector[::-1]))
    fresh = int(other.entity_tokens[-1])
    assert fresh == first.vocabulary.size
    inputs, before = other.snapshot.lexicon.inputs.rows, first.snapshot.lexicon.inputs.rows
    np.testing.assert_array_equal(inputs[:fresh], before[:fresh])
    assert not np.array_equal(inputs[fresh], inputs[token])
    np.testing.assert_array_equal(other.entity_tokens[:-1], model.entity_tokens)
    # The old token is nobody's: a page that was made with it reads it as ever.
    assert other.vocabulary.item(token) != first.vocabulary.item(token)
    assert other.encoder.vocabulary.entity(title.id) == fresh
    assert other.encoder.digest == model.encoder.digest


def test_pages_under_way_keep_their_vectors_while_tokens_begin_anew(
    fp32_bundle: Path, newer: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as somebody holds their snapshot."""
    monkeypatch.setattr(lexicon, "LAPSED", 1)
    model = LoadedModel.load(fp32_bundle, LoadSettings(1, SessionSettings(1)))
    title = newer.entities[-1]
    assert title.vector is not None

    def snapshot(before: LoadedModel, *vector: float) -> LoadedModel:
        renewed = replace(title, vector=vector)
        catalog = Catalog.build([*model.catalog.entities, renewed], newer.rows[:-1])
        return before.with_catalog(catalog, Trends.none(catalog))

    vectors = [np.roll(title.vector, turn).tolist() for turn in range(6)]
    first = snapshot(model, *vectors[0])
    token = int(first.entity_tokens[-1])
    fed = np.array([7, token, int(model.entity_tokens[0])], np.int32)
    wanted = model.backend.forward([Chunk(0, 0, fed)])[0].copy()
    last = first
    for vector in vectors[1:]:
        last = snapshot(last, *vector)
    assert last.snapshot.lexicon.inputs.gap > 0
    assert not last.snapshot.lexicon.inputs.knows(token)
    assert last.encoder.digest == model.encoder.digest
    np.testing.assert_array_equal(last.entity_tokens[:-1], model.entity_tokens)
    np.testing.assert_array_equal(model.backend.forward([Chunk(0, 0, fed)])[0], wanted)
    fed[1] = last.entity_tokens[-1]
    assert not np.array_equal(model.backend.forward([Chunk(0, 0, fed)])[0], wanted)
    fed[1] = token
    del first
    gc.collect()
    with pytest.raises(RuntimeError, match="in no table"):
        model.backend.forward([Chunk(0, 0, fed)])
    # A replica that never saw the titles in between makes the same pages.
    other = snapshot(LoadedModel.load(fp32_bundle, LoadSettings(1, SessionSettings(1))), *vector)
    members = members_of(last, seed=4)[:3]
    assert list(generate(last, members)) == list(generate(other, members))


def test_a_newcomer_whose_content_cannot_be_told_serves_by_its_fallback(
    fp32_bundle: Path, newer: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A vector of another width than the model's must not cost everybody the snapshot."""
    model = LoadedModel.load(fp32_bundle, LoadSettings(1, SessionSettings(1)))

    def refuse(*_: object) -> None:
        raise InputError("another width")

    monkeypatch.setattr(type(model.snapshot.lexicon.encoder), "encode", refuse)
    grown = model.with_catalog(newer, Trends.none(newer))
    token = int(grown.entity_tokens[-1])
    table = grown.snapshot.lexicon.outputs.rows
    np.testing.assert_array_equal(table[token], table[grown.vocabulary.fallback_of(token)])


def test_a_page_can_show_a_new_title(fp32_bundle: Path, newer: Catalog) -> None:
    """With the new title alone in a pinned row, it stands on the page."""
    model = LoadedModel.load(fp32_bundle, LoadSettings(1, SessionSettings(1)))
    grown = model.with_catalog(newer, Trends.none(newer))
    pinned = grown.with_rules(Rules.parse("schema = 1\n[pins]\nr-new = 0\n"))
    page = next(generate(pinned, members_of(grown, seed=3)[:1]))
    assert page.rows[0].row_id == "r-new"
    assert page.rows[0].entity_ids == ("e99",)


@pytest.mark.parametrize("number", [1e9, 1e39, 1e308])
def test_no_vector_of_a_title_costs_anybody_a_page(
    fp32_bundle: Path, newer: Catalog, number: float
) -> None:
    """From the message, or from a catalog's file; only the vector's direction counts."""
    model = LoadedModel.load(fp32_bundle, LoadSettings(1, SessionSettings(1)))
    title = newer.entities[-1]
    assert title.vector is not None
    long = replace(title, vector=(number, *[0.0] * (len(title.vector) - 1)))
    if number <= MOST_IN_VECTOR:
        assert read_change(of_change(long, 0.0)) == long
    catalog = Catalog.build([*newer.entities[:-1], long], newer.rows)
    grown = model.with_catalog(catalog, Trends.none(catalog))
    short = replace(long, vector=(1.0, *long.vector[1:]) if long.vector else None)
    encoder = grown.snapshot.lexicon.encoder
    np.testing.assert_array_equal(encoder.encode([long]), encoder.encode([short]))
    pinned = grown.with_rules(Rules.parse("schema = 1\n[pins]\nr-new = 0\n"))
    page = next(generate(pinned, members_of(grown, seed=3)[:1]))
    assert page.rows[0].entity_ids == ("e99",)
    assert len(page.rows) == 5


def test_content_that_is_not_finite_is_not_taken(
    fp32_bundle: Path, newer: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever encoder it comes from: the title serves by its fallback."""
    model = LoadedModel.load(fp32_bundle, LoadSettings(1, SessionSettings(1)))
    encoder = model.snapshot.lexicon.encoder
    nothing = np.full((1, encoder.dim), np.nan, np.float32)
    monkeypatch.setattr(type(encoder), "encode", lambda *_: nothing)
    grown = model.with_catalog(newer, Trends.none(newer))
    assert np.isfinite(grown.snapshot.lexicon.outputs.rows).all()


def test_rules_must_fit_the_catalog(fp32: LoadedModel) -> None:
    """A pin of a row that is not there is refused, and the model keeps its rules."""
    with pytest.raises(RulesError, match="no such row"):
        fp32.with_rules(Rules.parse("schema = 1\n[pins]\nnowhere = 0\n"))


def test_settings_are_checked() -> None:
    """By name."""
    with pytest.raises(UsageError, match="slots"):
        LoadSettings(slots=0)
    with pytest.raises(UsageError, match="threads"):
        SessionSettings(threads=-1)


def test_serving_a_bundle_loads_no_torch() -> None:
    """Nor any other of the offline side's libraries."""
    offline = {"torch", "sklearn", "safetensors", "onnxscript", "onnx_ir", "model", "export"}
    code = (
        "import sys, runtime.model, runtime.registry\n"
        f"print(sorted({offline!r} & set(sys.modules)))"
    )
    told = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"


def test_one_module_imports_onnxruntime() -> None:
    """`runtime.sessions`."""
    folder = Path(sys.modules["runtime"].__path__[0])
    importers = [
        path.name
        for path in sorted(folder.glob("*.py"))
        if "import onnxruntime" in path.read_text("utf-8")
    ]
    assert importers == ["sessions.py"]
