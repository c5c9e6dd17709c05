"""A fit of a draft head: pages by the checkpoint, the fit, the held-out day, a new checkpoint."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from dataset.day import day_start
from dataset.folder import DataFolder
from genpage.errors import DatasetError, UsageError
from model.checkpoint import Checkpoint, Lineage
from model.drafts import DRAFTS, DraftHead
from model.trained_on import TrainedOn
from training.drafts.ballots import Ballots
from training.drafts.decided import DecidedPage, Deciding
from training.drafts.fit import Epoch, Vectors, fit
from training.drafts.hits import Hits, judged
from training.drafts.settings import WIDTH, Settings
from training.machine import pick_device
from training.start import continued_checkpoint
from training.visits import Visits

# One line an epoch.
METRICS = "drafts.jsonl"


@dataclass(frozen=True, slots=True)
class Fitted:
    """What came of a fit. ``before`` are the hits of the parent's head, where it has one."""

    version: str
    pages: int
    first: str
    last: str
    held_out: str
    epochs: tuple[Epoch, ...]
    hits: Hits
    before: Hits | None
    seconds: float


class DraftFit:
    """A fit that is ready to go. Build one, then `train`."""

    def __init__(
        self,
        data: Path,
        parent: Checkpoint,
        settings: Settings,
        *,
        to: str | None = None,
        fresh: bool = False,
    ) -> None:
        """Read what is needed; the last day before ``to`` is held out.

        By default that is the day after those that the parent was trained on, so that the new
        checkpoint is trained on no other days than its parent; where the data has none, it is the
        newest day. A ``fresh`` fit does not look at the parent's head.
        """
        self.settings, self._parent = settings, parent
        self._before = None if fresh else DraftHead.of(parent)
        if self._before is not None and settings.width not in (None, self._before.width):
            raise UsageError(
                f"--width {settings.width} differs from the draft head of the checkpoint that "
                f"--from names, which is {self._before.width} wide; leave the flag out, "
                "or begin a new head by --fresh."
            )
        folder = DataFolder(data)
        catalog = folder.catalog()
        days = _days(folder, parent, to)
        self._held_out, self._days = days[-1], days[-1 - settings.days : -1]
        over = continued_checkpoint(parent, catalog)
        network = over.network().to(pick_device()).requires_grad_(False)  # noqa: FBT003 - torch's own
        self._vectors = Vectors.of(network, *over.vocabulary.item_tokens(catalog))
        self._catalog = catalog
        read = partial(
            Visits.read, folder, catalog, over.prompts, size=settings.size, seed=settings.seed
        )
        self._deciding, self._judging = (
            Deciding.of(over, network, visits, settings.autoregressive)
            for visits in (
                read(self._days, count=settings.pages),
                read(days[-1:], count=settings.held_out),
            )
        )

    @property
    def visits(self) -> int:
        """How many pages will be made, the held-out ones included."""
        return len(self._deciding.visits.visits) + len(self._judging.visits.visits)

    @property
    def seen(self) -> str | None:
        """The held-out day where the parent was trained on it, else None."""
        days = self._parent.lineage.trained_on
        return self._held_out if days is not None and self._held_out < days.until else None

    def train(self, made: Callable[[], None], watch: Callable[[Epoch], None], out: Path) -> Fitted:
        """Make pages, fit, judge, and write the checkpoint.

        ``made`` is called for each page, ``watch`` after each epoch.
        """
        began, settings = time.perf_counter(), self.settings
        pages, held_out = (
            list(_there(deciding.pages(), made)) for deciding in (self._deciding, self._judging)
        )
        if not pages or not held_out:
            raise DatasetError(
                "none of the visits' members may be shown any row of so many titles; check the "
                "rules, or ask for smaller pages"
            )
        head, before = self._head(), None
        if self._before is not None:
            before = self._judged(head, held_out)
        rows, titles = len(self._catalog.rows), len(self._catalog.entities)
        ballots = Ballots.of(
            pages,
            self._deciding.between,
            rows=rows,
            items=rows + titles,
            titles=settings.candidates,
        )
        epochs = fit(head, pages, ballots, self._vectors, settings, watch)
        hits = self._judged(head, held_out)
        lineage = self._write(head, epochs, out)
        return Fitted(
            lineage.version,
            len(pages),
            self._days[0],
            self._days[-1],
            self._held_out,
            epochs,
            hits,
            before,
            time.perf_counter() - began,
        )

    def _head(self) -> DraftHead:
        if self._before is not None:
            return DraftHead.from_bytes(self._before.to_bytes(), self._before.trunk_width)
        head = DraftHead(self._parent.config.width, self.settings.width or WIDTH)
        head.initialise(self.settings.seed)
        return head

    def _judged(self, head: DraftHead, pages: list[DecidedPage]) -> Hits:
        head.to(self._vectors.inputs.device)
        told = [(page, self._judging.between(page)) for page in pages]
        return judged(head, told, self._vectors, self.settings.depth)

    def _write(self, head: DraftHead, epochs: tuple[Epoch, ...], out: Path) -> Lineage:
        """The parent as it is, but for the head."""
        parent = self._parent
        seen = TrainedOn(self._days[0], self._days[-1]).and_also(parent.lineage.trained_on)
        lineage = Lineage.fresh(
            parent.lineage.size,
            parent=parent.lineage.version,
            trained_on=seen,
            random=parent.random,
        )
        metrics = "".join(json.dumps(asdict(epoch)) + "\n" for epoch in epochs)
        extra = {**parent.extra, DRAFTS: head.to_bytes(), METRICS: metrics.encode()}
        replace(parent, lineage=lineage, extra=extra).save(out)
        return lineage


def _there(pages: Iterator[DecidedPage | None], made: Callable[[], None]) -> Iterator[DecidedPage]:
    for page in pages:
        made()
        if page is not None:
            yield page


def _days(folder: DataFolder, parent: Checkpoint, to: str | None) -> list[str]:
    """The days of pages: those to fit on, then the one that is held out."""
    if to is not None:
        day_start(to)  # a malformed one is refused by name
    seen = parent.lineage.trained_on
    end = to
    if to is None and seen is not None:
        end = TrainedOn(seen.until, seen.until).until  # the day after them is held out
    days = [day for day in folder.days() if end is None or day < end]
    if len(days) < 2:  # noqa: PLR2004 - one to fit on, one to judge on
        raise DatasetError(
            f"{folder.path} has fewer than two days of pages"
            + (f" before {end}" if end else "")
            + "; the last one is held out. --to names the first day not to read."
        )
    return days
