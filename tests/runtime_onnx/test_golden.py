"""The golden gate: what a replica computes must be what was judged at export."""

from collections.abc import Callable
from pathlib import Path

import pytest
from forgery import Document, copied, cover_up, edit
from tiny import tiny_bundle

import runtime.golden
from genpage.errors import BundleError
from runtime.golden import recorded_alike
from runtime.model import LoadedModel, LoadSettings
from runtime.sessions import SessionSettings

ONE = LoadSettings(slots=1, session=SessionSettings(1))


def _other_title(document: Document) -> None:
    """The first row begins with the title that it ended with."""
    titles = document["cases"][2]["page"]["rows"][0]["entity_ids"]
    titles[0], titles[-1] = titles[-1], titles[0]


def _fewer_rows(document: Document) -> None:
    document["cases"][2]["page"]["rows"].pop()


def _other_score(document: Document) -> None:
    document["cases"][1]["scores"][0] += 100.0


def _other_prompt(document: Document) -> None:
    document["cases"][0]["prompt"][3] += 1


def _other_history(document: Document) -> None:
    document["cases"][2]["member"]["context"]["events"].pop()


def _item_beyond(document: Document) -> None:
    document["cases"][0]["items"][0] = 10_000


def _item_before(document: Document) -> None:
    document["cases"][0]["items"][0] = -1


def _no_cases(document: Document) -> None:
    document["cases"] = []


def _no_page(document: Document) -> None:
    del document["cases"][0]["page"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_other_title, "golden member regular: row 0 of the page differs"),
        (_fewer_rows, "golden member regular: row 2 of the page differs"),
        (_other_score, "golden member beginner: scores differ"),
        (_other_prompt, "golden member newcomer: .* another prompt"),
        (_other_history, "golden member regular: .* another prompt"),
        (_item_beyond, "golden member newcomer: its scores are not the catalog's"),
        (_item_before, "cases.0.items.0"),
        (_no_cases, "no golden pages"),
        (_no_page, "cases.0.page"),
    ],
)
def test_another_outcome_is_refused(
    fp32_bundle: Path, tmp_path: Path, change: Callable[[Document], None], complaint: str
) -> None:
    """Whichever part of a case differs, the bundle does not serve, and the message says where."""
    bundle = copied(fp32_bundle, tmp_path)
    edit(bundle / "golden.json", change)
    cover_up(bundle)
    with pytest.raises(BundleError, match=complaint):
        LoadedModel.load(bundle, ONE)


def _elsewhere(manifest: Document) -> None:
    """Another CPU exported it, and left a wide margin."""
    manifest["made_with"]["cpu"] = "another"
    manifest["gate"]["tie_margin"] = 1e6


def test_a_tie_may_fall_the_other_way_elsewhere(fp32_bundle: Path, tmp_path: Path) -> None:
    """A different choice passes where the two logits lie within the recorded margin."""
    bundle = copied(fp32_bundle, tmp_path)
    edit(bundle / "golden.json", _other_title)
    edit(bundle / "manifest.json", _elsewhere)
    cover_up(bundle)
    assert LoadedModel.load(bundle, ONE).manifest.gate.tie_margin == 1e6


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_no_margin_counts_where_the_bundle_was_made(
    fp32_bundle: Path, int8_bundle: Path, tmp_path: Path, precision: str
) -> None:
    """The engine that made the golden pages gives the same ones on the same kind of machine."""
    bundle = copied(fp32_bundle if precision == "fp32" else int8_bundle, tmp_path)
    LoadedModel.load(bundle, ONE)
    edit(bundle / "golden.json", _other_title)
    edit(bundle / "manifest.json", lambda manifest: manifest["gate"].update(tie_margin=1e6))
    cover_up(bundle)
    with pytest.raises(BundleError, match="golden member regular: row 0 of the page differs"):
        LoadedModel.load(bundle, ONE)


@pytest.mark.parametrize("name", ["cpu", "onnxruntime"])
def test_another_cpu_or_onnxruntime_is_another_machine(int8_bundle: Path, name: str) -> None:
    """Either may round a float differently."""
    made_with = LoadedModel.load(int8_bundle, ONE).manifest.made_with
    assert recorded_alike(made_with)
    assert not recorded_alike({**made_with, name: "another"})
    assert not recorded_alike({key: value for key, value in made_with.items() if key != name})


def test_a_distance_that_is_no_number_is_refused(
    fp32_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the margin, and whatever the machine."""
    bundle = copied(fp32_bundle, tmp_path)
    edit(bundle / "golden.json", _other_title)
    edit(bundle / "manifest.json", _elsewhere)
    cover_up(bundle)
    monkeypatch.setattr(runtime.golden, "gap", lambda *_: float("nan"))
    with pytest.raises(BundleError, match="lie nan apart"):
        LoadedModel.load(bundle, ONE)


def test_random_weights_are_judged_by_scores_alone(tmp_path: Path) -> None:
    """Their pages may differ, their scores may not."""
    bundle = copied(tiny_bundle("fp32", random=True), tmp_path)
    edit(bundle / "golden.json", _other_title)
    cover_up(bundle)
    assert LoadedModel.load(bundle, ONE).manifest.random
    edit(bundle / "golden.json", _other_score)
    cover_up(bundle)
    with pytest.raises(BundleError, match="scores differ"):
        LoadedModel.load(bundle, ONE)


def test_other_weights_under_a_good_digest_are_noticed(
    fp32_bundle: Path, int8_bundle: Path, tmp_path: Path
) -> None:
    """A trunk that computes something else fails, whatever the manifest vouches for."""
    bundle = copied(fp32_bundle, tmp_path)
    for name in ("trunk.onnx", "trunk.onnx.data"):
        (bundle / name).write_bytes((int8_bundle / name).read_bytes())
    cover_up(bundle)
    with pytest.raises(BundleError, match="scores differ"):
        LoadedModel.load(bundle, ONE)
