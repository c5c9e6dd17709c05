"""What a snapshot's heads take of memory, and that loading tries all that pages are scored by."""

from pathlib import Path

import numpy as np
import pytest

from genpage.errors import BundleError
from rollout.memory import needed
from runtime import snapshot as snapshot_module
from runtime.arrays import FloatArray, IntArray
from runtime.exactness import is_exact_head
from runtime.fake import WIDTH, FakeHead
from runtime.head import CatalogHead
from runtime.model import LoadedModel, LoadSettings
from runtime.screen import Screen
from runtime.sessions import SessionSettings
from runtime.snapshot import packed_bytes

LOADING = LoadSettings(1, SessionSettings(1))
PLACES: IntArray = np.arange(3, 20, dtype=np.int32)


@pytest.fixture
def _screened(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the catalog were a large one."""
    monkeypatch.setattr(snapshot_module, "SCREENED_FROM", 9)


@pytest.mark.usefixtures("_screened")
def test_a_screened_catalog_is_held_once(fp32_bundle: Path) -> None:
    """As integers: no float32 scores of all are packed, and they are to be had all the same."""
    packed: list[int] = []
    of = CatalogHead.__init__

    def counted(head: CatalogHead, tokens: IntArray, *args: object, **how: object) -> None:
        if "fp32" in args:
            packed.append(len(tokens))
        of(head, tokens, *args, **how)  # type: ignore[arg-type]  # handed on as it came

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CatalogHead, "__init__", counted)
        model = LoadedModel.load(fp32_bundle, LOADING)
    assert isinstance(model.snapshot.scopes.whole, Screen)
    items = len(model.row_tokens) + len(model.entity_tokens)
    assert packed
    assert items not in packed
    tokens = np.concatenate([model.row_tokens, model.entity_tokens])
    vectors = model.snapshot.lexicon.output_vectors
    whole = CatalogHead(tokens, vectors, "fp32", LOADING.session)
    hidden: FloatArray = np.random.default_rng(0).standard_normal(
        (3, vectors(tokens[:1]).shape[1]), np.float32
    )
    np.testing.assert_array_equal(model.head.scores(hidden), whole.scores(hidden))


@pytest.mark.usefixtures("_screened")
def test_golden_pages_go_by_the_screen(fp32_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that gives other scores than the exact ones is refused as it is loaded."""
    assert LoadedModel.load(fp32_bundle, LOADING).exact
    refined = Screen.refined

    def wrong(screen: Screen, *args: object) -> tuple[IntArray, FloatArray]:
        places, scores = refined(screen, *args)  # type: ignore[arg-type]  # handed on as it came
        return places, -scores

    monkeypatch.setattr(Screen, "refined", wrong)
    with pytest.raises(BundleError, match="of the page differs"):
        LoadedModel.load(fp32_bundle, LOADING)


@pytest.mark.parametrize("name", ["fp32_bundle", "int8_bundle"])
@pytest.mark.parametrize("screened_from", [9, 9_999])
def test_the_memory_that_a_bundle_needs_counts_what_its_heads_take(
    name: str,
    screened_from: int,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That over the whole catalog, and those over what some may see up to as much again."""
    monkeypatch.setattr(snapshot_module, "SCREENED_FROM", screened_from)
    model = LoadedModel.load(request.getfixturevalue(name), LOADING)
    manifest = model.manifest
    head = packed_bytes(
        manifest.rows + manifest.entities, manifest.rows, manifest.trunk.width, manifest.precision
    )
    held = model.snapshot.scopes.whole.nbytes
    screened = isinstance(model.snapshot.scopes.whole, Screen)
    assert head - held == (8 * (manifest.rows + manifest.entities) if screened else 0)
    with_heads = needed(manifest, 1, 1)
    monkeypatch.setattr("rollout.memory.packed_bytes", lambda *_: 0)
    assert with_heads - needed(manifest, 1, 1) == 2 * head


class Alone(FakeHead):
    """A state alone scores a little more."""

    def scores(self, hidden: FloatArray) -> FloatArray:
        """Of all."""
        scores = super().scores(hidden)
        return np.nextafter(scores, np.float32(np.inf)) if len(hidden) == 1 else scores


class Part(FakeHead):
    """Some of a head's items; ``more`` is added to their scores."""

    def __init__(self, whole: FakeHead, more: float = 0.0) -> None:
        self._whole, self._more = whole, np.float32(more)

    def scores(self, hidden: FloatArray) -> FloatArray:
        """Of those at `PLACES`."""
        found: FloatArray = self._whole.scores(hidden)[:, PLACES] + self._more
        return found


def test_a_head_that_is_not_exact_is_found_out() -> None:
    """One that rounds a single state otherwise, or a smaller pack."""
    head = FakeHead(4, 30)
    assert is_exact_head(head, WIDTH, Part(head), PLACES)
    assert is_exact_head(head, WIDTH, None, PLACES)
    assert not is_exact_head(Alone(4, 30), WIDTH, None, PLACES)
    assert not is_exact_head(head, WIDTH, Part(head, 0.01), PLACES)


@pytest.mark.parametrize("name", ["fp32_bundle", "int8_bundle"])
def test_loading_tries_the_head_out(
    name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ``/version`` says of pages is true of their scores too."""
    folder = request.getfixturevalue(name)
    model = LoadedModel.load(folder, LOADING)
    assert model.exact
    scores = CatalogHead.scores

    def rounding(head: CatalogHead, hidden: FloatArray) -> FloatArray:
        found = scores(head, hidden)
        small = head.items < len(model.row_tokens) + len(model.entity_tokens)
        return np.nextafter(found, np.float32(np.inf)) if small else found

    monkeypatch.setattr(snapshot_module, "_TRIED", 20)
    monkeypatch.setattr(CatalogHead, "scores", rounding)
    assert not LoadedModel.load(folder, LOADING).exact
