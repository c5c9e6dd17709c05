"""``genpage bench``: what is measured, by the command that anybody can repeat it with."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from pydantic_settings import CliPositionalArg

from genpage.cli.command import Command, Switch
from genpage.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from api.compose import Settings
    from benchmarks.peers.company import Whom
    from benchmarks.report import Report


class Benchmark(Command):
    """A benchmark: a table for people, with ``--json`` a document for programs."""

    def run(self) -> None:
        """Measure and print; `UnavailableError` where a server that it needs does not start."""
        from deploy.services import ServiceError

        try:
            report = self.report()
        except ServiceError as error:
            raise UnavailableError(str(error)) from error
        self.emit(report.document, report.table)

    def report(self) -> "Report":
        """Measure."""
        raise NotImplementedError  # pragma: no cover - each benchmark has its own


class ServedBenchmark(Benchmark):
    """Of a server of its own, with members who ask."""

    bundle: Path = Field(description="the bundle that serves")
    data: Path = Field(description="the data whose members ask")
    members: int = Field(default=30, ge=1, description="members that ask")
    threads: int = Field(default=0, ge=0, le=1024, description="of the model; 0: one a core")
    autoregressive: int = Field(
        default=4, ge=1, le=100, description="entities of a row decoded one by one before the fill"
    )
    speculation: Switch = Field(default="on", description="guess tokens where that pays")
    spinning: Switch = Field(default="on", description="the model's threads poll in a pass")

    def settings(self) -> "Settings":
        """Of the composition root."""
        from api.compose import Settings
        from api.server import Options
        from runtime.limits import Limits

        return Settings(
            bundle=self.bundle,
            data=self.data,
            threads=self.threads,
            spinning=self.spinning == "on",
            limits=Limits(speculation=self.speculation == "on"),
            options=Options(autoregressive=self.autoregressive),
        )


class BesideBenchmark(ServedBenchmark):
    """Of a server of its own, beside other runtimes where asked for."""

    history: int = Field(default=0, ge=0, description="only members with so many events or more")
    peers: Path | None = Field(
        default=None, description="a Python with other runtimes, to measure beside"
    )
    checkpoint: Path | None = Field(default=None, description="the weights that peers get")
    peers_folder: Path = Field(default=Path("var/peers"), description="keeps peers' conversions")

    def whom(self) -> "Whom | None":
        """The peers asked for."""
        from benchmarks.peers.company import Whom
        from benchmarks.peers.interpreter import require_python

        if self.peers is None:
            return None
        if self.checkpoint is None:
            raise UsageError("--peers decode a checkpoint's weights; give --checkpoint too.")
        return Whom(require_python(self.peers), self.checkpoint, self.peers_folder)


class BenchPage(BesideBenchmark):
    """A page of 10 rows with 20 entities, from the request to its first and last row."""

    plot: Path | None = Field(default=None, description="an SVG of where the time goes")

    def report(self) -> "Report":
        """Each member's first page, and the next ones."""
        from benchmarks import page

        return page.report(
            self.settings(),
            members=self.members,
            history=self.history,
            peers=self.whom(),
            plot=self.plot,
        )


class BenchLoad(BesideBenchmark):
    """Pages a second with several members at once, and what many members leave in memory."""

    at_once: int = Field(default=8, ge=1, le=64, description="members that ask at once")
    in_a_row: int = Field(default=0, ge=0, description="cold members in a row; memory is told")

    def report(self) -> "Report":
        """The engine alone and over HTTP, cold and warm."""
        from benchmarks import load

        return load.report(
            self.settings(),
            members=self.members,
            at_once=self.at_once,
            history=self.history,
            in_a_row=self.in_a_row,
            peers=self.whom(),
        )


class BenchBounds(BesideBenchmark):
    """Every bound of a fast page beside what was measured, the best peer in the same run."""

    short: Path | None = Field(default=None, description="the model's bundle with short rows")
    large: Path | None = Field(default=None, description="a larger model's bundle, told beside")
    in_a_row: int = Field(default=0, ge=0, description="cold members in a row; memory is told")

    def report(self) -> "Report":
        """Pages, load and passes, one after the other."""
        from benchmarks import bounds

        return bounds.report(
            self.settings(),
            bounds.Sample(self.members, self.history, self.in_a_row),
            short=self.short,
            large=self.large,
            peers=self.whom(),
        )


class BenchMultistage(ServedBenchmark):
    """The model's page against the multi-stage pipeline's, behind the same routes."""

    pages: int = Field(default=2000, ge=10, description="impressed pages the pipeline learns from")

    def report(self) -> "Report":
        """Both in turn, in one process; the pipeline learns from the data."""
        from benchmarks import multistage

        return multistage.report(self.settings(), members=self.members, pages=self.pages)


class BenchOverhead(Benchmark):
    """What the server costs on top of the engine."""

    pages: int = Field(default=300, ge=1, description="pages of each kind")

    def report(self) -> "Report":
        """As a stream and as JSON, within the process and through a socket."""
        from benchmarks import overhead

        return overhead.report(pages=self.pages)


class BenchEngine(Benchmark):
    """What the engine costs a page, outside the trunk and the head."""

    def report(self) -> "Report":
        """By catalog and batch."""
        from benchmarks import engine

        return engine.report()


