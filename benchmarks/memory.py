"""What a bundle takes of memory, how long it takes to be ready, and that cold members add nothing.

    genpage bench memory --bundle BUNDLE [--members 1000] [--rows 10] [--kv-memory 1024]

The engine that serves, without a server around it. *Ready* is the time from the bundle's folder to
the first page that may be made: where this host has not met the bundle's golden pages, and where it
has. Then so many made-up members come one after the other, each for the first time, and resident
memory is read after every tenth of them: it grows until as many are kept warm as may be
(``--warm-members``, ``--kv-memory``), and then no more. *Private* is what this process alone takes:
weights are mapped from a file, by all sessions the same, and the machine may drop and read them
again.
"""

import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.table import Table

from benchmarks.report import Report
from export.members import evening_after, made_up_members
from genpage.errors import GenPageError
from runtime.engine import Engine
from runtime.job import PageJob
from runtime.limits import Limits
from runtime.model import LoadedModel, LoadSettings
from runtime.offline import job_of
from runtime.output import PageFailed
from runtime.prefix import PrefixKey
from runtime.sessions import SessionSettings
from runtime.verdicts import Verdicts

_TENTHS = 10
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Taken:
    """MiB after so many cold members: of all pages mapped, of this process alone, and of KV."""

    members: int
    resident: float
    private: float
    kv: float


def report(
    bundle: Path, *, members: int, rows: int, threads: int, warm: int, kv_bytes: int
) -> Report:
    """Load twice, then serve."""
    limits = Limits(batch=8, warm=warm, kv_bytes=kv_bytes)
    with tempfile.TemporaryDirectory(prefix="genpage-bench-") as verified:
        settings = LoadSettings(
            limits.slots, SessionSettings(threads), verdicts=Verdicts(Path(verified))
        )
        before = taken(0, 0)
        first_s, model = ready(bundle, settings)
        del model
        again_s, model = ready(bundle, settings)
    engine = Engine(limits)
    steps = [taken(0, 0)]
    each = max(1, members // _TENTHS)
    for number, job in enumerate(cold(model, members, rows), start=1):
        make(engine, job)
        if number % each == 0:
            steps.append(taken(number, engine.stats().kv_bytes))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    half = steps[len(steps) // 2]
    document: dict[str, object] = {
        "size": model.manifest.size,
        "precision": model.manifest.precision,
        "ready_s": {"first": round(first_s, 2), "again": round(again_s, 2)},
        "rss_mib": {
            "python": before.resident,
            "loaded": steps[0].resident,
            "end": steps[-1].resident,
            "peak": round(peak, 1),
        },
        "token_kv_bytes": model.backend.token_bytes,
        "cold_members": members,
        "rss_growth": round(steps[-1].resident / half.resident - 1, 4),
        "steps": [asdict(step) for step in steps],
    }
    table = Table("cold members", "resident", "private", "KV", title="MiB")
    for step in steps:
        table.add_row(*map(str, (step.members, step.resident, step.private, step.kv)))
    table.caption = (
        f"{model.manifest.size}, {model.manifest.precision}: ready in {first_s:.1f} s, on a host "
        f"that has met its golden pages in {again_s:.1f} s; peak {peak:.0f} MiB"
    )
    return Report(document, table)


def ready(bundle: Path, settings: LoadSettings) -> tuple[float, LoadedModel]:
    """Load; seconds."""
    began = time.perf_counter()
    model = LoadedModel.load(bundle, settings)
    return time.perf_counter() - began, model


def cold(model: LoadedModel, count: int, rows: int) -> Iterator[PageJob]:
    """Pages of so many members whom nobody has seen, with histories of all lengths."""
    at = evening_after(model.catalog, None)
    number = seed = 0
    while number < count:
        seed += 1
        for member in made_up_members(model.catalog, model.rules, model.trends, at, seed=seed):
            asked = replace(member, request=replace(member.request, rows=rows))
            job = job_of(model, asked)
            yield replace(job, key=PrefixKey(model.digest, f"{member.name} {seed}"))
            number += 1
            if number == count:
                return


def make(engine: Engine, job: PageJob) -> None:
    """One page, to its end."""
    engine.submit(job)
    while engine.busy:
        for output in engine.step():
            if isinstance(output, PageFailed):
                raise output.error


def taken(members: int, kv_bytes: int) -> Taken:
    """Of this process, now."""
    try:
        lines = Path("/proc/self/smaps_rollup").read_text("ascii").splitlines()[1:]
    except OSError as error:
        raise GenPageError("memory is told by Linux alone, from /proc/self/smaps_rollup") from error
    kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    private = kib["Private_Clean"] + kib["Private_Dirty"]
    return Taken(
        members,
        round(kib["Rss"] / 1024, 1),
        round(private / 1024, 1),
        round(kv_bytes / _MIB, 1),
    )
