"""The trunk graph's inputs and outputs: what export writes, the manifest records, serving binds.

Legend: T tokens of a call (at least 2), L layers, K key-value heads, S the cache's length, D head
dim, W width. ``tokens`` and ``capacity`` stand for T and S, which a graph leaves open.
"""

from dataclasses import dataclass

EMBEDDINGS = "embeddings"
SEQLENS = "seqlens_k"
TOTAL = "total_sequence_length"
HIDDEN = "hidden"
# The domain of operators that are onnxruntime's own.
MICROSOFT = "com.microsoft"


@dataclass(frozen=True, slots=True)
class Port:
    """A graph's input or output; a string in ``shape`` is a length left open."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """All inputs and outputs, in order."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def past_names(layers: int) -> list[str]:
    """The cache inputs: key and value of each layer in turn."""
    return _names("past", layers)


def present_names(layers: int) -> list[str]:
    """The cache outputs, in the order of `past_names`."""
    return _names("present", layers)


def trunk_signature(
    *, width: int, layers: int, kv_heads: int, head_dim: int, cached: str = "float32"
) -> Signature:
    """The signature of a trunk of this shape, whose cache is of the type ``cached``.

    ``seqlens_k`` (1,) is the number of tokens in the cache after the call, less one;
    ``total_sequence_length`` () is that number: onnxruntime's GroupQueryAttention takes both.
    """
    cache = (1, kv_heads, "capacity", head_dim)
    return Signature(
        inputs=(
            Port(EMBEDDINGS, "float32", (1, "tokens", width)),
            Port(SEQLENS, "int32", (1,)),
            Port(TOTAL, "int32", ()),
            *(Port(name, cached, cache) for name in past_names(layers)),
        ),
        outputs=(
            Port(HIDDEN, "float32", (1, "tokens", width)),
            *(Port(name, cached, cache) for name in present_names(layers)),
        ),
    )


def _names(prefix: str, layers: int) -> list[str]:
    return [f"{prefix}_{part}_{layer}" for layer in range(layers) for part in ("key", "value")]
