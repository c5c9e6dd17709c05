"""The draft head: what a page's next decisions will probably be, foretold without the trunk.

A light recurrent head beside the trunk (Hydra, Ankner et al. 2024; recurrent drafters, Zhang et al.
2024), trained by ``genpage train drafts`` (`model.drafts`). Its state starts from the trunk's
hidden state behind a token, and goes on token by token; a state's products with vectors made of
the items' own output vectors are scores for what comes next. Only drafts are made of them.

Legend: d width of the trunk, K of this head.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from genpage.errors import BundleError
from runtime.arrays import FloatArray

_EPS: Final = np.float32(1e-5)
_HALF: Final = np.float32(0.5)
_ONE: Final = np.float32(1.0)


@dataclass(frozen=True, slots=True, eq=False)
class DraftHead:
    """Weights, and one step of the recurrence."""

    state_weight: FloatArray  # (K, d)
    state_bias: FloatArray  # (K,)
    inputs: FloatArray  # (K, d)
    outputs: FloatArray  # (K, d)
    norm_weight: FloatArray  # (2 K,)
    norm_bias: FloatArray  # (2 K,)
    wide_weight: FloatArray  # (4 K, 2 K)
    wide_bias: FloatArray  # (4 K,)
    back_weight: FloatArray  # (K, 4 K)
    back_bias: FloatArray  # (K,)

    def begin(self, hidden: FloatArray) -> FloatArray:
        """The state (K,) behind a token whose hidden state (d,) is known."""
        state: FloatArray = self.state_weight @ hidden + self.state_bias
        return state

    def hear(self, embedding: FloatArray) -> FloatArray:
        """What a step hears (K,) of a token, by its input embedding (d,)."""
        heard: FloatArray = self.inputs @ embedding
        return heard

    def follow(self, state: FloatArray, heard: FloatArray) -> FloatArray:
        """The state (K,) one token on, of which this (K,) was heard."""
        # In place, and without NumPy's `mean`: a page takes two hundred of these.
        both = np.concatenate((state, heard))
        share = _ONE / np.float32(len(both))
        both -= np.add.reduce(both) * share
        both *= _ONE / np.sqrt(both @ both * share + _EPS)
        both *= self.norm_weight
        both += self.norm_bias
        wide = self.wide_weight @ both
        wide += self.wide_bias
        silu = np.tanh(_HALF * wide)  # which nothing makes overflow
        silu += _ONE
        wide *= silu
        following: FloatArray = self.back_weight @ wide
        following *= _HALF
        following += self.back_bias
        following += state
        return following

    def projected(self, vectors: FloatArray) -> FloatArray:
        """Output vectors (n, d) as (n, K): what states are multiplied with."""
        made: FloatArray = vectors @ self.outputs.T
        return made

    @staticmethod
    def shapes(width: int, own: int) -> dict[str, tuple[int, ...]]:
        """Of a bundle's ``drafts.*.npy``, by name, where the head is ``own`` wide."""
        return {
            "state.weight": (own, width),
            "state.bias": (own,),
            "inputs": (own, width),
            "outputs": (own, width),
            "norm.weight": (2 * own,),
            "norm.bias": (2 * own,),
            "wide.weight": (4 * own, 2 * own),
            "wide.bias": (4 * own,),
            "back.weight": (own, 4 * own),
            "back.bias": (own,),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], width: int) -> "DraftHead":
        """Of a bundle's ``drafts.*.npy``; `BundleError` where a shape is not this trunk's."""
        shapes = cls.shapes(width, len(arrays["state.bias"]) if "state.bias" in arrays else 0)
        for name, shape in shapes.items():
            held = arrays.get(name)
            if held is None or held.dtype != np.float32 or held.shape != shape:
                raise BundleError(
                    f"drafts.{name} is not float32 {shape}; another version of GenPage may have "
                    "written the bundle: export the checkpoint again."
                )
            if not np.isfinite(held).all():
                raise BundleError(
                    f"drafts.{name} holds what is not a number: fit the draft head anew "
                    "(genpage train drafts) and export the checkpoint again."
                )
        return cls(**{name.replace(".", "_"): arrays[name] for name in shapes})
