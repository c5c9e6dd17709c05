"""Writing a bundle: whole, new each time, never over another one unasked."""

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from tiny import tiny_bundle

from export.bundle import CAPACITY, STEPS, Step, export_bundle
from genpage.cli import main
from genpage.context import Context
from genpage.errors import UsageError
from genpage.event import Event
from genpage.injection import Injection
from genpage.request import PageRequest
from genpage.sources import Sources
from model.checkpoint import Checkpoint
from model.config import ModelConfig, Size
from model.drafts import DRAFTS, DraftHead
from runtime.bundle import Bundle
from runtime.model import LoadedModel, LoadSettings
from runtime.trunk import SPARE_TOKENS
from tokenizer.signals import SIGNALS, Signals


def test_the_manifest_tells_where_it_comes_from(checkpoint: Checkpoint, int8_bundle: Path) -> None:
    """Checkpoint, shape, precision, versions."""
    manifest = Bundle.open(int8_bundle).manifest
    assert manifest.checkpoint == checkpoint.lineage.version
    assert manifest.vocabulary == checkpoint.vocabulary.digest
    assert manifest.catalog == checkpoint.catalog.version
    assert manifest.trunk.capacity == CAPACITY
    assert (manifest.precision, manifest.trunk.weight_bits) == ("int8", 7)
    assert {"torch", "onnx", "onnxruntime", "cpu"} <= set(manifest.made_with)
    assert not manifest.random
    assert Bundle.open(tiny_bundle("fp32", random=True)).manifest.random


def test_serving_reads_what_was_trained_with(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Its prompts leave out what the checkpoint's do, its gates are closed, its rows as short."""
    off = Sources.without(["history", "trending", "together"])
    opened = {**checkpoint.weights, "signals.bias": torch.ones(SIGNALS)}
    lists = Signals.none(checkpoint.vocabulary.size)
    chosen = replace(checkpoint, weights=opened, sources=off, serialised=3, signals=lists)
    export_bundle(chosen, tmp_path / "bundle", precision="fp32")
    model = LoadedModel.load(tmp_path / "bundle", LoadSettings(slots=1))
    assert model.encoder.sources == off
    assert model.serialised == model.encoder.serialised == 3
    context = Context("u", events=(Event("v", "u", "e1", "play", 1_700_000_000.0),))
    prompt = model.encoder.encode(
        context, PageRequest("u", 1_700_000_060.0), Injection(trending=("e2",))
    )
    assert not len(prompt.inside("history"))
    assert not len(prompt.inside("trending"))
    assert model.asking is not None
    assert not model.asking.gate_weight.any()
    assert not model.asking.gate_bias.any()


def test_a_bundle_has_the_draft_head_of_its_checkpoint(
    checkpoint: Checkpoint, fp32_bundle: Path, tmp_path: Path
) -> None:
    """Each of its tensors is a file; the bundle of a checkpoint without a head has none."""
    head = DraftHead(checkpoint.config.width, 8)
    head.initialise(2)
    with_head = replace(checkpoint, extra={DRAFTS: head.to_bytes()})
    export_bundle(with_head, tmp_path / "bundle", precision="fp32")
    drafts = Bundle.open(tmp_path / "bundle").contents.drafts
    assert drafts is not None
    for name, value in head.state_dict().items():
        np.testing.assert_array_equal(np.load(tmp_path / "bundle" / f"drafts.{name}.npy"), value)
        np.testing.assert_array_equal(getattr(drafts, name.replace(".", "_")), value)
    assert Bundle.open(fp32_bundle).contents.drafts is None
    assert not list(fp32_bundle.glob("drafts.*"))


def test_a_second_export_replaces_the_first_only_when_forced(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """The versions differ, the trunks do not; nothing else is left in the folder."""
    target, told = tmp_path / "bundle", list[tuple[Step, float]]()
    first = export_bundle(
        checkpoint, target, precision="fp32", report=lambda *news: told.append(news)
    )
    assert told == sorted(told, key=lambda news: (STEPS.index(news[0]), news[1]))
    # Nothing to try a float32 bundle beside.
    assert [*dict.fromkeys(step for step, _ in told)] == [step for step in STEPS if step != "try"]
    with pytest.raises(UsageError, match="exists already"):
        export_bundle(checkpoint, target, precision="fp32")
    second = export_bundle(checkpoint, target, precision="fp32", force=True)
    assert Bundle.open(target).manifest == second
    assert first.version != second.version
    same = ("trunk.onnx", "trunk.onnx.data", "golden.json", "inputs.rows.npy")
    assert all(first.files[name] == second.files[name] for name in same)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


@pytest.fixture
def saved(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    """The checkpoint on disk."""
    checkpoint.save(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def test_the_command_writes_a_bundle_and_says_how_near_it_is(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """int8 unless told otherwise; the last line of stdout is the report, stderr has no warning."""
    out = tmp_path / "bundle"
    main(["export", str(saved), "--out", str(out), "--json"])
    told = capsys.readouterr()
    document = json.loads(told.out.splitlines()[-1])
    manifest = Bundle.open(out).manifest
    assert document["version"] == manifest.version
    assert document["precision"] == manifest.precision == "int8"
    assert document["parity"]["max_logit_error"] == manifest.parity.max_logit_error
    assert "arning" not in told.err
    assert "orchvision" not in told.err


@pytest.mark.parametrize(
    ("flags", "code", "complaint"),
    [
        (["--precision", "bf16"], 2, "--device cpu cannot judge a bf16 bundle"),
        (["--precision", "fp16", "--device", "cuda"], 2, "CUDAExecutionProvider"),
        (["--precision", "int4"], 2, "'fp32', 'int8', 'fp16' or 'bf16'"),
        (["--out", "."], 2, "exists already"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(
    saved: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    code: int,
    complaint: str,
) -> None:
    """In one line, with the exit code of a usage error."""
    with pytest.raises(SystemExit) as caught:
        main(["export", str(saved), "--out", str(tmp_path / "bundle"), *flags])
    assert caught.value.code == code
    told = capsys.readouterr().err
    assert complaint in told
    assert "Traceback" not in told
    assert not (tmp_path / "bundle").exists()


def test_no_checkpoint_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is none."""
    with pytest.raises(SystemExit) as caught:
        main(["export", str(tmp_path), "--out", str(tmp_path / "bundle")])
    assert caught.value.code == 1
    assert "is no checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize("size", get_args(Size))
def test_the_network_reaches_as_far_as_a_slot(size: Size) -> None:
    """What a server may hold in a KV slot, training and the slow twin can compute too."""
    assert ModelConfig.of_size(size).positions >= CAPACITY + SPARE_TOKENS
