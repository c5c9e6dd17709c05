"""The network: tokens to hidden states, and hidden states to logits.

Input and output embeddings are untied (METHOD: pretraining's softmax and post-training's sigmoid
want different logits). The trunk in between knows no vocabulary; the two fused tables do.
"""

import torch
from torch import nn

from genpage.errors import InputError
from model.appeal import Appeal
from model.config import ModelConfig
from model.fusion import FusedTable, unit_std
from model.packing import Packing
from model.signals import Asks, SignalGates
from model.trunk import Trunk

# Fresh logits stay near 0: an output row's standard deviation.
_OUTPUT_STD = 0.02


class Network(nn.Module):
    """A decoder-only transformer over a vocabulary of V tokens.

    ``content`` (V, C) float32 holds an entity's content vector and zeros for any other token.
    Weights are zeros until `initialise` or a checkpoint fills them.
    """

    content: torch.Tensor  # (V, C)

    def __init__(self, config: ModelConfig, vocab_size: int, content: torch.Tensor) -> None:
        super().__init__()
        self.config = config
        self.inputs = FusedTable(vocab_size, config.width, content.shape[1])
        self.trunk = Trunk(config)
        self.outputs = FusedTable(vocab_size, config.width, content.shape[1])
        self.signals = SignalGates(config.width)
        self.asks = Asks(config.width)
        self.appeal = Appeal(content.shape[1], vocab_size)
        self.register_buffer("content", content.float(), persistent=False)

    @property
    def vocab_size(self) -> int:
        """Number of tokens V."""
        return self.inputs.ids.shape[0]

    def output_table(self, identity: torch.Tensor | None = None) -> torch.Tensor:
        """Fused output vectors of all tokens; ``identity`` as in `FusedTable.rows`."""  # (V, d)
        return self.outputs.table(self.content, identity)

    def hidden(
        self, tokens: torch.Tensor, packing: Packing, identity: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Hidden states of packed documents."""  # (T,) -> (T, d)
        if packing.longest > self.config.positions:
            raise InputError(
                f"a sequence of {packing.longest} tokens is longer than the model's "
                f"{self.config.positions} positions; take a shorter history, or smaller pages"
            )
        embeddings = self.inputs.rows(tokens, self.content, identity)
        hidden: torch.Tensor = self.trunk(embeddings[None], packing)
        return hidden[0]

    def forward(self, tokens: torch.Tensor, packing: Packing) -> torch.Tensor:
        """The logits of every token at every position; training computes fewer."""  # (T, V)
        return self.hidden(tokens, packing) @ self.output_table().T

    def initialise(self, seed: int) -> None:
        """Fresh random weights, the same for the same seed."""
        generator = torch.Generator().manual_seed(seed)
        self.inputs.initialise(unit_std(self.config.width), generator)
        self.outputs.initialise(_OUTPUT_STD, generator)
        self.trunk.initialise(generator)
        self.appeal.initialise(generator)
