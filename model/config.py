"""The shape of a network, and the sizes that have a name."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Literal, Self

from genpage.errors import CheckpointError
from tokenizer.appeal import appeal_parameters
from tokenizer.signals import signal_parameters

Size = Literal["micro", "tiny", "small", "120m", "200m", "450m", "900m"]

# Vectorised tails round differently where a width is no multiple of this (bitwise promises of the
# exported trunk rest on it).
WIDTH_STEP = 64
HEAD_DIMS = (32, 64)
# No size that anybody trains comes near it.
MOST = 1 << 20


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The shape of a decoder-only transformer.

    ``width`` is the residual stream's, ``ffn`` the hidden width of SwiGLU. ``heads`` query heads
    share ``kv_heads`` key-value heads (grouped-query attention, Ainslie et al. 2023); head ``h``
    reads key-value head ``h // (heads // kv_heads)``. ``positions`` is the longest sequence that
    the rotary tables cover: more than a KV slot of an exported bundle holds. A value that cannot be
    raises CheckpointError naming the field.
    """

    width: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    positions: int = 8192
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        for name in ("width", "layers", "heads", "kv_heads", "ffn", "positions"):
            value: object = getattr(self, name)
            if type(value) is not int or not 1 <= value <= MOST:
                raise CheckpointError(
                    f"model config: {name} must be a whole number from 1 to {MOST}, not {value!r}."
                )
        if self.head_dim not in HEAD_DIMS:
            raise CheckpointError(
                f"model config: head_dim must be one of {HEAD_DIMS}, not {self.head_dim!r}."
            )
        for name, value in (
            ("width", self.width),
            ("ffn", self.ffn),
            ("heads x head_dim", self.query_width),
            ("kv_heads x head_dim", self.kv_width),
        ):
            if value % WIDTH_STEP:
                raise CheckpointError(
                    f"model config: {name} must be a multiple of {WIDTH_STEP}, not {value}."
                )
        if self.heads % self.kv_heads:
            raise CheckpointError(
                f"model config: heads ({self.heads}) must be a multiple of kv_heads "
                f"({self.kv_heads})."
            )
        for name in ("rope_theta", "norm_eps"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise CheckpointError(f"model config: {name} must be finite and above 0.")

    @property
    def query_width(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        """Width of all key (or value) heads together."""
        return self.kv_heads * self.head_dim

    @classmethod
    def of_size(cls, size: Size) -> Self:
        """The shape that a named size stands for."""
        return cls(**_SHAPES[size])

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> Self:
        """The config that ``to_document`` wrote; unknown and missing keys are CheckpointErrors."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(document) - known):
            raise CheckpointError(
                f"model config: unknown key {', '.join(unknown)}. The checkpoint was written by "
                "another version of GenPage; use the one that wrote it."
            )
        if missing := sorted(known - set(document)):
            raise CheckpointError(f"model config: missing key {', '.join(missing)}.")
        for name, value in document.items():
            if not isinstance(value, (int, float)) or isinstance(value, bool):
                raise CheckpointError(f"model config: {name} must be a number, not {value!r}.")
        # The field types were just checked; the dataclass checks the ranges.
        return cls(**document)  # type: ignore[arg-type]

    def to_document(self) -> dict[str, int | float]:
        """The config as a JSON document."""
        return asdict(self)

    def trunk_parameters(self) -> int:
        """Parameters of the trunk: attention, SwiGLU and norms of all layers, and the last norm."""
        attention = self.width * (2 * self.query_width + 2 * self.kv_width)
        return self.layers * (attention + 3 * self.width * self.ffn + 2 * self.width) + self.width

    def parameters(self, vocab_size: int, content_dim: int = 0) -> int:
        """Parameters of the whole network: trunk, untied embeddings, fusion, signals, appeal."""
        fusion = (content_dim + 1) * self.width + 1
        tables = 2 * (vocab_size * self.width + fusion)
        beside = signal_parameters(self.width) + appeal_parameters(content_dim, vocab_size)
        return self.trunk_parameters() + tables + beside


_SHAPES: Mapping[Size, dict[str, int]] = MappingProxyType(
    {
        # For data of some ten thousand members, and for tests of a whole recipe.
        "micro": {"width": 64, "layers": 2, "heads": 2, "kv_heads": 2, "head_dim": 32, "ffn": 192},
        # 6 M with a 20,480-token vocabulary, 0.8 M of it in the trunk: minutes on two cores.
        "tiny": {"width": 128, "layers": 4, "heads": 4, "kv_heads": 2, "head_dim": 32, "ffn": 384},
        "small": {
            "width": 384,
            "layers": 8,
            "heads": 6,
            "kv_heads": 2,
            "head_dim": 64,
            "ffn": 1024,
        },
        "120m": {
            "width": 768,
            "layers": 12,
            "heads": 12,
            "kv_heads": 4,
            "head_dim": 64,
            "ffn": 2560,
        },
        "200m": {
            "width": 1024,
            "layers": 14,
            "heads": 16,
            "kv_heads": 4,
            "head_dim": 64,
            "ffn": 2816,
        },
        "450m": {
            "width": 1280,
            "layers": 24,
            "heads": 20,
            "kv_heads": 4,
            "head_dim": 64,
            "ffn": 3328,
        },
        "900m": {
            "width": 1792,
            "layers": 24,
            "heads": 28,
            "kv_heads": 4,
            "head_dim": 64,
            "ffn": 4992,
        },
    }
)
