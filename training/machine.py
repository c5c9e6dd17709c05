"""What this machine can do at most, so that a speed never stands alone."""

import time

import torch

from model.config import ModelConfig
from model.packing import Packing

_SIDE = 1024
_TIMES = 8
_SIDE_CUDA = 8192


def pick_device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def matmul_peak(device: torch.device) -> float:
    """FLOP/s of the best of a few large matrix products; bfloat16 on a GPU, else float32."""
    cuda = device.type == "cuda"
    side, dtype = (_SIDE_CUDA, torch.bfloat16) if cuda else (_SIDE, torch.float32)
    left, right = (torch.ones(side, side, dtype=dtype, device=device) for _ in range(2))
    best = float("inf")
    for _ in range(_TIMES):
        start = time.perf_counter()
        left @ right
        if cuda:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2.0 * side**3 / best


def training_flops(config: ModelConfig, packing: Packing, targets: int, candidates: int) -> float:
    """FLOPs of one step's forward and backward pass (twice the forward), norms left out.

    Causal attention counts the half that it must compute.
    """
    projections = 2.0 * packing.tokens * config.trunk_parameters()
    pairs = sum(length * length for length in packing.lengths) / 2
    attention = 4.0 * config.layers * config.query_width * pairs
    logits = 2.0 * targets * candidates * config.width
    return 3.0 * (projections + attention + logits)