class BenchPrompts(Benchmark):
    """How long a prompt takes to encode."""

    def report(self) -> "Report":
        """By length of the history."""
        from benchmarks import prompts

        return prompts.report()


class BenchTrunk(Benchmark):
    """What a forward pass of exported trunks costs, beside the machine's own matrix product."""

    bundles: CliPositionalArg[list[Path]] = Field(description="bundles, measured in turns")
    threads: int = Field(default=2, ge=0, le=1024, description="of the model; 0: one a core")
    spinning: Switch = Field(default="on", description="the model's threads poll in a pass")
    past: int = Field(default=600, ge=1, description="tokens that short chunks stand behind")
    rounds: int = Field(default=10, ge=1, description="of which the best is kept")

    def report(self) -> "Report":
        """A prefill and chunks of several lengths."""
        from benchmarks import trunk
        from runtime.sessions import SessionSettings

        settings = SessionSettings(self.threads, self.spinning == "on")
        return trunk.report(self.bundles, settings=settings, past=self.past, rounds=self.rounds)


class BenchLanes(Benchmark):
    """What chunks of several pages cost in one pass, beside a pass for each."""

    bundle: CliPositionalArg[Path] = Field(description="the bundle")
    threads: int = Field(default=2, ge=0, le=1024, description="of the model; 0: one a core")
    past: int = Field(default=600, ge=1, description="tokens that chunks stand behind")
    rounds: int = Field(default=10, ge=1, description="of which the median is told")

    def report(self) -> "Report":
        """Two, four and eight chunks of several lengths."""
        from benchmarks import lanes
        from runtime.sessions import SessionSettings

        settings = SessionSettings(self.threads)
        return lanes.report(self.bundle, settings=settings, past=self.past, rounds=self.rounds)


class BenchMemory(Benchmark):
    """How long a bundle takes to be ready, and what it takes of memory as cold members come."""

    bundle: Path = Field(description="the bundle")
    members: int = Field(default=1000, ge=10, description="cold members, one after the other")
    rows: int = Field(default=10, ge=1, le=40, description="of each member's page")
    threads: int = Field(default=0, ge=0, le=1024, description="of the model; 0: one a core")
    warm_members: int = Field(default=64, ge=0, le=4096, description="kept warm at most")
    kv_memory: int = Field(default=1024, ge=1, description="MiB of KV")

    def report(self) -> "Report":
        """Ready twice, then the members."""
        from benchmarks import memory

        return memory.report(
            self.bundle,
            members=self.members,
            rows=self.rows,
            threads=self.threads,
            warm=self.warm_members,
            kv_bytes=self.kv_memory << 20,
        )


class BenchHead(Benchmark):
    """What scoring and choosing cost a step, by titles in the catalog and titles eligible."""

    width: int = Field(default=768, ge=64, le=4096, description="of the vectors")
    largest: int = Field(default=2_000_000, ge=1_000, description="titles, at most")
    threads: int = Field(default=2, ge=1, le=1024, description="of the head")
    rounds: int = Field(default=15, ge=1, description="of which the median is told")

    def report(self) -> "Report":
        """At 1,000, 20,000, 200,000 and 2,000,000 titles."""
        from benchmarks import head

        return head.report(
            width=self.width, largest=self.largest, threads=self.threads, rounds=self.rounds
        )


class BenchFreshness(Benchmark):
    """How soon what a member does changes their next page, on a Redis and a Kafka of its own."""

    bundle: Path | None = Field(default=None, description="the bundle that serves; else a fake one")
    events: int = Field(default=100_000, ge=1_000, description="that an outage leaves behind")
    rate: int = Field(default=1_000, ge=1, description="events a second")
    rounds: int = Field(default=100, ge=2, description="events that a page is waited for after")

    def report(self) -> "Report":
        """The table of bounds, and what holds."""
        from benchmarks import freshness

        return freshness.report(self.bundle, events=self.events, rate=self.rate, rounds=self.rounds)


class BenchLog(Benchmark):
    """What the event log's guarantees cost: whole lists, and partitions that move."""

    rounds: int = Field(default=160, ge=40, description="lists of each kind")

    def report(self) -> "Report":
        """On a Kafka of its own."""
        from benchmarks import event_log

        return event_log.report(rounds=self.rounds)


class BenchContextStore(Benchmark):
    """What Redis costs a page and an event."""

    redis_url: str | None = Field(default=None, description="in place of one of its own")

    def report(self) -> "Report":
        """By what is read, and by length of the history."""
        from benchmarks import context_store

        return context_store.report(self.redis_url)


class BenchCatalog(Benchmark):
    """What a catalog snapshot costs the pages that are made meanwhile."""

    bundle: Path = Field(description="the bundle that serves")

    def report(self) -> "Report":
        """While a title arrives every moment, and without."""
        from benchmarks import catalog

        return catalog.report(self.bundle)


class BenchSwap(Benchmark):
    """What swapping bundles costs the pages that are asked for meanwhile, on a Kafka of its own."""

    bundle: Path | None = Field(default=None, description="the bundle to swap; else a small one")
    swaps: int = Field(default=20, ge=4, description="versions that follow each other")
    threads: int = Field(default=1, ge=0, le=1024, description="of the model; 0: one a core")

    def report(self) -> "Report":
        """The table of bounds, and what holds."""
        from benchmarks import swap

        return swap.report(self.bundle, swaps=self.swaps, threads=self.threads)
