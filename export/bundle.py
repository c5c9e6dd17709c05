"""A checkpoint becomes a bundle: traced, rounded, judged, recorded, tried out, and then renamed.

Everything is written to a temporary folder beside the target; what fails on the way leaves nothing
and touches nothing. The last step before the rename is the first of serving: the bundle is loaded
as a server would load it.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

import numpy as np
import onnx
import onnx_ir as ir
import onnxscript
import torch
from numpy.typing import NDArray

from export.halve import halve
from export.members import evening_after, made_up_members
from export.parity import Reference, judge
from export.quantise import quantise
from export.trunk import OPSET, trunk_graph
from genpage.documents import catalog_to_json
from genpage.errors import UsageError
from genpage.staging import staged
from model.appeal import weights_of
from model.checkpoint import Checkpoint
from model.drafts import DraftHead as TorchDraftHead
from model.fusion import FusedTable as TorchTable
from model.trained_on import MADE_WITH
from runtime import golden
from runtime.asking import Asking
from runtime.bundle import (
    APPEAL_PREFIX,
    ASKING_PREFIX,
    CATALOG,
    DRAFTS_PREFIX,
    ENCODER_PREFIX,
    GOLDEN,
    PACES,
    RULES,
    SIDES,
    TRENDS,
    TRUNK,
    TRUNK_DATA,
    VOCABULARY,
    Contents,
)
from runtime.cases import cases_to_json
from runtime.cpu import cpu_note
from runtime.device import CPU, Device
from runtime.draft_head import DraftHead
from runtime.lexicon import Lexicon
from runtime.manifest import (
    MANIFEST,
    FileRecord,
    Gate,
    Manifest,
    Parity,
    Precision,
    Rounding,
    TrunkRecord,
    cached_dtype,
)
from runtime.model import LoadedModel, LoadSettings
from runtime.sessions import SessionSettings, check_available, runtime_version
from runtime.signature import trunk_signature
from runtime.tables import FusedTable
from runtime.trunk import SPARE_TOKENS
from runtime.verified import file_digest
from runtime.weights import WEIGHT_BITS
from tokenizer.content import content_encoder
from tokenizer.signals import Heat, heard_of

# The longest prompt (569 tokens), the largest page that may be asked for (40 rows of 100 and their
# row tokens, 4,040), and some of it told again after engagements. A slot's memory is taken only as
# it is written, and attention's cost follows what is written (docs: docs/performance.md).
CAPACITY = 5120
Step = Literal["trace", "write", "judge", "record", "try", "load"]
STEPS: tuple[Step, ...] = get_args(Step)

# How far it is: the step, and the share of it that is done.
Report = Callable[[Step, float], None]
# What rounding costs members: of the rounded model and the float32 one, `ParityError` where that is
# too much. It is told whom to tell the share that is done.
Trial = Callable[[LoadedModel, LoadedModel, Callable[[float], None]], Rounding]


def export_bundle(
    checkpoint: Checkpoint,
    target: Path,
    *,
    precision: Precision = "int8",
    force: bool = False,
    device: Device = CPU,
    trial: Trial | None = None,
    report: Report = lambda _step, _share: None,
) -> Manifest:
    """Write the bundle of a checkpoint to ``target``, whole or not at all.

    It is judged, recorded and tried out on ``device``. An existing target is a `UsageError` unless
    ``force``, as is a precision that the device has no operators for; results too far from
    PyTorch's are a `ParityError`. An int8 bundle of trained weights must pass the ``trial``, where
    there is one, beside float32 of the same weights; what it tells goes into the manifest.
    """
    if target.exists() and not force:
        raise UsageError(f"{target} exists already; give another --out, or --force to replace it.")
    if precision not in device.precisions:
        raise UsageError(
            f"--device {device.name} cannot judge a {precision} bundle, since it cannot run one; "
            f"give another --device, or --precision {' or '.join(device.precisions)}."
        )
    check_available(device)
    # One slot: these models answer to nobody but the judge.
    loading = LoadSettings(slots=1, session=SessionSettings(device=device))
    with staged(target) as folder:
        report("trace", 0.0)
        _write_trunk(checkpoint, folder, precision)
        report("write", 0.0)
        contents = _write_contents(checkpoint, folder)
        draft = _draft(checkpoint, precision, device)
        report("judge", 0.0)
        model = LoadedModel.assemble(draft, "", contents, loading)
        members = made_up_members(
            contents.catalog,
            contents.rules,
            contents.trends,
            evening_after(contents.catalog, checkpoint.lineage.trained_on),
        )
        judgement = judge(
            Reference(checkpoint),
            model,
            members,
            random=checkpoint.random,
            done=lambda share: report("judge", share),
        )
        report("record", 0.0)
        cases = golden.record(model, members)
        (folder / GOLDEN).write_bytes(cases_to_json(cases))
        rounding = None
        if trial is not None and precision == "int8" and not checkpoint.random:
            # Last, since a trial may have the model go on to another catalog.
            report("try", 0.0)
            with _float_twin(checkpoint, folder, contents) as twin:
                rounding = trial(model, twin, lambda share: report("try", share))
        manifest = replace(
            draft,
            parity=judgement.parity,
            gate=judgement.gate,
            rounding=rounding,
            files=dict(_records(folder)),
        )
        (folder / MANIFEST).write_bytes(manifest.to_json())
        report("load", 0.0)
        LoadedModel.load(folder, loading)
    return manifest


def _write_trunk(checkpoint: Checkpoint, folder: Path, precision: Precision) -> None:
    prefix = "trunk."
    weights = {
        name.removeprefix(prefix): value
        for name, value in checkpoint.weights.items()
        if name.startswith(prefix)
    }
    graph = trunk_graph(checkpoint.config, weights, CAPACITY + SPARE_TOKENS)
    if precision == "int8":
        quantise(graph)
    elif precision != "fp32":
        halve(graph, precision)
    ir.save(graph, folder / TRUNK, external_data=TRUNK_DATA)


@contextmanager
def _float_twin(checkpoint: Checkpoint, folder: Path, contents: Contents) -> Iterator[LoadedModel]:
    """The same model in float32, through the same engine; its trunk lies in ``folder`` meanwhile.

    A run that is killed leaves it where the next one clears all.
    """
    with TemporaryDirectory(dir=folder) as aside:
        _write_trunk(checkpoint, Path(aside), "fp32")
        exact = replace(contents, trunk=Path(aside) / TRUNK)
        yield LoadedModel.assemble(_draft(checkpoint, "fp32"), "", exact, LoadSettings(slots=1))


def _write_contents(checkpoint: Checkpoint, folder: Path) -> Contents:
    """Write all but the trunk, the golden pages and the manifest; returns what was written."""
    network = checkpoint.network()
    inputs, outputs = (
        _table(table, checkpoint.content) for table in (network.inputs, network.outputs)
    )
    for side, table in zip(SIDES, (inputs, outputs), strict=True):
        for part in ("rows", "projection", "gate_weight", "gate_bias"):
            np.save(folder / f"{side}.{part}.npy", getattr(table, part), allow_pickle=False)
    for name, array in checkpoint.encoder.items():
        np.save(folder / f"{ENCODER_PREFIX}{name}.npy", array, allow_pickle=False)
    np.save(folder / TRENDS, checkpoint.trends.scores, allow_pickle=False)
    if checkpoint.trends.paces is not None:
        np.save(folder / PACES, checkpoint.trends.paces, allow_pickle=False)
    appeal = weights_of(checkpoint.weights)
    if appeal is not None:
        for name, array in appeal.to_arrays().items():
            np.save(folder / f"{APPEAL_PREFIX}{name}.npy", array, allow_pickle=False)
    asking = asking_of(checkpoint)
    if asking is not None:
        for name, array in asking.to_arrays().items():
            np.save(folder / f"{ASKING_PREFIX}{name}.npy", array, allow_pickle=False)
    drafts = _drafts_of(checkpoint)
    for name, array in drafts.items():
        np.save(folder / f"{DRAFTS_PREFIX}{name}.npy", array, allow_pickle=False)
    (folder / VOCABULARY).write_bytes(checkpoint.vocabulary.to_json())
    (folder / CATALOG).write_bytes(catalog_to_json(checkpoint.catalog))
    (folder / RULES).write_bytes(checkpoint.rules.to_toml().encode())
    return Contents(
        trunk=folder / TRUNK,
        lexicon=Lexicon(
            checkpoint.vocabulary, inputs, outputs, content_encoder(checkpoint.encoder)
        ),
        catalog=checkpoint.catalog,
        rules=checkpoint.rules,
        trends=checkpoint.trends,
        asking=asking,
        appeal=appeal,
        drafts=DraftHead.from_arrays(drafts, checkpoint.config.width) if drafts else None,
    )


def _drafts_of(checkpoint: Checkpoint) -> dict[str, NDArray[np.float32]]:
    """A checkpoint's draft head as arrays; none where it has none."""
    head = TorchDraftHead.of(checkpoint)
    return {} if head is None else {name: t.numpy() for name, t in head.state_dict().items()}


