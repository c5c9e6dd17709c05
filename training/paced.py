"""AdamW for questions: what holds for every question learns faster than the rest."""

import torch

from model.network import Network
from training.trainer import BETAS, WEIGHT_DECAY

# The gates are a few numbers.
_GATE_PACE = 5.0


def paced_optimiser(network: Network, lr: float) -> torch.optim.Optimizer:
    """``lr`` is the peak rate; a group's ``pace`` says how many times as fast it goes."""
    gates = [p for n, p in network.signals.named_parameters() if n != "weight"]
    matrices = [p for p in network.trunk.parameters() if p.dim() > 1]
    apart = {id(p) for p in (*gates, *matrices)}
    others = [p for p in network.parameters() if id(p) not in apart]
    groups = [
        {"params": matrices, "weight_decay": WEIGHT_DECAY, "pace": 1.0},
        {"params": others, "weight_decay": 0.0, "pace": 1.0},
        {"params": gates, "weight_decay": 0.0, "pace": _GATE_PACE},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=BETAS)
