"""Growing a network into a larger one that computes the same function.

In the manner of Net2Net (Chen et al. 2016) and of staged transformer growth (Shen et al. 2022):
what is new reads from the stream with fresh random weights and writes to it with zeros, so that
the function stays and a gradient can reach everything. Four things need care:

- *Width.* The stream's new dimensions are zero everywhere. RMSNorm then averages over more
  dimensions: its result comes out larger by ``sqrt(new / old)``, so its weights shrink by that, and
  its epsilon by the square.
- *Query heads.* Head ``h`` reads key-value head ``h // group``. Where groups grow, old heads keep
  their places within the larger group; where they shrink, a key-value head is copied.
- *Head dim.* Rotary turns pair ``i`` by ``theta ** (-2 i / head_dim)``: in a head twice as wide the
  pair of the same frequency is ``2 i``. Attention divides by the root of the head dim: queries grow
  by ``sqrt(new / old)``.
- *Depth.* New layers stand after the old ones and add zero.

A draft head (`model.drafts`) goes along: it reads nothing of the new dimensions, and foretells the
same.
"""

import math
from dataclasses import dataclass, replace

import torch

from genpage.errors import UsageError
from model.checkpoint import Checkpoint, Lineage
from model.config import ModelConfig, Size
from model.drafts import DRAFTS, READERS, DraftHead
from model.network import Network

Weights = dict[str, torch.Tensor]


def grown(checkpoint: Checkpoint, size: Size, *, seed: int = 0) -> Checkpoint:
    """``checkpoint`` as a network of ``size``: the same logits from more parameters.

    `UsageError` where ``size`` is smaller in some direction, or where its heads cannot hold the
    old ones.
    """
    old = checkpoint.config
    target = ModelConfig.of_size(size)
    for name in ("width", "layers", "heads", "kv_heads", "head_dim", "ffn"):
        before, after = getattr(old, name), getattr(target, name)
        if after < before:
            raise UsageError(
                f"--grow-from: {size} has {name} {after}, the checkpoint {before}; a model only "
                "grows. Choose a larger --size."
            )
    target = replace(
        target,
        positions=max(old.positions, target.positions),
        rope_theta=old.rope_theta,
        norm_eps=old.norm_eps * old.width / target.width,
    )
    weights = grow_weights(dict(checkpoint.weights), old, target, checkpoint.content, seed=seed)
    lineage = Lineage.fresh(
        size,
        parent=checkpoint.lineage.version,
        trained_on=checkpoint.lineage.trained_on,
        random=checkpoint.random,
    )
    extra = dict(checkpoint.extra)
    if (drafts := DraftHead.of(checkpoint)) is not None:
        extra[DRAFTS] = _grown_drafts(drafts, target.width).to_bytes()
    return replace(checkpoint, config=target, weights=weights, lineage=lineage, extra=extra)


def _grown_drafts(head: DraftHead, width: int) -> DraftHead:
    """The head beside a trunk of this width; the stream's old dimensions stand first."""
    grown, old = DraftHead(width, head.width), head.state_dict()
    grown.load_state_dict(
        {
            name: _placed(torch.zeros_like(room), old[name]) if name in READERS else old[name]
            for name, room in grown.state_dict().items()
        }
    )
    return grown


