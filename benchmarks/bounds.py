"""Every bound of a fast page, beside what was measured, in one run.

    genpage bench bounds --bundle BUNDLE --data DIR --peers PYTHON --checkpoint DIR
        [--short BUNDLE] [--large BUNDLE] [--members 8] [--history 128] [--in-a-row 1000]
        [--threads 2] [--json]

``--bundle`` is of a model trained with full rows (``--serialised 0``), ``--short`` of one with few
entities of a row in its sequence (`tokenizer.page`): their manifests say so, or nothing is
measured. Peers decode the checkpoint's weights token by token. What a bound compares with is the
best peer that is there; without any, the line says nothing. The head's step is of made-up vectors
of the bundle's width (`benchmarks.head`).
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from rich.table import Table

from api.compose import Settings, compose
from api.logs import configure
from benchmarks import head, load, page, trunk
from benchmarks.peers.company import Company, Whom
from benchmarks.report import Report
from benchmarks.visit import Measured
from genpage.errors import UsageError
from runtime.bundle import Bundle
from runtime.sessions import SessionSettings
from runtime.verified import VerifiedFolder

_ALL_ALONE = 20  # every entity of a row one by one
_CHUNK = 20
_PAST = 600
_ROUNDS = 5
_HEAD_ROUNDS = 15
# Memory that grows by no more of itself, from the first tenth of the members to the last, is flat.
_FLAT = 0.05
# The most of a cold page's time that may go by outside of onnxruntime's graphs (planning, rules,
# choices, answering): as a share of the page, and in milliseconds.
_SHARE, _OUTSIDE_MS = 0.05, 3.0
# What the first row may take, in passes of `_CHUNK` tokens.
_FIRST_ROW = 3.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Who asks."""

    members: int
    history: int
    in_a_row: int


@dataclass(frozen=True, slots=True)
class Line:
    """One bound. ``measured`` None: there was nothing to measure it with."""

    what: str
    sense: Literal["at least", "at most"]
    bound: float
    unit: str
    measured: float | None

    @property
    def holds(self) -> bool | None:
        """Whether it does; None where nothing is known."""
        if self.measured is None:
            return None
        if self.sense == "at least":
            return self.measured >= self.bound
        return self.measured <= self.bound

    def document(self) -> dict[str, object]:
        """As JSON."""
        return asdict(self) | {"holds": self.holds}


@dataclass(frozen=True, slots=True)
class Best:
    """The best peer's page in milliseconds, and rate in pages a second."""

    cold_ms: float | None
    warm_ms: float | None
    cold_per_s: float | None
    warm_per_s: float | None

    @classmethod
    def of(cls, company: Company | None) -> "Best":
        """Each figure's own best."""
        if company is None:
            return cls(None, None, None, None)
        times, rates = company.times.values(), company.together.values()
        cold, warm = ([r.cold.per_s for r in rates], [r.warm.per_s for r in rates])
        return cls(
            min((each.cold_ms.p50 for each in times), default=None),
            min((each.warm_ms.p50 for each in times), default=None),
            max((rate for rate in cold if rate is not None), default=None),
            max((rate for rate in warm if rate is not None), default=None),
        )


def report(
    settings: Settings,
    sample: Sample,
    *,
    short: Path | None,
    large: Path | None,
    peers: Whom | None,
) -> Report:
    """Measure everything; the peers run beside the bundle with full rows.

    `UsageError` where a bundle has other rows than its flag says.
    """
    assert settings.bundle is not None
    width = _checked(settings.bundle, short)
    alone = replace(settings, options=replace(settings.options, autoregressive=_ALL_ALONE))
    with ExitStack() as stack:
        company = None if peers is None else stack.enter_context(peers.company(settings.threads))
        full = _page(settings, sample, company)
        pages = {"full rows": full, "full rows, all autoregressive": _page(alone, sample)}
        rates = {"full rows": _load(settings, sample, company)}
        if short is not None:
            settings_of_short = replace(settings, bundle=short)
            pages["short rows"] = _page(settings_of_short, sample)
            rates["short rows"] = _load(settings_of_short, replace(sample, in_a_row=0))
        if large is not None:
            pages["large"] = _page(replace(settings, bundle=large), sample)
        best = Best.of(company)
        chunk_ms = _chunk_ms(settings.bundle, settings.threads)
        step = head.ratio(width=width, threads=settings.threads, rounds=_HEAD_ROUNDS)
        lines = list(_lines(pages, rates, best, chunk_ms, step))
        peer_document = None if company is None else company.document()
    document: dict[str, object] = {
        "bounds": [line.document() for line in lines],
        "pages": {name: measured.document() for name, measured in pages.items()},
        "load": {name: measured.document() for name, measured in rates.items()},
        "peers": peer_document,
        "best_peer": asdict(best),
        "chunk_of_20_ms": chunk_ms,
        "head_step_ratio": step,
    }
    return Report(document, _table(lines, company))


