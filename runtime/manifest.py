"""A bundle's manifest: what it is, what its files must be, and how it was judged.

``manifest.json`` is one JSON document of this shape; an unknown, missing or absurd value is a
`BundleError` that names it. The sha256 of its bytes is the bundle's digest.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from genpage.errors import BundleError
from genpage.sources import EVERYTHING, Sources
from runtime.signature import Port, Signature

MANIFEST = "manifest.json"
SCHEMA = 1
# No manifest comes near it; more is not read.
MOST_BYTES = 1 << 20

Precision = Literal["fp32", "int8", "fp16", "bf16"]
# Those whose pages are promised to be the same bit for bit.
EXACT_PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
_CACHED: dict[Precision, str] = {"fp16": "float16", "bf16": "bfloat16"}

_STRICT = {"extra": "forbid"}
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# A plain name: no folder, nothing hidden.
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Count = Annotated[int, Field(ge=1, le=1 << 20)]
Whole = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Change = Annotated[float, Field(ge=-1.0, le=1.0)]
Error = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What a file must be."""

    __pydantic_config__ = _STRICT

    sha256: Digest
    bytes: Whole


@dataclass(frozen=True, slots=True)
class TrunkRecord:
    """The graph. ``capacity`` is the most tokens that a KV slot may hold.

    ``weight_bits`` of the integer products, None in fp32.
    """

    __pydantic_config__ = _STRICT

    width: Count
    layers: Count
    heads: Count
    kv_heads: Count
    head_dim: Count
    capacity: Count
    opset: Count
    weight_bits: Count | None
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    @property
    def signature(self) -> Signature:
        """The graph's inputs and outputs."""
        return Signature(self.inputs, self.outputs)


@dataclass(frozen=True, slots=True)
class Parity:
    """How far the exported model is from PyTorch without a cache, on the golden members.

    Logit errors are absolute, over ``positions`` positions and the whole catalog, beside the
    logits' standard deviation. ``top1`` and ``top20`` are the mean agreement of the best and of
    the 20 best titles. Of ``pages`` (none where the weights are random), ``pages_equal`` are the
    same token for token and ``pages_tied`` part where two logits lie within the tie margin, which
    for int8 is the largest logit error: no tie, but no more than rounding explains;
    ``titles_shared`` is the mean share of a page's titles that the other page shows too.
    """

    __pydantic_config__ = _STRICT

    positions: Whole
    logit_std: Error
    max_logit_error: Error
    mean_logit_error: Error
    top1: Share
    top20: Share
    pages: Whole
    pages_equal: Whole
    pages_tied: Whole
    titles_shared: Share


@dataclass(frozen=True, slots=True)
class Rounding:
    """What rounding to integers cost real members, beside float32 of the same weights.

    ``pages`` of as many members, of which ``pages_equal`` are the same token for token; the shares
    are means as `genpage.likeness` tells them, those ``between`` of two members' float32 pages: the
    floor. ``questions``: each the newest title of a member,
    ``hr10`` and ``hr10_float`` the shares that had it among their first ten, ``hr10_change`` their
    difference and ``hr10_change_ci95`` its 95% interval over members.
    """

    __pydantic_config__ = _STRICT

    pages: Whole
    pages_equal: Whole
    titles_shared: Share
    same_place: Share
    rows_shared: Share
    rows_in_place: Share
    titles_between: Share
    rows_between: Share
    questions: Whole
    hr10: Share
    hr10_float: Share
    hr10_change: Change
    hr10_change_ci95: tuple[Change, Change]


@dataclass(frozen=True, slots=True)
class Gate:
    """What a golden page may differ by on another kind of machine.

    ``score_tolerance``: its first scores, absolutely, everywhere. ``tie_margin``: two logits that
    close may trade places there; where the first different choice is wider apart, the page is
    wrong. On the kind that exported the bundle it counts for nothing: pages are equal.
    """

    __pydantic_config__ = _STRICT

    score_tolerance: Error
    tie_margin: Error


@dataclass(frozen=True, slots=True)
class Manifest:
    """All of it. ``checkpoint`` is the version exported, ``parent`` the one it was trained from.

    ``random`` weights were never trained: their pages mean nothing, so gates judge their scores
    alone. ``size`` is the model's name where it has one. ``made_with`` are versions and the CPU.
    ``sources`` are what of the context its prompts tell, ``serialised`` how many entities of a row
    are in a sequence, all where None. ``rounding`` is None where no members' data was at hand.
    """

    __pydantic_config__ = _STRICT

    schema: Literal[1]
    version: Annotated[str, Field(min_length=1, max_length=128)]
    checkpoint: str
    parent: str | None
    created_at: float
    size: str | None
    random: bool
    precision: Precision
    trunk: TrunkRecord
    vocabulary: Digest
    vocabulary_size: Count
    content_dim: Whole
    catalog: str
    rows: Whole
    entities: Whole
    history_tokens: Count
    gate: Gate
    parity: Parity
    made_with: dict[str, str]
    files: dict[FileName, FileRecord]
    sources: Sources = EVERYTHING
    serialised: Count | None = None
    rounding: Rounding | None = None

    def to_json(self) -> bytes:
        """The document, as written."""
        return _ADAPTER.dump_json(self, indent=2) + b"\n"

    @classmethod
    def parse(cls, content: bytes) -> "Manifest":
        """The manifest in a document; `BundleError` says which key is wrong and why."""
        try:
            return _ADAPTER.validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"]) or MANIFEST
            raise BundleError(
                f"the manifest is not one of this version of GenPage: {key}: {first['msg']}; "
                "export the checkpoint again."
            ) from error


def cached_dtype(precision: Precision) -> str:
    """Of what type a trunk's KV is; all else that goes in and out is float32."""
    return _CACHED.get(precision, "float32")


_ADAPTER = TypeAdapter(Manifest)
