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


def training_dtype(device: torch.device) -> torch.dtype:
    """What matrix products are trained in: bfloat16 where the hardware multiplies it.

    Emulated, it is slower than float32. On a CPU only AMX and AVX512-BF16 multiply it.
    """
    if device.type == "cuda":
        has = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        held = torch.cpu.get_capabilities()
        has = any(held.get(name, False) for name in ("amx_bf16", "avx512_bf16"))
    return torch.bfloat16 if has else torch.float32


def matmul_peak(device: torch.device) -> float:
    """FLOP/s of the best of a few large matrix products in the type that is trained in."""
    cuda, dtype = device.type == "cuda", training_dtype(device)
    side = _SIDE_CUDA if cuda else _SIDE
    left, right = (torch.ones(side, side, dtype=dtype, device=device) for _ in range(2))
    best = float("inf")
    for _ in range(_TIMES):
        start = time.perf_counter()
        left @ right
        if cuda:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2.0 * side**3 / best


def training_flops(config: ModelConfig, packing: Packing, logits: int) -> float:
    """FLOPs of one step's forward and backward pass (twice the forward), norms left out.

    Causal attention counts the half that it must compute.
    """
    projections = 2.0 * packing.tokens * config.trunk_parameters()
    pairs = sum(length * length for length in packing.lengths) / 2
    attention = 4.0 * config.layers * config.query_width * pairs
    products = 2.0 * logits * config.width
    return 3.0 * (projections + attention + products)
