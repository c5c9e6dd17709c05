"""What swapping bundles costs the pages that are asked for meanwhile.

    genpage bench swap [--bundle BUNDLE] [--swaps 20] [--json]

A real server on a real Kafka, both of their own processes, under a steady load from this one: pages
begin at fixed moments, however long the ones before take. Versions of one bundle, which differ in
nothing but their name and digest, are announced one after the other. ``during`` are the pages that
were asked for, or still being made, between an announcement and its activation; ``before`` those
of a stretch without any. The bound of the latter two is their own ratio, and of memory its growth
from the third swap on.
"""

import asyncio
import hashlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.error import URLError
from urllib.request import urlopen

import aiohttp
import numpy as np
import psutil
from rich.table import Table

from benchmarks.report import Report
from deploy.services import KafkaBroker, Service
from genpage.cli import run as genpage
from genpage.errors import UnavailableError
from rollout.announcement import Announcement
from streaming.broker import Broker
from streaming.checkpoint_board import Board

SHAPE: Final = {"rows": 10, "entities_per_row": 20}
MODEL: Final = "bench"
MEMBERS: Final = 40
# Of what the server could make one after the other.
LOAD: Final = 0.4
BEFORE_S: Final = 30.0
# After a swap, until what the old bundle held is free, and again after the benchmark's own tidying.
SETTLE_S: Final = 1.0
# A swap takes seconds; one that takes longer than this never ends.
MOST_S: Final = 120.0
# The swap from which on memory is to be flat.
THIRD: Final = 3
_POLL_S: Final = 0.05
_CUT_SHORT: Final = {"cancelled", "draining"}


class _Server(Service):
    """``genpage serve``."""

    name = "genpage"

    def __init__(self, folder: Path, *arguments: str | Path) -> None:
        super().__init__(folder)
        self._arguments = arguments

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _command(self) -> Sequence[str | Path]:
        serve = (sys.executable, "-m", "genpage", "serve", "--port", str(self.port))
        return (*serve, "--log-level", "warning", *self._arguments)

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/readyz", timeout=1.0) as answer:  # noqa: S310 - our own
                parts: dict[str, str] = json.load(answer)["parts"]
                return parts["checkpoints"] == "ok"
        except (URLError, OSError):
            return False


@dataclass(slots=True)
class _Seen:
    """A page: when it was asked for and done (monotonic seconds), and whether it was whole."""

    begun: float
    ended: float
    whole: bool

    @property
    def ms(self) -> float:
        return (self.ended - self.begun) * 1000


@dataclass(slots=True)
class _Load:
    """Pages asked for at fixed moments."""

    http: aiohttp.ClientSession
    pages: list[_Seen] = field(default_factory=list)
    asked: int = 0
    # Each phase has members of its own.
    phase: int = 0

    async def page(self) -> None:
        """One page."""
        begun = time.monotonic()
        self.asked += 1
        body = {"user_id": f"{self.phase}-{self.asked % MEMBERS}", **SHAPE}
        whole = False
        try:
            async with self.http.post("/v1/pages", json=body) as answer:
                page = await answer.json()
                whole = answer.status == 200 and page["finish_reason"] not in _CUT_SHORT  # noqa: PLR2004
        except (aiohttp.ClientError, TimeoutError):
            pass
        self.pages.append(_Seen(begun, time.monotonic(), whole))

    async def forget(self, phase: int) -> None:
        """Erase a phase's members, and with them the pages that are kept for minutes.

        What those take grows with the time that the benchmark runs, not with its swaps.
        """
        for number in range(MEMBERS):
            async with self.http.delete(f"/v1/users/{phase}-{number}/context") as answer:
                answer.raise_for_status()

    @asynccontextmanager
    async def steady(self, every_s: float) -> AsyncIterator[None]:
        """Asks while inside; returns once the last page is done."""

        async def ask() -> None:
            next_at = time.monotonic()
            while True:
                group.create_task(self.page())
                next_at += every_s
                await asyncio.sleep(max(0.0, next_at - time.monotonic()))

        async with asyncio.TaskGroup() as group:
            asking = group.create_task(ask())
            yield
            asking.cancel()


