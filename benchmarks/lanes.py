"""What chunks of several pages cost in one pass, beside a pass for each.

    genpage bench lanes BUNDLE [--past 600] [--rounds 10] [--threads 2]

Each of 1, 2, 4 or 8 slots holds ``past`` tokens of its own and is fed chunks of so many tokens,
once with graphs of several lanes and once with the exported one alone. They take turns, the median
of the rounds is told, and what they compute is compared bit for bit.
"""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from rich.table import Table

from benchmarks.products import once_ms
from benchmarks.report import Report
from benchmarks.trunk import PREFILL
from genpage.errors import GenPageError
from runtime.bundle import Bundle
from runtime.chunk import Chunk
from runtime.lanes import LANES
from runtime.sessions import SessionSettings
from runtime.trunk import TrunkBackend

TOKENS = (2, 5, 10, 21)


def report(bundle: Path, *, settings: SessionSettings, past: int = 600, rounds: int = 10) -> Report:
    """Measure a bundle."""
    opened = Bundle.open(bundle)
    alone, together = (
        TrunkBackend(
            opened.contents.trunk,
            opened.manifest.trunk.signature,
            opened.contents.lexicon.inputs,
            capacity=opened.manifest.trunk.capacity,
            slots=max(LANES),
            settings=settings,
            lanes=lanes,
        )
        for lanes in ((1,), LANES)
    )
    tokens = _tokens(opened, past)
    for backend in (alone, together):
        for slot, held in enumerate(tokens):
            for start in range(0, past, PREFILL):
                backend.forward([Chunk(slot, start, held[start : min(past, start + PREFILL)])])
    table = Table("tokens each", title="ms, a pass for each / one pass")
    ms: dict[str, dict[str, dict[str, float]]] = {}
    for count in LANES[1:]:
        table.add_column(f"{count} chunks")
    for size in TOKENS:
        ms[str(size)] = {}
        for count in LANES[1:]:
            chunks = [
                Chunk(slot, past, tokens[slot][past : past + size], scored=size)
                for slot in range(count)
            ]
            ms[str(size)][str(count)] = _compared(alone, together, chunks, rounds)
        cells = (f"{each['apart']:.1f} / {each['together']:.1f}" for each in ms[str(size)].values())
        table.add_row(str(size), *cells)
    document: dict[str, object] = {
        "size": opened.manifest.size,
        "threads": settings.threads,
        "cores": os.cpu_count(),
        "past": past,
        "ms": ms,
    }
    return Report(document, table)


def _tokens(bundle: Bundle, past: int) -> list[np.ndarray]:
    """Of each slot: those held, and those of the longest chunk behind them."""
    shape = (max(LANES), past + max(TOKENS))
    drawn = np.random.default_rng(0).integers(bundle.manifest.vocabulary_size, size=shape)
    return list(drawn.astype(np.int32))


def _compared(
    alone: TrunkBackend, together: TrunkBackend, chunks: Sequence[Chunk], rounds: int
) -> dict[str, float]:
    """Median milliseconds of both, in turns."""
    apart, joined = (np.concatenate(backend.forward(chunks)) for backend in (alone, together))
    if not np.array_equal(apart, joined):
        raise GenPageError("chunks in lanes are not what they are alone. This is a bug.")
    took: dict[str, list[float]] = {"apart": [], "together": []}
    for _ in range(rounds):
        for name, backend in (("apart", alone), ("together", together)):
            took[name].append(once_ms(partial(backend.forward, chunks)))
    return {name: round(float(np.median(times)), 2) for name, times in took.items()}
