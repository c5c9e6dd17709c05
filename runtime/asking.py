"""Which title next? The question that a bundle answers beside pages, as it was trained.

`model.signals` in NumPy: the hidden state behind a history's last event, asked for the time since,
is scored by the head, and each of the moment's signals is added as much as the state's gates say.
Sums run signal by signal over whole columns, so that a title's score depends on nothing else.

Legend: d width, S buckets of the time since the last event, F signals, E entities, V tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genpage.errors import BundleError, CheckpointError
from genpage.trends import Trends
from runtime.arrays import FloatArray, IntArray
from tokenizer.buckets import SINCE_NAMES
from tokenizer.signals import HEAT_WIDTH, HEATS, PACES, SIGNALS, Heat, Signals

WEIGHTS = ("gate_weight", "gate_bias", "scale", "shift")
HEAT = ("inner", "bias", "outer")


@dataclass(frozen=True, slots=True, eq=False)
class Asking:
    """The learnt question, and the lists that its signals are read from."""

    gate_weight: FloatArray  # (d, F)
    gate_bias: FloatArray  # (S, F)
    scale: FloatArray  # (S, d)
    shift: FloatArray  # (S, d)
    heat: Heat
    signals: Signals

    def asked(self, hidden: FloatArray, since: IntArray) -> FloatArray:
        """(n, d) hidden states asked at these buckets (n,)."""
        return hidden * (np.float32(1.0) + self.scale[since]) + self.shift[since]

    def added(
        self,
        asked: FloatArray,
        since: int,
        history: IntArray,
        trends: Trends,
        places: IntArray,
    ) -> FloatArray:
        """(E,) what the moment adds to the scores of one question (d,).

        ``history`` are the prompt's tokens to the history's end, ``places`` (V,) catalog indices.
        """
        values = self.signals.values(history, trends, places, self.heat)  # (F, E)
        gates = (asked[:, None] * self.gate_weight).sum(axis=0) + self.gate_bias[since]  # (F,)
        added = np.zeros(values.shape[1], np.float32)
        for gate, value in zip(gates, values, strict=True):
            added += gate * value
        return added

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """As arrays, for `from_arrays`."""
        heat = {f"heat.{name}": getattr(self.heat, name) for name in HEAT}
        own = {name: getattr(self, name) for name in WEIGHTS}
        return own | heat | self.signals.to_arrays()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], width: int) -> "Asking":
        """Of `to_arrays`; `BundleError` where a shape is not this model's."""
        shapes = {
            "gate_weight": (width, SIGNALS),
            "gate_bias": (len(SINCE_NAMES), SIGNALS),
            "scale": (len(SINCE_NAMES), width),
            "shift": (len(SINCE_NAMES), width),
            "heat.inner": (PACES, HEAT_WIDTH),
            "heat.bias": (HEAT_WIDTH,),
            "heat.outer": (HEAT_WIDTH, HEATS),
        }
        for name, shape in shapes.items():
            held = arrays.get(name)
            if held is None or held.dtype != np.float32 or held.shape != shape:
                raise BundleError(
                    f"asking.{name} is not float32 {shape}; another version of GenPage may have "
                    "written the bundle: export the checkpoint again."
                )
        try:
            signals = Signals.from_arrays(arrays)
        except CheckpointError as error:
            raise BundleError(str(error)) from error
        weights = {name: arrays[name] for name in WEIGHTS}
        heat = Heat(**{name: arrays[f"heat.{name}"] for name in HEAT})
        return cls(**weights, heat=heat, signals=signals)
