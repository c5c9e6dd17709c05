"""A model that goes on with its members' days: questions over histories, pages beside them.

METHOD, "Multi-cadence": continue from yesterday's model on the newest days and a sample of the
past. New titles start from their type's fallback, and a share of known ones is replaced by it in
every batch (`training.questions`), so that the fallback is worth starting from.

The optimiser starts anew each time, with a short warm-up: a checkpoint holds all that the next day
needs, whoever runs it, and moments of a day ago say little of today's gradient.

Everything is a pure function of the parent, the data before the day's end, the recipe and the seed.
"""

import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from dataset.day import day_of, day_start
from dataset.folder import DataFolder
from genpage.catalog import SECONDS_A_DAY
from genpage.errors import DatasetError, UsageError
from model.checkpoint import Checkpoint, Lineage
from model.drafts import DRAFTS
from model.trained_on import TrainedOn
from training.asking import question_logits
from training.batches import BatchStream
from training.beside import PagesBeside
from training.cadence import Cadence
from training.candidates import Candidates
from training.course import Course, Watch
from training.objective import Objective
from training.partial import PartialRun
from training.questions import Asked, Moments, QuestionStream, title_places
from training.ranking import middle_rank
from training.rehearsal import of_the_past
from training.start import continued_checkpoint
from training.timeline import Timeline
from training.together import Together


@dataclass(frozen=True, slots=True)
class Slice:
    """How good a model is on questions that it was not trained on."""

    questions: int
    nats: float | None
    hr10: float | None
    ndcg10: float | None


@dataclass(frozen=True, slots=True)
class Update:
    """One pass. ``before`` is the newest day's slice, judged before training on it."""

    first: str
    last: str
    before: Slice | None
    questions: int
    pages: int
    steps: int
    nats: float | None
    new_titles: int
    seconds: float