def _checked(full: Path, short: Path | None) -> int:
    """The trunk's width of two bundles that have the rows that they are measured for."""
    manifest = VerifiedFolder.open(full).manifest
    if manifest.serialised is not None:
        raise UsageError(
            f"--bundle is measured for full rows, and {full} has the first {manifest.serialised} "
            "titles of a row in its sequence; train with --serialised 0, or give it as --short."
        )
    if short is not None and VerifiedFolder.open(short).manifest.serialised is None:
        raise UsageError(
            f"--short is measured for short rows, and {short} has all titles of a row in its "
            "sequence; train with --serialised 4, or leave it out."
        )
    return manifest.trunk.width


def _page(settings: Settings, sample: Sample, company: Company | None = None) -> Measured:
    server = compose(settings, configure("warning"))
    companions = () if company is None else (company,)
    return asyncio.run(
        page.measure(server, sample.members, history=sample.history, companions=companions)
    )


def _load(settings: Settings, sample: Sample, company: Company | None = None) -> load.Measured:
    at_once = 8
    return asyncio.run(
        load.measure(
            settings,
            members=max(at_once, sample.members),
            at_once=at_once,
            history=sample.history,
            in_a_row=sample.in_a_row,
            company=company,
        )
    )


def _chunk_ms(bundle: Path, threads: int) -> float:
    opened = {"": Bundle.open(bundle)}
    settings = SessionSettings(threads)
    return round(trunk.measure(opened, _PAST, _ROUNDS, settings)[""][str(_CHUNK)], 2)


def _lines(
    pages: Mapping[str, Measured],
    rates: Mapping[str, load.Measured],
    best: Best,
    chunk_ms: float,
    step: float,
) -> Iterator[Line]:
    full, alone = pages["full rows"], pages["full rows, all autoregressive"]
    asked = {"full rows": (3.0, 5.0, 1.3, 2.0), "short rows": (4.0, 10.0, 2.0, 5.0)}
    for rows, (cold, warm, cold_rate, warm_rate) in asked.items():
        if rows not in pages:
            continue
        mine, rate = pages[rows], rates[rows].http
        ours, theirs = mine.cold.page_ms.p50, best.cold_ms
        yield _times(f"cold page, {rows}: best peer / ours", cold, theirs, ours)
        ours, theirs = mine.warm.page_ms.p50, best.warm_ms
        yield _times(f"warm page, {rows}: best peer / ours", warm, theirs, ours)
        yield _times(
            f"returning page, {rows}: warm / returning", 1.0, ours, mine.returning.page_ms.p50
        )
        what = f"8 at once over HTTP, {rows}: ours / best peer's batch"
        yield _times(f"{what}, cold", cold_rate, rate.cold.per_s, best.cold_per_s)
        yield _times(f"{what}, warm", warm_rate, rate.warm.per_s, best.warm_per_s)
        for visit, shown in (("warm", mine.warm), ("returning", mine.returning)):
            first = round(shown.first_row_ms.p50 / chunk_ms, 2)
            what = f"first row, {visit}, {rows}"
            yield Line(what, "at most", _FIRST_ROW, f"chunks of {_CHUNK}", first)
    passes = "forward passes of a page"
    yield Line(f"{passes}, 4 alone", "at most", 24, "passes", full.cold.forward_passes)
    yield Line(f"{passes}, all alone", "at most", 60, "passes", alone.cold.forward_passes)
    if "short rows" in pages:
        least = pages["short rows"].cold.forward_passes
        yield Line(f"{passes}, short rows", "at most", 15, "passes", least)
    outside = full.cold.outside_ms.p50
    yield Line("outside the graphs, cold", "at most", _OUTSIDE_MS, "ms", outside)
    share = round(outside / full.cold.page_ms.p50, 4)
    yield Line("the same, of a cold page", "at most", _SHARE, "share", share)
    what = "head's step, 200k titles with 20k eligible / 20k"
    yield Line(what, "at most", head.BOUND, "times", step)
    resident = rates["full rows"].resident
    if resident is not None:
        what = f"memory's growth over {resident.members} cold members"
        yield Line(what, "at most", _FLAT, "share", round(resident.growth, 4))


def _times(what: str, bound: float, larger: float | None, smaller: float | None) -> Line:
    measured = None if larger is None or not smaller else round(larger / smaller, 2)
    return Line(what, "at least", bound, "times", measured)


def _table(lines: list[Line], company: Company | None) -> Table:
    table = Table("what", "bound", "measured", "unit", "holds")
    words = {True: "yes", False: "no", None: "not measured"}
    for line in lines:
        measured = "-" if line.measured is None else f"{line.measured:g}"
        bound = f"{line.sense} {line.bound:g}"
        table.add_row(line.what, bound, measured, line.unit, words[line.holds])
    if company is not None:
        told = [
            f"{times.name} {times.version} ({times.precision}"
            f"{'' if times.valid else ', rules not kept'}): "
            f"{times.cold_ms.p50:.0f} ms cold, {times.warm_ms.p50:.0f} warm"
            for times in company.times.values()
        ]
        told += [f"{key}: {why}" for key, why in company.absent.items()]
        told += [
            f"{key}, batches: {why}"
            for key, why in company.absent_together.items()
            if company.absent.get(key) != why
        ]
        table.caption = "\n".join(told)
    return table