def grow_weights(
    weights: Weights, old: ModelConfig, new: ModelConfig, content: torch.Tensor, *, seed: int
) -> Weights:
    """The weights of a network of shape ``new`` that computes what ``weights`` compute."""
    heads = _HeadMap.between(old, new)
    fresh = Network(new, weights["inputs.ids"].shape[0], content)
    fresh.initialise(seed)
    grown = dict(fresh.state_dict())
    # The input side alone feeds the stream, so its new dimensions are zero; the output side meets
    # zeros there and may keep fresh values, but its gate must read the same numbers.
    for name, value in weights.items():
        if name.startswith("inputs."):
            grown[name] = _placed(torch.zeros_like(grown[name]), value)
        elif name == "outputs.ids":
            grown[name] = _placed(grown[name], value)
        elif name.startswith(("outputs.", "signals.", "asks.", "appeal.")):
            grown[name] = _placed(torch.zeros_like(grown[name]), value)
    shrink = math.sqrt(old.width / new.width)
    grown["trunk.norm.weight"] = _norm(weights["trunk.norm.weight"], new.width, shrink)
    for layer in range(new.layers):
        prefix = f"trunk.blocks.{layer}."
        out, down = prefix + "attention.out.weight", prefix + "ffn.down.weight"
        if layer >= old.layers:
            grown[out], grown[down] = torch.zeros_like(grown[out]), torch.zeros_like(grown[down])
            continue
        for norm in ("attention_norm.weight", "ffn_norm.weight"):
            grown[prefix + norm] = _norm(weights[prefix + norm], new.width, shrink)
        for reader in ("ffn.gate.weight", "ffn.up.weight"):
            grown[prefix + reader] = _placed(grown[prefix + reader], weights[prefix + reader])
        grown[down] = _placed(torch.zeros_like(grown[down]), weights[down])
        attention = prefix + "attention."
        heads.grow_attention(grown, weights, attention)
    return grown


@dataclass(frozen=True, slots=True)
class _HeadMap:
    """Where each old head, and each old dimension of a head, stands in the larger network."""

    old: ModelConfig
    new: ModelConfig
    queries: tuple[int, ...]  # old query head -> new query head
    kv_copies: tuple[tuple[int, int], ...]  # (old, new) key-value heads; an old one may stand twice
    turned: torch.Tensor  # (old head dim,) rotary dimensions: old -> new

    @classmethod
    def between(cls, old: ModelConfig, new: ModelConfig) -> "_HeadMap":
        old_group, new_group = old.heads // old.kv_heads, new.heads // new.kv_heads
        copies = -(-old_group // new_group)
        if old.kv_heads * copies > new.kv_heads:
            raise UsageError(
                f"--grow-from: {old.heads} heads in groups of {old_group} do not fit "
                f"{new.kv_heads} groups of {new_group}. Choose a larger --size."
            )
        kv_copies, queries = [], []
        for head in range(old.heads):
            group, place = divmod(head, old_group)
            kv_head = group * copies + place // new_group
            kv_copies.append((group, kv_head))
            queries.append(kv_head * new_group + place % new_group)
        half, stretch = old.head_dim // 2, new.head_dim // old.head_dim
        pairs = torch.arange(half) * stretch
        turned = torch.cat([pairs, pairs + new.head_dim // 2])
        return cls(old, new, tuple(queries), tuple(dict.fromkeys(kv_copies)), turned)

    def grow_attention(self, grown: Weights, weights: Weights, prefix: str) -> None:
        """Fill in the four projections of one layer."""
        d, wide, narrow = self.old.width, self.new.head_dim, self.old.head_dim
        plain = torch.arange(narrow)
        query, key = grown[prefix + "query.weight"], grown[prefix + "key.weight"]
        value, out = grown[prefix + "value.weight"], grown[prefix + "out.weight"]
        out.zero_()
        for head, place in enumerate(self.queries):
            source, target = slice(head * narrow, (head + 1) * narrow), place * wide
            # Queries are zero in a head's new dimensions, so that fresh keys there say nothing.
            query[target : target + wide] = 0.0
            query[target + self.turned, :d] = weights[prefix + "query.weight"][source] * math.sqrt(
                wide / narrow
            )
            out[:d, target + plain] = weights[prefix + "out.weight"][:, source]
        for head, place in self.kv_copies:
            source, target = slice(head * narrow, (head + 1) * narrow), place * wide
            key[target + self.turned, :d] = weights[prefix + "key.weight"][source]
            value[target + plain, :d] = weights[prefix + "value.weight"][source]


def _placed(room: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """``value`` in the low corner of ``room``."""
    if value.dim() == 0:
        return value.clone()
    room[tuple(slice(0, size) for size in value.shape)] = value
    return room


def _norm(weight: torch.Tensor, width: int, shrink: float) -> torch.Tensor:
    return _placed(torch.full((width,), shrink), weight * shrink)
