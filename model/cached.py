"""The network with a KV cache, for many sequences side by side: what sampling runs on.

The network's own layers, called one by one; only where keys and values come from differs. The slow
twin is `Network.hidden`, which recomputes whole sequences.

Legend: B sequences, C new tokens of the longest chunk, S slots, L layers, H query heads, K
key-value heads, D head dim, d width.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import scaled_dot_product_attention

from model.network import Network
from model.rotary import Rotary

if TYPE_CHECKING:
    from model.attention import AttentionCore
    from model.trunk import Block

IntArray = NDArray[np.int32]


class CachedNetwork:
    """A network and the cache of ``sequences`` growing sequences. Mutated by `feed` and `repeat`.

    The network's weights must not change while the cache is in use.
    """

    def __init__(self, network: Network, sequences: int, slots: int) -> None:
        config = network.config
        self.network = network
        self.device = network.content.device
        self.lengths = torch.zeros(sequences, dtype=torch.int64, device=self.device)  # (B,)
        shape = (config.layers, sequences, config.kv_heads, slots, config.head_dim)
        self._keys = torch.zeros(shape, device=self.device)  # (L, B, K, S, D)
        self._values = torch.zeros(shape, device=self.device)

    def feed(self, chunks: Sequence[Sequence[int] | IntArray]) -> torch.Tensor:
        """Append each sequence's chunk; the hidden state after its last token.

        A sequence with an empty chunk is left as it is; its row of the result means nothing.
        """  # -> (B, d)
        counts = torch.tensor([len(chunk) for chunk in chunks], device=self.device)
        longest = int(counts.max())
        tokens = torch.zeros(len(chunks), longest, dtype=torch.int64)
        for index, chunk in enumerate(chunks):
            tokens[index, : len(chunk)] = torch.as_tensor(np.asarray(chunk, np.int64))
        network = self.network
        embedded = network.inputs.rows(tokens.reshape(-1).to(self.device), network.content)
        stream = embedded.view(len(chunks), longest, -1)  # (B, C, d)
        steps = torch.arange(longest, device=self.device)
        # What stands beyond a chunk's end is written past the sequence's, where the next chunk
        # overwrites it and nothing before it looks.
        places = self.lengths[:, None] + steps  # (B, C)
        end = int(places.max()) + 1
        if end > self._keys.shape[3]:
            raise ValueError(f"{end} tokens do not fit {self._keys.shape[3]} slots. This is a bug.")
        seen = torch.arange(end, device=self.device) <= places[:, :, None]  # (B, C, end)
        for layer, block in enumerate(network.trunk.blocks):
            stream = self._block(layer, cast("Block", block), stream, places, seen)
        last = (counts - 1).clamp_min(0)
        self.lengths = self.lengths + counts
        hidden: torch.Tensor = network.trunk.norm(
            stream[torch.arange(len(chunks), device=self.device), last]
        )
        return hidden

    def repeat(self, times: int) -> None:
        """Each sequence ``times`` times, one copy after the other, with its cache."""
        self._keys = self._keys.repeat_interleave(times, dim=1)
        self._values = self._values.repeat_interleave(times, dim=1)
        self.lengths = self.lengths.repeat_interleave(times)

    def _block(
        self,
        layer: int,
        block: "Block",
        stream: torch.Tensor,  # (B, C, d)
        places: torch.Tensor,  # (B, C)
        seen: torch.Tensor,  # (B, C, end)
    ) -> torch.Tensor:
        attention = block.attention
        core = cast("AttentionCore", attention.core)
        normed = block.attention_norm(stream)
        batch, chunk = places.shape
        rotary = Rotary(core.cos, core.sin).at(places.reshape(-1))

        def heads(projected: torch.Tensor, count: int) -> torch.Tensor:
            return projected.view(1, batch * chunk, count, core.head_dim)

        query = rotary.turn(heads(attention.query(normed), core.heads))
        key = rotary.turn(heads(attention.key(normed), core.kv_heads))
        value = heads(attention.value(normed), core.kv_heads)
        sequences = torch.arange(batch, device=self.device)[:, None].expand(batch, chunk)
        spread = (batch, chunk, core.kv_heads, core.head_dim)
        self._keys[layer][sequences, :, places] = key.view(spread)
        self._values[layer][sequences, :, places] = value.view(spread)
        end = seen.shape[2]
        mixed = scaled_dot_product_attention(
            query.view(batch, chunk, core.heads, core.head_dim).transpose(1, 2),
            self._keys[layer, :, :, :end],
            self._values[layer, :, :, :end],
            attn_mask=seen[:, None],
            enable_gqa=True,
        )  # (B, H, C, D)
        stream = stream + attention.out(mixed.transpose(1, 2).reshape(batch, chunk, -1))
        after: torch.Tensor = stream + block.ffn(block.ffn_norm(stream))
        return after