def asking_of(checkpoint: Checkpoint) -> Asking | None:
    """The question that a checkpoint learnt; None where it never did."""
    if checkpoint.signals is None:
        return None
    weights = {
        name: value.numpy()
        for name, value in checkpoint.weights.items()
        if name.startswith(("signals.", "asks."))
    }
    heard = heard_of(checkpoint.sources)  # (F,)
    return Asking(
        gate_weight=weights["signals.weight"] * heard,
        gate_bias=(weights["signals.bias"] + weights["signals.since"]) * heard,
        scale=weights["asks.scale"],
        shift=weights["asks.shift"],
        heat=Heat(*(weights[f"signals.heat.{name}"] for name in ("inner", "bias", "outer"))),
        signals=checkpoint.signals,
    )


@torch.inference_mode()
def _table(table: TorchTable, content: torch.Tensor) -> FusedTable:
    return FusedTable(
        rows=table.table(content.float()).numpy(),
        projection=table.projection.numpy(),
        gate_weight=table.gate_weight.numpy(),
        gate_bias=table.gate_bias.numpy(),
    )


def _draft(checkpoint: Checkpoint, precision: Precision, device: Device = CPU) -> Manifest:
    """The manifest before anything was judged."""
    now = datetime.now(UTC)
    config, lineage = checkpoint.config, checkpoint.lineage
    signature = trunk_signature(
        width=config.width,
        layers=config.layers,
        kv_heads=config.kv_heads,
        head_dim=config.head_dim,
        cached=cached_dtype(precision),
    )
    return Manifest(
        schema=1,
        version=f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}",
        checkpoint=lineage.version,
        parent=lineage.parent,
        created_at=now.timestamp(),
        size=lineage.size,
        random=lineage.random,
        precision=precision,
        trunk=TrunkRecord(
            width=config.width,
            layers=config.layers,
            heads=config.heads,
            kv_heads=config.kv_heads,
            head_dim=config.head_dim,
            capacity=CAPACITY,
            opset=OPSET,
            weight_bits=WEIGHT_BITS if precision == "int8" else None,
            inputs=signature.inputs,
            outputs=signature.outputs,
        ),
        vocabulary=checkpoint.vocabulary.digest,
        vocabulary_size=checkpoint.vocabulary.size,
        content_dim=checkpoint.content.shape[1],
        catalog=checkpoint.catalog.version,
        rows=len(checkpoint.catalog.rows),
        entities=len(checkpoint.catalog.entities),
        history_tokens=checkpoint.history_tokens,
        sources=checkpoint.sources,
        serialised=checkpoint.serialised,
        gate=Gate(0.0, 0.0),
        parity=Parity(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0.0),
        made_with={
            "torch": torch.__version__,
            "onnx": onnx.__version__,
            "onnxscript": onnxscript.__version__,
            "onnxruntime": runtime_version(),
            "cpu": cpu_note(),
            "device": device.name,
            **_data_of(checkpoint),
        },
        files={},
    )


def _data_of(checkpoint: Checkpoint) -> dict[str, str]:
    """The days of data that the weights have seen."""
    days = checkpoint.lineage.trained_on
    return {} if days is None else {MADE_WITH: days.interval}


def _records(folder: Path) -> Iterator[tuple[str, FileRecord]]:
    for path in sorted(folder.iterdir()):
        yield path.name, FileRecord(file_digest(path), path.stat().st_size)
