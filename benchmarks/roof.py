"""The least that a trunk's runs could take here: its multiplications, or its weights' way in.

A run reads all weights once, however many tokens it takes, and multiplies each weight with each
token; but those that finish a token with one alone, if no other's state is read. Multiplications
go at the rate that a large product of the trunk's precision reaches here (`benchmarks.products`),
weights at that of summing an array much larger than any cache.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Self

import numpy as np

from benchmarks.products import rate
from benchmarks.trunk import finishing, multiplications
from runtime.bundle import Bundle
from runtime.sessions import SessionSettings

_ROUNDS = 5
_READ = 1 << 25  # float64s a thread


@dataclass(frozen=True, slots=True)
class Roof:
    """``multiplications`` a token, ``finishing`` it among them, ``bytes`` a run; rates a second."""

    multiplications: int
    finishing: int
    bytes: int
    multiplied_per_s: float
    read_per_s: float

    @classmethod
    def of(cls, bundle: Bundle, threads: int) -> Self:
        """Measured now, on so many threads (0: two)."""
        threads = threads or 2
        size = bundle.manifest.files["trunk.onnx.data"].bytes
        products = multiplications(bundle), finishing(bundle)
        multiplied = rate(bundle.manifest.precision, SessionSettings(threads), _ROUNDS)
        return cls(*products, size, multiplied, _read_per_s(threads))

    def least_ms(self, runs: float, tokens: float) -> float:
        """Of so many runs with so many tokens in all, milliseconds."""
        products = self.multiplications * tokens - self.finishing * (tokens - runs)
        return 1000 * max(products / self.multiplied_per_s, self.bytes * runs / self.read_per_s)


def _read_per_s(threads: int) -> float:
    parts = [np.ones(_READ) for _ in range(threads)]
    took = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(_ROUNDS):
            began = perf_counter()
            list(pool.map(np.sum, parts))
            took.append(perf_counter() - began)
    return threads * _READ * 8 / min(took)