@dataclass(frozen=True, slots=True)
class _Swap:
    """From its announcement to its activation, monotonic; what the server said of it."""

    announced: float
    active: float
    activation_ms: float
    rss: int


def report(bundle: Path | None = None, *, swaps: int = 20, threads: int = 1) -> Report:
    """Swap so many times under load, then roll back."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="genpage-bench-")))
        if bundle is None:
            bundle = _small(folder)
        bundle = bundle.resolve()  # the server runs in a folder of its own
        kafka = stack.enter_context(KafkaBroker(folder / "kafka"))
        server = _Server(
            folder / "server",
            *("--bundle", bundle, "--kafka", kafka.bootstrap, "--state-dir", folder / "state"),
            *("--model-name", MODEL, "--swap-stagger", "0", "--threads", str(threads)),
        )
        stack.enter_context(server)
        board = Board(Broker(kafka.bootstrap), MODEL)
        return asyncio.run(_measured(server, board, bundle, folder, swaps))


def _small(folder: Path) -> Path:
    """Random weights over a made-up catalog."""
    checkpoint, bundle = folder / "checkpoint", folder / "bundle"
    sizes = ("--vocab-entities", "2000", "--vocab-rows", "40")
    genpage(["init", "--size", "tiny", *sizes, "--out", str(checkpoint)])
    genpage(["export", str(checkpoint), "--out", str(bundle)])
    return bundle


def _version_of(bundle: Path, folder: Path, number: int) -> tuple[Path, str, str]:
    """A copy under another version: folder, version, digest."""
    copy = shutil.copytree(bundle, folder / f"version-{number}")
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    manifest["version"] = f"swap-{number}"
    path.write_text(json.dumps(manifest), "utf-8")
    return copy, manifest["version"], hashlib.sha256(path.read_bytes()).hexdigest()


async def _measured(
    server: _Server, board: Board, bundle: Path, folder: Path, swaps: int
) -> Report:
    process, begun = psutil.Process(server.pid), time.monotonic()
    async with aiohttp.ClientSession(server.url) as http:
        load = _Load(http)
        for _ in range(MEMBERS):
            await load.page()
        alone_ms = median(page.ms for page in load.pages[MEMBERS // 2 :])
        load.pages.clear()
        every_s = alone_ms / 1000 / LOAD
        async with load.steady(every_s):
            await asyncio.sleep(BEFORE_S)
            quiet_until = time.monotonic()
            done = [
                await _swap(load, board, process, bundle, folder, number) for number in range(swaps)
            ]
            rollback_ms = await _rolled_back(http)
    before = [page.ms for page in load.pages if page.ended < quiet_until]
    during = [page.ms for page in load.pages if _meets(page, done)]
    failed = sum(not page.whole for page in load.pages)
    took_s = time.monotonic() - begun
    return _report(before, during, failed, len(load.pages), done, rollback_ms, every_s, took_s)


async def _swap(
    load: _Load,
    board: Board,
    process: psutil.Process,
    bundle: Path,
    folder: Path,
    number: int,
) -> _Swap:
    copy, version, digest = await asyncio.to_thread(_version_of, bundle, folder, number)
    announcement = Announcement(copy.as_uri(), time.time(), digest, version)
    await asyncio.sleep(SETTLE_S)  # the pages that the tidying delayed are over
    begun = time.monotonic()
    await board.announce(announcement.document())
    status = await activated(load.http, version, digest)
    active = time.monotonic()
    load.phase += 1
    await asyncio.sleep(SETTLE_S)
    if load.phase > 1:
        await load.forget(load.phase - 2)
    await asyncio.to_thread(shutil.rmtree, copy)
    return _Swap(begun, active, status["last_activation_s"] * 1000, process.memory_info().rss)


async def activated(
    http: aiohttp.ClientSession, version: str, digest: str, most_s: float = MOST_S
) -> dict[str, Any]:
    """What the server says once the bundle serves; `UnavailableError` where it does not in time."""
    last = None
    try:
        async with asyncio.timeout(most_s):
            while True:
                status = await _get(http, "/admin/v1/checkpoints/status")
                if status["active"]["digest"] == digest:
                    return status
                last = status["statuses"][-1]
                if last["event"] == "rejected":
                    raise RuntimeError(f"the bundle was refused: {last['why']}")
                await asyncio.sleep(_POLL_S)
    except TimeoutError as error:
        said = "nothing" if last is None else f"{last['event']} {last['version']} ({last['why']})"
        raise UnavailableError(
            f"{version} does not serve within {most_s:g} s; the server said last: {said}"
        ) from error


async def _rolled_back(http: aiohttp.ClientSession) -> float:
    """Until a page is made with the earlier version, milliseconds."""
    before = (await _get(http, "/v1/models"))["previous"]["version"]
    begun = time.monotonic()
    async with http.post("/admin/v1/checkpoints/rollback") as answer:
        went = await answer.json()
    async with http.post("/v1/pages", json={"user_id": "m0", "rows": 1}) as answer:
        page = await answer.json()
    took = (time.monotonic() - begun) * 1000
    if not before == went["version"] == page["model"]["version"]:
        raise RuntimeError(f"rolled back to {went}, a page is made with {page['model']}")
    return took


async def _get(http: aiohttp.ClientSession, path: str) -> dict[str, Any]:
    async with http.get(path) as answer:
        found: dict[str, Any] = await answer.json()
        return found


def _meets(page: _Seen, swaps: Sequence[_Swap]) -> bool:
    return any(page.begun <= s.active and page.ended >= s.announced for s in swaps)


def _report(
    before: list[float],
    during: list[float],
    failed: int,
    pages: int,
    swaps: Sequence[_Swap],
    rollback_ms: float,
    every_s: float,
    took_s: float,
) -> Report:
    rss = [round(swap.rss / (1 << 20), 1) for swap in swaps]
    third = rss[THIRD - 1] if len(rss) >= THIRD else rss[-1]
    growth = max(rss[THIRD:], default=third) / third - 1
    ratio = _p(during, 99) / _p(before, 99)
    document: dict[str, object] = {
        "pages": pages,
        "pages_per_s": round(1 / every_s, 1),
        "failed": failed,
        "before_ms": {"p50": _p(before, 50), "p99": _p(before, 99), "n": len(before)},
        "during_ms": {"p50": _p(during, 50), "p99": _p(during, 99), "n": len(during)},
        "p99_ratio": round(ratio, 3),
        "swap_s": {"p50": round(median(s.active - s.announced for s in swaps), 3)},
        "activation_ms": {"max": round(max(s.activation_ms for s in swaps), 4), "n": len(swaps)},
        "rollback_ms": round(rollback_ms, 2),
        "rss_mib": rss,
        "rss_growth": round(growth, 4),
        "took_s": round(took_s, 1),
    }
    table = Table("what", "measured", "bound")
    table.add_row("failed pages", f"{failed} of {pages}", "0")
    table.add_row("page p99 before", f"{_p(before, 99)} ms", "")
    table.add_row("page p99 during a swap", f"{_p(during, 99)} ms ({ratio:.2f} times)", "2 times")
    table.add_row("activation", f"{document['activation_ms']}", "10 ms")
    table.add_row("rollback, to a page made with it", f"{rollback_ms:.1f} ms", "1000 ms")
    at = min(THIRD, len(rss))
    table.add_row(f"memory after swap {at} and {len(rss)}", f"{third} and {rss[-1]} MiB", "")
    table.add_row("most memory after that", f"{growth:+.1%}", "5%")
    table.add_row("the whole measurement", f"{took_s:.0f} s", "")
    return Report(document, table)


def _p(values: Sequence[float], percent: float) -> float:
    return round(float(np.percentile(values, percent)), 2) if values else 0.0