class Updates:
    """A checkpoint being continued over one data folder. `pass_over` and `day` mutate it."""

    def __init__(
        self,
        folder: DataFolder,
        parent: Checkpoint,
        objective: Objective | None = None,
        *,
        seed: int = 0,
    ) -> None:
        self._folder, self._seed = folder, seed
        self._objective = objective
        self._parent = parent
        self._start = continued_checkpoint(parent, folder.catalog())
        vocabulary = self._start.vocabulary
        self._timeline = Timeline.read(folder, self._start.catalog, vocabulary)
        self._together = Together.of(self._timeline.histories, vocabulary, self._start.catalog)
        if missing := sorted({"history", "in_session"} & set(parent.sources.off)):
            raise UsageError(
                f"the model reads no {missing[0]}, and daily updates ask after every event of a "
                "history; train it on pages."
            )
        self._encoder = self._start.prompts
        place = title_places([item.noun for item in vocabulary.items], vocabulary.size)
        self._entities = torch.from_numpy(np.flatnonzero(place >= 0))
        self._fallbacks = vocabulary.fallbacks()
        self._moments = Moments.of(self._timeline, self._together, place)
        self._stream = QuestionStream(
            self._timeline, self._encoder, self._moments, self._fallbacks, place
        )
        self.network = self._start.network()
        if parent.signals is None:
            self.network.signals.initialise(torch.Generator().manual_seed(seed))
        self._beside = None if objective is None else self._pages_beside(objective)
        self._until = -np.inf if parent.lineage.trained_on is None else _end(parent)
        self._first_day: str | None = None
        self._newcomers(self._until)

    def checkpoint(self) -> Checkpoint:
        """The model as it is now, a version of its own."""
        last = day_of(self._until - SECONDS_A_DAY)
        days = TrainedOn(self._first_day or last, last)
        lineage = Lineage.fresh(
            self._start.lineage.size,
            parent=self._parent.lineage.version,
            trained_on=days.and_also(self._parent.lineage.trained_on),
        )
        return replace(
            self._start,
            weights={name: value.clone() for name, value in self.network.state_dict().items()},
            trends=self._timeline.trends_before(self._until),
            signals=self._moments.lists_at(self._until),
            lineage=lineage,
            extra={
                **({} if self._objective is None else self._objective.files()),
                # A day moves the weights little, and drafts that miss cost time alone.
                **{name: held for name, held in self._parent.extra.items() if name == DRAFTS},
            },
        )

    def settings(self) -> dict[str, object]:
        """What decides its weights beside the data and the cadence; a run with others is another.

        Of a fresh model the config stands for the parent: its version is a new one each time.
        """
        start = self._start
        return {
            "parent": None if self._parent.random else self._parent.lineage.version,
            "config": start.config.to_document(),
            "vocabulary": start.vocabulary.digest,
            "history_tokens": start.history_tokens,
            "without": start.sources.off,
            **({} if start.serialised is None else {"serialised": start.serialised}),
            "seed": self._seed,
            "objective": type(self._objective).__name__,
            **({} if self._objective is None else self._objective.settings()),
            # Sums in another order round differently.
            "threads": torch.get_num_threads(),
        }

    @property
    def until(self) -> str:
        """The first day that it has not seen; `UsageError` where it has seen none."""
        if self._until == -np.inf:
            raise UsageError(
                "the checkpoint was trained on no day, so that no day is its next one; "
                "`genpage train histories` begins."
            )
        return day_of(self._until)

    def day(self, day: str, cadence: Cadence, *, judge: bool = True) -> Update:
        """Judge the model on a day, then train on it and on what the cadence takes beside it.

        `UsageError` for a day that it has seen, and where days of data would be left out: what it
        was trained on is one interval.
        """
        start = day_start(day)
        if start < self._until:
            raise UsageError(
                f"--day {day}: the checkpoint has been trained up to {self.until} already; a daily "
                "update goes on with a day that it has not seen."
            )
        whole = start - (cadence.days - 1) * SECONDS_A_DAY
        left = [d for d in self._folder.days() if self._until <= day_start(d) < whole]
        if left and self._until > -np.inf:
            raise UsageError(
                f"--day {day}: the checkpoint was trained up to {self.until}, and {len(left)} days "
                f"of data from {left[0]} on would be left out; begin there, or give more --days."
            )
        began, until = time.perf_counter(), start + SECONDS_A_DAY
        self._moments.newest = until
        before = self._judge(self._stream.between(start, until)) if judge else None
        new_titles = self._newcomers(until)
        newest = self._stream.between(whole, until)
        seed = (self._seed, int(start // SECONDS_A_DAY))
        wanted = cadence.past * sum(len(each.events) for each in newest)
        past = of_the_past(self._stream, whole, wanted, cadence.past_days, seed)
        beside = self._beside
        pages = None if beside is None else beside.mixed(whole, until, cadence, seed)
        update = self._train([*newest, *past], pages, cadence, seed, (day, day))
        self._moments.forget(until - (cadence.days + cadence.past_days + 7) * SECONDS_A_DAY)
        self._timeline.forget(until)
        return replace(
            update, before=before, new_titles=new_titles, seconds=time.perf_counter() - began
        )

    def judged(self, day: str, *, lists_of: str | None = None) -> Slice:
        """How good the model is on a day's questions, as it is now; nothing is trained.

        ``lists_of`` is the day as of which the lists of what goes together are, the model's own
        end by default. Trend counts are of each question's moment: they are the request's.
        """
        start = day_start(day)
        self._moments.newest = start + SECONDS_A_DAY
        self._moments.lists_until = day_start(lists_of) if lists_of else self._until
        try:
            return self._judge(self._stream.between(start, start + SECONDS_A_DAY))
        finally:
            self._moments.lists_until = np.inf

    def pass_over(
        self,
        first: str,
        until: str,
        cadence: Cadence,
        watch: Watch,
        partial: PartialRun | None = None,
    ) -> Update:
        """Train on all questions of the days ``[first, until)``; ``watch`` hears share and nats.

        Where an unfinished pass lies in ``partial``, it goes on from there, to the same weights.
        """
        began, end = day_start(first), day_start(until)
        days = [day for day in self._folder.days() if began <= day_start(day) < end]
        self._moments.newest = end
        self._newcomers(end)
        asked = self._stream.between(began, end)
        if not asked:
            raise DatasetError(
                f"{self._folder.path} has no event to ask about from {first} until {until}: none "
                "with a title that its member had not had; there is nothing to train on"
            )
        beside = self._beside
        pages = None if beside is None else beside.newest(days, end, cadence)
        update = self._train(
            asked, pages, cadence, (self._seed, 0), (first, days[-1]), watch, partial
        )
        self._newcomers(end)
        return update

    def _train(
        self,
        asked: list[Asked],
        pages: BatchStream | None,
        cadence: Cadence,
        seed: tuple[int, ...],
        days: tuple[str, str],
        watch: Watch = lambda _share, _nats: None,
        partial: PartialRun | None = None,
    ) -> Update:
        first, last = days
        course = Course(
            self.network, self._stream, self._entities, self._objective, cadence, seed, watch
        )
        lap = course.over(asked, pages, partial)
        self._until = max(self._until, day_start(last) + SECONDS_A_DAY)
        self._first_day = min(self._first_day or first, first)
        return Update(
            first=first,
            last=last,
            before=None,
            questions=lap.questions,
            pages=lap.pages,
            steps=lap.steps,
            nats=lap.nats,
            new_titles=0,
            seconds=lap.seconds,
        )

    def _pages_beside(self, objective: Objective) -> PagesBeside:
        start = self._start
        return PagesBeside(
            folder=self._folder,
            start=start,
            objective=objective,
            network=self.network,
            timeline=self._timeline,
            encoder=self._encoder,
            candidates=Candidates.of(start.vocabulary, start.catalog, torch.device("cpu")),
            fallbacks=self._fallbacks,
            seed=self._seed,
        )

    @torch.inference_mode()
    def _judge(self, asked: list[Asked]) -> Slice:
        ranks: list[float] = []
        nats, nobody = 0.0, np.zeros(0, np.int64)
        for batch in self._stream.packed(asked, 256):
            logits = question_logits(self.network, batch, self._entities)
            came = logits.gather(1, batch.places[:, None])
            ranks += [
                middle_rank(line, place, nobody)
                for line, place in zip(logits.numpy(), batch.places.tolist(), strict=True)
            ]
            nats += float((logits.logsumexp(1) - came[:, 0]).sum())
        if not ranks:
            return Slice(0, None, None, None)
        rank = np.array(ranks)
        gain = np.where(rank <= 10, 1 / np.log2(1 + rank), 0.0)  # noqa: PLR2004 - HR@10
        return Slice(len(rank), nats / len(rank), float((rank <= 10).mean()), float(gain.mean()))  # noqa: PLR2004

    def _newcomers(self, until: float) -> int:
        """Titles that nobody had before the model's end start from their fallback; how many new.

        Their IDs were never trained: whatever they hold says nothing.
        """
        together = self._together
        seen = np.zeros(len(self._fallbacks), np.bool_)
        before = together.event_token[together.event_ts < self._until]
        seen[before] = True
        unknown = torch.from_numpy(~seen & np.isin(np.arange(len(seen)), self._entities.numpy()))
        fallbacks = torch.from_numpy(self._fallbacks).long()
        with torch.no_grad():
            for table in (self.network.inputs, self.network.outputs):
                table.ids[unknown] = table.ids[fallbacks[unknown]]
        ended = (together.event_ts >= self._until) & (together.event_ts < until)
        new = np.unique(together.event_token[ended])
        return int((~seen[new] & (new >= 0)).sum())


def _end(checkpoint: Checkpoint) -> float:
    days = checkpoint.lineage.trained_on
    return -np.inf if days is None else day_start(days.until)
