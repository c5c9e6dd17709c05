"""A bundle: what export writes and serving loads.

::

    manifest.json          what everything else must be (`runtime.manifest`)
    trunk.onnx             the graph, its weights in trunk.onnx.data
    inputs.*.npy           the embedding table, the content projection and its gate
    outputs.*.npy          the same of the output side, the head's vectors
    encoder.*.npy          the content encoder's arrays (`tokenizer.content`)
    drafts.*.npy           the head that drafts are made by (`runtime.draft_head`), where trained
    asking.*.npy           the question for the next title (`runtime.asking`), where it was learnt
    appeal.*.npy           what the moment adds to pages' scores (`tokenizer.appeal`), where learnt
    trends.npy             decayed counts at the end of training, by catalog index
    paces.npy              the same by several half-lives, where they were counted
    vocabulary.json, catalog.json, rules.toml
    golden.json            members with the pages that the model must give them

`Bundle.open` believes nothing that it has not checked: names, sizes, digests, shapes. What the
model computes is checked by `runtime.golden`, before anything is served.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import Message  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray

from genpage.catalog import Catalog
from genpage.documents import catalog_from_json
from genpage.errors import BundleError, GenPageError
from genpage.rules import Rules
from genpage.trends import SIGNAL_HALF_LIVES_S, Trends
from runtime.asking import Asking
from runtime.cases import GoldenCase, parse_cases
from runtime.draft_head import DraftHead
from runtime.lexicon import Lexicon
from runtime.manifest import Manifest, cached_dtype
from runtime.signature import MICROSOFT, trunk_signature
from runtime.tables import FusedTable
from runtime.verified import VerifiedFolder
from tokenizer.appeal import AppealWeights
from tokenizer.content import content_encoder
from tokenizer.vocabulary import Vocabulary

TRUNK = "trunk.onnx"
TRUNK_DATA = "trunk.onnx.data"
TRENDS = "trends.npy"
PACES = "paces.npy"
VOCABULARY = "vocabulary.json"
CATALOG = "catalog.json"
RULES = "rules.toml"
GOLDEN = "golden.json"
ENCODER_PREFIX = "encoder."
ASKING_PREFIX = "asking."
APPEAL_PREFIX = "appeal."
DRAFTS_PREFIX = "drafts."
SIDES = ("inputs", "outputs")
_DOMAINS = {"", MICROSOFT}


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """A bundle's parts in memory; the trunk stays in its file."""

    trunk: Path
    lexicon: Lexicon
    catalog: Catalog
    rules: Rules
    trends: Trends
    asking: Asking | None = None
    appeal: AppealWeights | None = None
    drafts: DraftHead | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A bundle that is whole. ``digest`` is the sha256 of its manifest."""

    manifest: Manifest
    digest: str
    contents: Contents
    golden: tuple[GoldenCase, ...]

    @classmethod
    def open(cls, folder: Path) -> "Bundle":
        """Read and check a bundle; a `BundleError` says what is wrong with it."""
        files = VerifiedFolder.open(folder)
        manifest = files.manifest
        try:
            contents = _contents(files)
        except BundleError:
            raise
        except (GenPageError, UnicodeDecodeError) as error:
            raise BundleError(f"{folder}: {error}") from error
        _check_trunk(files)
        _check_agreement(folder, manifest, contents)
        golden = parse_cases(files.bytes(GOLDEN))
        return cls(manifest, files.digest, contents, golden)


def _contents(files: VerifiedFolder) -> Contents:
    manifest = files.manifest
    inputs, outputs = (_table(files, side) for side in SIDES)
    arrays, asking, appeal, drafts = (
        _arrays(files, prefix)
        for prefix in (ENCODER_PREFIX, ASKING_PREFIX, APPEAL_PREFIX, DRAFTS_PREFIX)
    )
    paces = None
    if PACES in manifest.files:
        paces = files.floats(PACES, (len(SIGNAL_HALF_LIVES_S), manifest.entities))
    vocabulary = Vocabulary.from_json(files.bytes(VOCABULARY))
    return Contents(
        trunk=files.path(TRUNK),
        lexicon=Lexicon(vocabulary, inputs, outputs, content_encoder(arrays)),
        catalog=catalog_from_json(files.bytes(CATALOG)),
        rules=Rules.parse(files.bytes(RULES).decode()),
        trends=Trends(files.floats(TRENDS, (manifest.entities,)), paces),
        asking=Asking.from_arrays(asking, manifest.trunk.width) if asking else None,
        appeal=AppealWeights.from_arrays(
            appeal, content_dim=manifest.content_dim, tokens=vocabulary.size
        )
        if appeal
        else None,
        drafts=DraftHead.from_arrays(drafts, manifest.trunk.width) if drafts else None,
    )


def _arrays(files: VerifiedFolder, prefix: str) -> dict[str, NDArray[Any]]:
    return {
        name.removeprefix(prefix).removesuffix(".npy"): files.array(name)
        for name in files.manifest.files
        if name.startswith(prefix)
    }


def _table(files: VerifiedFolder, side: str) -> FusedTable:
    tokens, width = files.manifest.vocabulary_size, files.manifest.trunk.width
    return FusedTable(
        rows=files.floats(f"{side}.rows.npy", (tokens, width)),
        projection=files.floats(f"{side}.projection.npy", (files.manifest.content_dim, width)),
        gate_weight=files.floats(f"{side}.gate_weight.npy", (width,)),
        gate_bias=files.floats(f"{side}.gate_bias.npy", ()),
    )


def _check_trunk(files: VerifiedFolder) -> None:
    """The graph reads no file but its own, and runs no operator from elsewhere."""
    path, trunk = files.path(TRUNK), files.manifest.trunk
    expected = trunk_signature(
        width=trunk.width,
        layers=trunk.layers,
        kv_heads=trunk.kv_heads,
        head_dim=trunk.head_dim,
        cached=cached_dtype(files.manifest.precision),
    )
    if trunk.signature != expected:
        raise BundleError(f"{files.folder}: the graph's inputs and outputs are not a trunk's.")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's own, which ships no types
        raise BundleError(f"{path} is no ONNX graph: {error}") from error
    foreign = {opset.domain for opset in model.opset_import} - _DOMAINS
    if foreign or model.functions:
        raise BundleError(f"{path} needs operators that a trunk has no use for.")
    places = {
        entry.value
        for tensor in _tensors(model)
        for entry in tensor.external_data
        if entry.key == "location"
    }
    if strange := sorted(places - {TRUNK_DATA}):
        raise BundleError(f"{path} reads its weights from {strange[0]!r}, not from {TRUNK_DATA}.")
    if places:
        files.path(TRUNK_DATA)


def _tensors(message: Message) -> Iterator[onnx.TensorProto]:
    """Every tensor anywhere in a graph: initializers, constants, attributes, subgraphs."""
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if isinstance(value, Message) else value:
                yield from _tensors(part)


def _check_agreement(folder: Path, manifest: Manifest, contents: Contents) -> None:
    held = {
        "vocabulary": contents.lexicon.vocabulary.digest,
        "vocabulary_size": contents.lexicon.vocabulary.size,
        "catalog": contents.catalog.version,
        "rows": len(contents.catalog.rows),
        "entities": len(contents.catalog.entities),
        "content_dim": contents.lexicon.encoder.dim,
    }
    for name, value in held.items():
        promised = getattr(manifest, name)
        if value != promised:
            raise BundleError(
                f"{folder}: {name} is {value}, the manifest says {promised}; another version of "
                "GenPage may have written it: export the checkpoint again."
            )
