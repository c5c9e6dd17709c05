"""Parity: what strays from PyTorch is refused, and nothing of it is written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import tiny_checkpoint

from export.agreement import FP32_TIE_MARGIN
from export.bundle import export_bundle
from export.members import evening_after, made_up_members
from export.parity import Reference, judge
from genpage.errors import CheckpointError, ParityError
from model.checkpoint import Checkpoint
from runtime.cases import Member
from runtime.model import LoadedModel, LoadSettings
from runtime.sessions import SessionSettings


def load(bundle: Path) -> LoadedModel:
    """With one slot."""
    return LoadedModel.load(bundle, LoadSettings(1, SessionSettings(1)))


def members_of(model: LoadedModel) -> tuple[Member, ...]:
    """The golden members."""
    at = evening_after(model.catalog, None)
    return made_up_members(model.catalog, model.rules, model.trends, at)


def changed(checkpoint: Checkpoint, name: str, factor: float) -> Checkpoint:
    """The checkpoint with one weight scaled."""
    weights = dict(checkpoint.weights)
    weights[name] = weights[name] * factor
    return replace(checkpoint, weights=weights)


def test_fp32_is_within_rounding(checkpoint: Checkpoint, fp32_bundle: Path) -> None:
    """Every position's best titles and every page are PyTorch's."""
    model = load(fp32_bundle)
    parity = judge(Reference(checkpoint), model, members_of(model), random=False).parity
    assert parity == model.manifest.parity
    assert parity.max_logit_error < 1e-4
    assert parity.top1 == 1.0
    assert parity.pages_equal + parity.pages_tied == parity.pages == 6
    assert parity.positions > 1000
    assert model.manifest.gate.tie_margin == FP32_TIE_MARGIN


def test_int8_says_what_it_costs(checkpoint: Checkpoint, int8_bundle: Path) -> None:
    """Rounding errors are there, small beside the logits' spread, and reported."""
    model = load(int8_bundle)
    parity = judge(Reference(checkpoint), model, members_of(model), random=False).parity
    assert parity == model.manifest.parity
    assert 0.001 < parity.mean_logit_error / parity.logit_std < 0.1
    assert parity.top20 > 0.9
    assert parity.titles_shared > 0.5


@pytest.mark.parametrize("weight", ["trunk.norm.weight", "outputs.ids", "inputs.gate_bias"])
def test_any_part_that_strays_is_noticed(
    checkpoint: Checkpoint, fp32_bundle: Path, weight: str
) -> None:
    """A trunk, a head or an embedding a percent off fails, random weights or not."""
    model = load(fp32_bundle)
    reference = Reference(changed(checkpoint, weight, 1.01))
    for random in (False, True):
        with pytest.raises(ParityError, match="strays from PyTorch: its largest logit error"):
            judge(reference, model, members_of(model), random=random)


def test_int8_far_off_is_noticed(checkpoint: Checkpoint, int8_bundle: Path) -> None:
    """By the mean error."""
    model = load(int8_bundle)
    reference = Reference(changed(checkpoint, "outputs.ids", 0.5))
    with pytest.raises(ParityError, match="its mean logit error"):
        judge(reference, model, members_of(model), random=False)


def test_a_page_that_differs_is_refused_unless_the_weights_are_random(
    checkpoint: Checkpoint, fp32_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logits alike, another choice: a fault of the decoder."""
    model = load(fp32_bundle)
    reference = Reference(checkpoint)
    scores = reference.twin.scores

    def other(tokens: "np.ndarray[tuple[int], np.dtype[np.int32]]") -> object:
        # The page's second-best choice becomes the best one.
        found = scores(tokens).copy()
        found[np.argmax(found)] = found.min()
        return found

    monkeypatch.setattr(reference.twin, "scores", other)
    with pytest.raises(ParityError, match="fp32 pages differ from PyTorch's"):
        judge(reference, model, members_of(model), random=False)
    assert judge(reference, model, members_of(model), random=True).parity.pages == 0


def test_another_checkpoints_bundle_is_refused(checkpoint: Checkpoint, fp32_bundle: Path) -> None:
    """Its pages would differ for no fault of anybody's."""
    other = replace(checkpoint, lineage=replace(checkpoint.lineage, version="another"))
    model = load(fp32_bundle)
    with pytest.raises(CheckpointError, match=r"exported from the checkpoint tiny-0, .* another"):
        Reference(other).page(model, members_of(model)[0])


def test_nothing_is_written_where_parity_fails(tmp_path: Path) -> None:
    """Weights that are no numbers export to nothing, and what was there stays."""
    checkpoint = tiny_checkpoint()
    weights = dict(checkpoint.weights)
    weights["trunk.norm.weight"] = torch.full_like(weights["trunk.norm.weight"], torch.nan)
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "kept").write_text("as it was", "utf-8")
    with pytest.raises(ParityError, match=r"cannot be judged: .* not a number"):
        export_bundle(replace(checkpoint, weights=weights), target, precision="fp32", force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    assert (target / "kept").read_text("utf-8") == "as it was"
