"""The peers' times for the pages that our server made in the same run."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.table import Table

from benchmarks.peers.beside import Beside, Present, beside
from benchmarks.peers.conversion import made_of
from benchmarks.peers.peer import Decoded
from benchmarks.peers.task import PageTask
from benchmarks.rates import Rates
from benchmarks.spread import Spread
from genpage.errors import UnavailableError


@dataclass(slots=True)
class Pages:
    """A peer's pages so far."""

    cold: list[Decoded] = field(default_factory=list)
    warm: list[Decoded] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds a page; ``valid`` as in `Peer`."""

    name: str
    version: str
    precision: str
    valid: bool
    cold_ms: Spread
    warm_ms: Spread
    cold_cpu_ms: Spread
    warm_cpu_ms: Spread


class Company:
    """Who decodes beside us: a `benchmarks.page.Companion`. Peers that fail are left out, told."""

    def __init__(self, there: Beside) -> None:
        self.there = there
        self._pages: dict[str, Pages] = {}
        # Why it fell out: a peer may decode a page and fail at a batch, or the other way round.
        self._failed_alone: dict[str, str] = {}
        self._failed_together: dict[str, str] = {}
        self._rates: dict[str, Rates] = {}

    def decode(self, cold: PageTask, warm: PageTask) -> None:
        """Each peer makes both pages of a member, the KV of the first held for the second."""
        for peer in self.there.present:
            key = peer.process.key
            if key in self._failed_alone:
                continue
            pages = self._pages.setdefault(key, Pages())
            try:
                pages.cold.append(_whole(peer.process.page(cold, warm=False), cold))
                pages.warm.append(_whole(peer.process.page(warm, warm=True), warm))
            except UnavailableError as error:
                self._failed_alone[key] = str(error)

    def decode_together(self, cold: Sequence[PageTask], warm: Sequence[PageTask]) -> None:
        """Each peer makes these members' pages as one batch, and their next ones."""
        for peer in self.there.present:
            key = peer.process.key
            if key in self._failed_together:
                continue
            rates = self._rates.setdefault(key, Rates())
            try:
                for rate, tasks, held in ((rates.cold, cold, False), (rates.warm, warm, True)):
                    batch = peer.process.batch(tasks, warm=held)
                    if batch is not None:
                        rate.add(batch.pages, batch.seconds)
            except UnavailableError as error:
                self._failed_together[key] = str(error)

    @property
    def together(self) -> dict[str, Rates]:
        """Pages a second of the peers that made every batch."""
        return {key: each for key, each in self._rates.items() if key not in self._failed_together}

    @property
    def times(self) -> Mapping[str, Times]:
        """By peer; only of those that made every page."""
        return {
            peer.process.key: _times(peer, self._pages[peer.process.key])
            for peer in self.there.present
            if peer.process.key not in self._failed_alone and peer.process.key in self._pages
        }

    @property
    def absent(self) -> Mapping[str, str]:
        """Whose times are missing, and why."""
        return self.there.absent | self._failed_alone

    @property
    def absent_together(self) -> Mapping[str, str]:
        """Whose rates are missing, and why."""
        return self.there.absent | self._failed_together

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "times": {key: asdict(times) for key, times in self.times.items()},
            "absent": dict(self.absent),
            "absent_together": dict(self.absent_together),
        }

    def describe(self, table: Table) -> None:
        """A row for each kind of page, and a word on who is missing."""
        blank = ("-",) * 4
        for times in self.times.values():
            rules = "" if times.valid else ", rules not kept"
            for kind, wall, cpu in (
                ("cold", times.cold_ms, times.cold_cpu_ms),
                ("warm", times.warm_ms, times.warm_cpu_ms),
            ):
                name = f"{times.name} {times.version}, {times.precision}{rules}: {kind}"
                table.add_row(name, f"{wall.p50:.1f}", f"{wall.p95:.1f}", *blank, f"{cpu.p50:.1f}")
        for key, why in self.absent.items():
            table.add_row(f"{key}: {why}", "-", "-", *blank, "-")


@dataclass(frozen=True, slots=True)
class Whom:
    """Which peers to ask: those installed for ``python``.

    They get the weights of ``checkpoint``, converted into ``folder``, where conversions are kept:
    by the checkpoint's digest, so that none is of weights that were trained since.
    """

    python: Path
    checkpoint: Path
    folder: Path

    @contextmanager
    def company(self, threads: int) -> Iterator[Company]:
        """Start them."""
        from benchmarks.peers import llama  # noqa: PLC0415 - only this way needs torch
        from model.checkpoint import Checkpoint  # noqa: PLC0415
        from model.manifest import MANIFEST  # noqa: PLC0415

        manifest = self.checkpoint / MANIFEST
        if not manifest.is_file():
            Checkpoint.load(self.checkpoint)  # says what is wrong
        place = self.folder / made_of(manifest, Path(llama.__file__))
        if not (place / "llama").exists():
            llama.write(Checkpoint.load(self.checkpoint), place / "llama")
        with beside(self.python, place / "llama", place, threads) as there:
            yield Company(there)


def _whole(page: Decoded, task: PageTask) -> Decoded:
    if len(page.tokens) != task.tokens:
        raise UnavailableError(f"a page of {len(page.tokens)} tokens, not {task.tokens}")
    return page


def _times(peer: Present, pages: Pages) -> Times:
    def spread(of: list[Decoded], name: str) -> Spread:
        return Spread.of([getattr(page, name) * 1000 for page in of])

    met = peer.met
    return Times(
        met.name,
        met.version,
        met.precision,
        met.valid,
        cold_ms=spread(pages.cold, "seconds"),
        warm_ms=spread(pages.warm, "seconds"),
        cold_cpu_ms=spread(pages.cold, "cpu_s"),
        warm_cpu_ms=spread(pages.warm, "cpu_s"),
    )
