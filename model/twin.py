"""The slow twin: plain PyTorch, no cache, the whole sequence again at every step.

What export, runtime and evaluation are compared with. It shares nothing with the serving side but
the checkpoint.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from model.packing import Packing

if TYPE_CHECKING:
    from model.checkpoint import Checkpoint

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]


class TorchTwin:
    """A checkpoint's network, scoring its catalog. R rows, E entities, d width."""

    def __init__(self, checkpoint: "Checkpoint") -> None:
        self.checkpoint = checkpoint
        self._network = checkpoint.network()
        rows, entities = checkpoint.vocabulary.item_tokens(checkpoint.catalog)
        self._items = torch.from_numpy(np.concatenate([rows, entities])).long()
        with torch.inference_mode():
            self._output = self._network.output_table()[self._items]  # (R + E, d)

    def hidden(self, tokens: IntArray) -> FloatArray:
        """Hidden states of one sequence, every position computed anew: (n,) -> (n, d)."""
        with torch.inference_mode():
            sequence = torch.from_numpy(np.asarray(tokens, np.int64))
            states = self._network.hidden(sequence, Packing.single(len(sequence)))
            return states.float().numpy()

    def logits(self, tokens: IntArray) -> FloatArray:
        """Logits after every token, in catalog order: (n,) -> (n, R + E)."""
        with torch.inference_mode():
            return (torch.from_numpy(self.hidden(tokens)) @ self._output.T).numpy()

    def scores(self, tokens: IntArray) -> FloatArray:
        """Logits after the last token, rows then entities in catalog order: (n,) -> (R + E,)."""
        with torch.inference_mode():
            last = torch.from_numpy(self.hidden(tokens)[-1])
            return (self._output @ last).numpy()
