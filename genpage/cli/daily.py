"""``genpage daily``: train, export, gate and announce, day after day."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field
from rich.console import Console, Group, RenderableType
from rich.table import Table

from genpage.cli.command import Command
from genpage.cli.train_daily import end_of_days
from genpage.errors import ArtefactError, UsageError
from genpage.hold import held

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataset.folder import DataFolder
    from evaluation.curves import Curves
    from evaluation.rounding import MembersTrial
    from training.cadence import Cadence
    from training.journal import Journal, Line
    from training.updates import Slice, Updates


class DailyCycle(Command):
    """Each finished day: judge, train on it, export a bundle, hold it to the gates, announce it.

    Stopped at any moment, it goes on with the first day that its journal does not have, given the
    data of the days before. A day whose quality falls too far below those before is written but not
    announced, and the run stops.
    """

    data: Path = Field(description="a folder in the data layout")
    parent: Path = Field(alias="from", description="the checkpoint to begin with")
    out: Path = Field(description="the folder of checkpoints, bundles and the journal")
    last: str | None = Field(
        default=None, alias="to", description="the day after the last; by default the data's end"
    )
    pages: int | None = Field(
        default=None, ge=0, description="about so many pages trained on a day"
    )
    bundles: bool = Field(default=True, description="export each day's bundle")
    curves: bool = Field(
        default=False,
        description="also judge older days, and a model not updated for 1 to 14; in curves.svg",
    )
    precision: Literal["fp32", "int8"] = Field(default="int8", description="of the bundles")
    members: int = Field(
        default=0, ge=0, description="members that int8 is tried on beside float32, as a gate"
    )
    keep: int = Field(default=3, ge=1, description="newest checkpoints and bundles kept")
    publish: str | None = Field(
        default=None, description="announce bundles: a server's URL or a broker's HOST:PORT"
    )
    least: float = Field(
        default=0.5, ge=0, description="HR@10 of a day over the mean of the 7 before, at least"
    )
    changed_data: bool = Field(
        default=False, description="go on though days that were learnt were written again since"
    )
    seed: int = Field(default=0, ge=0, description="of order and drop-out")
    threads: int | None = Field(default=None, ge=1, description="CPU threads; all by default")

    def run(self) -> None:
        """Go through the days."""
        import torch

        from dataset.day import day_start
        from dataset.folder import DataFolder
        from training.group import refuse_others
        from training.journal import Journal

        if self.members and self.precision == "fp32":
            raise UsageError(
                f"--members {self.members} is for --precision int8, which is tried beside float32; "
                "leave it out, or --precision fp32"
            )
        refuse_others()
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        folder = DataFolder(self.data)
        last = day_start(end_of_days(folder, self.last))
        if self.curves:
            _refuse_without_plots()
        journal = Journal(self.out)
        with held(self.out, "--out", "run of days"):
            self._go(folder, last, journal)
        lines = journal.lines()
        self.emit({"days": lines}, _table(lines))

    def _go(self, folder: "DataFolder", last: float, journal: "Journal") -> None:
        from dataset.day import day_start
        from evaluation.curves import Curves
        from model.checkpoint import Checkpoint

        console = Console(stderr=True)
        with console.status(f"reading {self.data}"):
            updates = self._updates(folder, journal)
            _warn_of_threads(journal, console)
            curves = Curves(folder, Checkpoint.load(self.parent)) if self.curves else None
        while day_start(updates.until) < last:
            line = self._day(updates, updates.until, journal, curves)
            journal.append(line)
            # Not before: a run goes on from the newest day that is noted.
            self._prune()
            if curves is not None:
                _plot(journal)
            before = line["before"]
            console.print(f"{line['day']}: {before}")

    def _updates(self, folder: "DataFolder", journal: "Journal") -> "Updates":
        from model.checkpoint import Checkpoint
        from model.drafts import DraftHead
        from model.manifest import Manifest
        from training.continuing import objective_of
        from training.updates import Updates

        lines = journal.lines()
        begin = self.parent if not lines else self.out / "checkpoints" / str(lines[-1]["day"])
        checkpoint = Checkpoint.load(begin)
        # A broken one is refused before the run is claimed for its parent, and a day is trained.
        DraftHead.of(checkpoint, begin)
        # Given others, the days would go on from a checkpoint that those did not make.
        parent, cadence = Manifest.read(self.parent).version, self._cadence()
        journal.claim({"--from": parent, "--pages": cadence.pages, "--seed": self.seed})
        # What the next day reads again.
        newest = cadence.days + cadence.past_days
        journal.claim_data(folder.digest_of_day, newest, changed=self.changed_data)
        return Updates(folder, checkpoint, objective_of(checkpoint), seed=self.seed)

    def _cadence(self) -> "Cadence":
        from training.cadence import Cadence

        return Cadence() if self.pages is None else Cadence(pages=self.pages)

    def _day(
        self, updates: "Updates", day: str, journal: "Journal", curves: "Curves | None"
    ) -> dict[str, object]:
        import torch

        from dataset.folder import DataFolder
        from evaluation.freshness import slice_document
        from export.bundle import export_bundle

        told = {} if curves is None else curves.of(updates, day)
        update = updates.day(day, self._cadence())
        checkpoint = updates.checkpoint()
        checkpoint.save(self.out / "checkpoints" / day)
        bundle = self.out / "bundles" / day
        if self.bundles:
            # Parity and golden pages are the export's own gates: what strays is not written.
            export_bundle(
                checkpoint, bundle, precision=self.precision, force=True, trial=self._trial()
            )
        self._gate(update.before, journal)
        announced = None
        if self.bundles and self.publish is not None:
            announced = announce(bundle, self.publish)
        return {
            "day": day,
            "version": checkpoint.lineage.version,
            "announced": announced,
            "before": None if update.before is None else slice_document(update.before),
            "questions": update.questions,
            "pages": update.pages,
            "new_titles": update.new_titles,
            "seconds": update.seconds,
            "data": DataFolder(self.data).digest_of_day(day),
            "threads": torch.get_num_threads(),
            **told,
        }

    def _trial(self) -> "MembersTrial | None":
        from evaluation.rounding import MembersTrial

        if not self.members:
            return None
        return MembersTrial.read(self.data, members=self.members, seed=self.seed)

    def _gate(self, before: "Slice | None", journal: "Journal") -> None:
        earlier = [line["before"] for line in journal.lines()[-7:]]
        rates = [float(b["hr@10"]) for b in earlier if isinstance(b, dict) and b["hr@10"]]
        if before is None or before.hr10 is None or not rates:
            return
        usual = sum(rates) / len(rates)
        if before.hr10 < self.least * usual:
            raise ArtefactError(
                f"HR@10 fell to {before.hr10:.3f}, the days before had {usual:.3f}: the day's "
                "checkpoint is written and not announced. Look at its data; --least 0 goes on."
            )

    def _prune(self) -> None:
        from shutil import rmtree

        for kind in ("checkpoints", "bundles"):
            folder = self.out / kind
            if folder.exists():
                for old in sorted(folder.iterdir())[: -self.keep]:
                    rmtree(old, ignore_errors=True)


def _warn_of_threads(journal: "Journal", console: Console) -> None:
    """Days by another number of threads are no worse, and not the same to the bit."""
    import torch

    threads = torch.get_num_threads()
    before = next((n for line in reversed(journal.lines()) if (n := line.get("threads"))), threads)
    if before != threads:
        console.print(
            f"the days so far were trained by {before} threads, now by {threads}: sums in another "
            "order round differently, so that the run ends otherwise than one that was never "
            f"stopped; --threads {before} keeps it the same"
        )


def _refuse_without_plots() -> None:
    if find_spec("matplotlib") is None:
        raise UsageError("--curves draws them by matplotlib: pip install genpage[evaluate]")


def _plot(journal: "Journal") -> None:
    from evaluation.curve_plot import plot

    plot(journal.lines(), journal.folder)


def announce(bundle: Path, where: str) -> str:
    """Announce a bundle as ``genpage checkpoints publish`` does; the bundle's version."""
    from genpage.cli.checkpoints import Publish

    target = {"url": where} if "://" in where else {"kafka": where}
    publish = Publish.model_validate({"bundle": str(bundle), "cadence": "daily", **target})
    document, _ = publish.announced()
    return str(document["version"])


def _table(lines: "Sequence[Line]") -> RenderableType:
    table = Table("day", "questions", "HR@10 before", "NDCG@10 before", "trained on", "seconds")
    for line in lines:
        found = line["before"]
        before = found if isinstance(found, dict) else {}
        table.add_row(
            str(line["day"]),
            str(before.get("questions", 0)),
            *(_shown(before.get(name)) for name in ("hr@10", "ndcg@10")),
            str(line["questions"]),
            str(line["seconds"]).partition(".")[0],
        )
    with_curves = [line for line in lines if "stale_days" in line]
    return Group(table, _curves_table(with_curves)) if with_curves else table


def _curves_table(lines: "Sequence[Line]") -> Table:
    from evaluation.curves import hr10, older_hr10
    from evaluation.freshness import AGES

    title = "HR@10 of each day before it is learnt, and of days that were learnt before"
    older = (f"{ago} before" for ago in AGES)
    table = Table("day", "updated", "stale", "stale for", *older, title=title)
    for line in lines:
        told = [hr10(line["before"]), hr10(line["stale"])]
        age = "-" if line["stale"] is None else str(line["stale_days"])
        table.add_row(str(line["day"]), *map(_shown, told), age, *map(_shown, older_hr10(line)))
    return table


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
