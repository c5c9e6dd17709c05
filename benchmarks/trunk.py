"""What a forward pass of exported trunks costs, beside the machine's own matrix product.

    genpage bench trunk BUNDLE [BUNDLE ...] [--past 600] [--rounds 10]

A *prefill* runs 512 tokens on an empty slot, the others a chunk of so many tokens on a past. Of
each the last token's state alone is read, so that the others are not finished (`runtime.trimmed`);
*512, all* is a prefill of which all states are. The *floor* is the least time for the trunk's
multiplications at the rate that a large product of its precision reaches here in the same run
(`benchmarks.products`); a short chunk is bound by memory instead. Bundles take turns, and the best
of the rounds is kept: what a pass costs undisturbed. On a busy machine, ``chrt -f 5`` in front.
"""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from rich.table import Table

from benchmarks.products import once_ms, rate
from benchmarks.report import Report
from runtime.bundle import Bundle
from runtime.chunk import Chunk
from runtime.sessions import SessionSettings
from runtime.trunk import TrunkBackend

PREFILL = 512
CHUNKS = (1, 2, 5, 8, 20, 32, 64)


def multiplications(bundle: Bundle) -> int:
    """Multiply-adds of the trunk's weights, a token whose state is read."""
    trunk = bundle.manifest.trunk
    data = bundle.manifest.files["trunk.onnx.data"].bytes
    rotary = (trunk.capacity + 1) * trunk.head_dim * 4
    return (data - rotary) // (4 if bundle.manifest.precision == "fp32" else 1)


def finishing(bundle: Bundle) -> int:
    """Those of them that a token goes without whose state is not read."""
    trunk = bundle.manifest.trunk
    asking = trunk.width * (trunk.heads + 2 * trunk.kv_heads) * trunk.head_dim
    return multiplications(bundle) // trunk.layers - asking


def measure(
    bundles: dict[str, Bundle], past: int, rounds: int, settings: SessionSettings
) -> dict[str, dict[str, float]]:
    """Bundle -> pass -> best milliseconds."""
    backends = {
        name: TrunkBackend(
            bundle.contents.trunk,
            bundle.manifest.trunk.signature,
            bundle.contents.lexicon.inputs,
            capacity=bundle.manifest.trunk.capacity,
            slots=1,
            settings=settings,
        )
        for name, bundle in bundles.items()
    }
    passes = {"512": (0, PREFILL, 1), "512, all": (0, PREFILL, PREFILL)}
    passes |= {str(count): (past, count, 1) for count in CHUNKS}
    times = {name: dict.fromkeys(passes, float("inf")) for name in backends}
    for backend in backends.values():
        for start in range(0, past, PREFILL):
            count = min(PREFILL, past - start)
            backend.forward([Chunk(0, start, np.arange(count, dtype=np.int32))])
    for _ in range(rounds):
        for label, (start, count, scored) in passes.items():
            chunk = Chunk(0, start, np.arange(count, dtype=np.int32), scored)
            for name, backend in backends.items():
                work = partial(backend.forward, [chunk])
                # The first of them finds the other bundle's weights in the cache.
                took = min(once_ms(work) for _ in range(3 if start else 1))
                times[name][label] = min(times[name][label], took)
    return times


def report(
    paths: Sequence[Path], *, settings: SessionSettings, past: int = 600, rounds: int = 10
) -> Report:
    """Measure bundles in turns."""
    bundles = {str(path): Bundle.open(path) for path in paths}
    times = measure(bundles, past, rounds, settings)
    precisions = {bundle.manifest.precision for bundle in bundles.values()}
    rates = {precision: rate(precision, settings, rounds) for precision in sorted(precisions)}
    table = Table("bundle", "512", "512, all", *map(str, CHUNKS), title="ms a pass")
    for name, bundle in bundles.items():
        cells = (f"{times[name][label]:.2f}" for label in times[name])
        table.add_row(f"{Path(name).name}, {bundle.manifest.precision}", *cells)
        whole, spared = multiplications(bundle), finishing(bundle)
        spent = [whole * count - spared * (count - 1) for count in (PREFILL, *CHUNKS)]
        spent.insert(1, whole * PREFILL)
        reached = rates[bundle.manifest.precision]
        table.add_row("floor", *(f"{count / reached * 1e3:.2f}" for count in spent))
    document: dict[str, object] = {
        "threads": settings.threads,
        "spinning": settings.spinning,
        "cores": os.cpu_count(),
        "gops": {name: round(2 * reached / 1e9, 1) for name, reached in rates.items()},
        "ms": times,
    }
    return Report(document, table)
