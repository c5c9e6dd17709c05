"""A model that goes on with its members' days: questions over histories, pages beside them.

METHOD, "Multi-cadence": continue from yesterday's model on the newest days and a sample of the
past. New titles start from their type's fallback, and a share of known ones is replaced by it in
every batch (`training.questions`), so that the fallback is worth starting from.

The optimiser starts anew each time, with a short warm-up: a checkpoint holds all that the next day
needs, whoever runs it, and moments of a day ago say little of today's gradient.

Everything is a pure function of the parent, the data before the day's end, the recipe and the seed.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from dataset.day import day_of, day_start
from dataset.folder import DataFolder
from genpage.catalog import SECONDS_A_DAY
from genpage.errors import UsageError
from model.checkpoint import Checkpoint, Lineage
from model.trained_on import TrainedOn
from tokenizer.prompt import PromptEncoder
from training.asking import question_logits, question_loss
from training.batches import BatchStream
from training.candidates import Candidates
from training.divergence import check_finite
from training.examples import ExampleBuilder
from training.objective import Objective
from training.pages import Pages
from training.questions import Asked, Moments, QuestionBatch, QuestionStream, title_places
from training.schedule import learning_rate
from training.start import continued_checkpoint
from training.timeline import Timeline
from training.together import Together
from training.trainer import BETAS, WEIGHT_DECAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What holds for every question is a few numbers: they learn so much faster than the rest.
_GATE_PACE = 5.0


@dataclass(frozen=True, slots=True)
class Cadence:
    """How much a pass trains on. ``lr`` is AdamW's peak; ``questions`` a batch's targets.

    A daily pass takes the questions of the newest ``days``, ``past`` times as many of days drawn
    from the ``past_days`` before, and ``pages`` of the newest day's pages at most.
    """

    lr: float = 1e-3
    passes: int = 1
    questions: int = 256
    days: int = 1
    past: float = 0.5
    past_days: int = 28
    pages: int = 4
    page_tokens: int = 4096
    clip: float = 1.0


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
        self._encoder = PromptEncoder(
            vocabulary,
            history_tokens=self._start.history_tokens,
            sources=parent.sources,
        )
        place = title_places([item.noun for item in vocabulary.items], vocabulary.size)
        self._entities = torch.from_numpy(np.flatnonzero(place >= 0))
        self._fallbacks = vocabulary.fallbacks()
        self._moments = Moments.of(self._timeline, self._together, place)
        self._stream = QuestionStream(
            self._timeline, self._encoder, self._moments, self._fallbacks, place
        )
        self._candidates = Candidates.of(vocabulary, self._start.catalog, torch.device("cpu"))
        self.network = self._start.network()
        if parent.signals is None:
            self.network.signals.initialise(torch.Generator().manual_seed(seed))
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
        )

    @property
    def until(self) -> str:
        """The first day that it has not seen."""
        return day_of(self._until)

    def day(self, day: str, cadence: Cadence, *, judge: bool = True) -> Update:
        """Judge the model on a day, then train on it and on what the cadence takes beside it."""
        start = day_start(day)
        if start < self._until:
            raise UsageError(
                f"--day {day}: the checkpoint has been trained up to {self.until} already; a daily "
                "update goes on with a day that it has not seen."
            )
        began, until = time.perf_counter(), start + SECONDS_A_DAY
        self._moments.newest = until
        before = self._judge(self._stream.between(start, until)) if judge else None
        new_titles = self._newcomers(until)
        newest = self._stream.between(until - cadence.days * SECONDS_A_DAY, until)
        chance = np.random.default_rng((self._seed, int(start // SECONDS_A_DAY)))
        past = self._past(until - cadence.days * SECONDS_A_DAY, newest, cadence, chance)
        pages = self._pages([day], until, cadence.pages)
        update = self._train([*newest, *past], pages, cadence, chance, day, day)
        self._moments.forget(until - (cadence.days + cadence.past_days + 7) * SECONDS_A_DAY)
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
        self, first: str, until: str, cadence: Cadence, watch: Callable[[float, float], None]
    ) -> Update:
        """Train on all questions of the days ``[first, until)``; ``watch`` hears share and nats."""
        end = day_start(until)
        self._moments.newest = end
        self._newcomers(end)
        asked = self._stream.between(day_start(first), end)
        days = [day for day in self._folder.days() if first <= day < until]
        chance = np.random.default_rng((self._seed, 0))
        pages = self._pages(days, end, cadence.pages)
        update = self._train(asked, pages, cadence, chance, first, days[-1], watch)
        self._newcomers(end)
        return update

    def _train(
        self,
        asked: list[Asked],
        pages: BatchStream | None,
        cadence: Cadence,
        chance: np.random.Generator,
        first: str,
        last: str,
        watch: Callable[[float, float], None] = lambda _share, _nats: None,
    ) -> Update:
        began = time.perf_counter()
        optimiser = self._optimiser(cadence.lr)
        total = sum(len(each.events) for each in asked) * cadence.passes
        # Pages are read a day at a time, so there may be more of them than were asked for.
        page_examples = 0 if pages is None else min(cadence.pages, pages.examples)
        done, taken, steps, sums = 0, 0, 0, 0.0
        self.network.train()
        for batch in self._passes(asked, cadence, chance):
            done += len(batch.places)
            share = min(1.0, done / max(1, total))
            for group in optimiser.param_groups:
                group["lr"] = group["pace"] * learning_rate(cadence.lr, share)
            loss = question_loss(self.network, batch, self._entities)
            nats = float(loss.detach())
            if pages is not None and self._objective is not None and taken < share * page_examples:
                step = pages.after([taken])
                taken = sum(step.taken)
                loss = loss + self._objective.loss(self.network, step.batch).total
            check_finite(steps + 1, cadence.lr, {"loss": float(loss.detach())})
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), cadence.clip)
            check_finite(steps + 1, cadence.lr, {"gradient's norm": float(norm)})
            optimiser.step()
            steps, sums = steps + 1, sums + nats * len(batch.places)
            watch(share, nats)
        self.network.eval()
        self._until = max(self._until, day_start(last) + SECONDS_A_DAY)
        self._first_day = min(self._first_day or first, first)
        return Update(
            first=first,
            last=last,
            before=None,
            questions=done,
            pages=taken,
            steps=steps,
            nats=sums / done if done else None,
            new_titles=0,
            seconds=time.perf_counter() - began,
        )

    def _passes(
        self, asked: list[Asked], cadence: Cadence, chance: np.random.Generator
    ) -> Iterator[QuestionBatch]:
        for _ in range(cadence.passes):
            order = chance.permutation(len(asked)).tolist()
            yield from self._stream.packed(
                [asked[place] for place in order], cadence.questions, chance
            )

    def _past(
        self, until: float, newest: list[Asked], cadence: Cadence, chance: np.random.Generator
    ) -> list[Asked]:
        """Histories of some earlier days, as many questions as the cadence says."""
        wanted = cadence.past * sum(len(each.events) for each in newest)
        chosen: list[Asked] = []
        for ago in 1 + chance.permutation(cadence.past_days):
            if wanted <= 0:
                break
            day = until - int(ago) * SECONDS_A_DAY
            earlier = self._stream.between(day, day + SECONDS_A_DAY)
            for place in chance.permutation(len(earlier)).tolist():
                if wanted > 0:
                    chosen.append(earlier[place])
                    wanted -= len(earlier[place].events)
        return chosen

    def _pages(self, days: list[str], until: float, most: int) -> BatchStream | None:
        if self._objective is None or not most:
            return None
        pages = Pages.read(self._folder, self._start.vocabulary, days, most, until=until)
        if not len(pages):
            return None
        self._timeline.learn_injections(pages.ts)
        return BatchStream(
            ExampleBuilder(self._timeline, pages, self._encoder, until=until),
            (until - pages.ts) / SECONDS_A_DAY,
            self._candidates,
            self._fallbacks,
            batch_tokens=4096,
            seed=self._seed,
        )

    @torch.inference_mode()
    def _judge(self, asked: list[Asked]) -> Slice:
        ranks: list[NDArray[np.int64]] = []
        nats = 0.0
        for batch in self._stream.packed(asked, 256, None):
            logits = question_logits(self.network, batch, self._entities)
            came = logits.gather(1, batch.places[:, None])
            ranks.append(((logits > came).sum(1) + 1).numpy())
            nats += float((logits.logsumexp(1) - came[:, 0]).sum())
        if not ranks:
            return Slice(0, None, None, None)
        rank = np.concatenate(ranks)
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

    def _optimiser(self, lr: float) -> torch.optim.Optimizer:
        gates = [p for n, p in self.network.signals.named_parameters() if n != "weight"]
        matrices = [p for p in self.network.trunk.parameters() if p.dim() > 1]
        apart = {id(p) for p in (*gates, *matrices)}
        others = [p for p in self.network.parameters() if id(p) not in apart]
        groups = [
            {"params": matrices, "weight_decay": WEIGHT_DECAY, "pace": 1.0},
            {"params": others, "weight_decay": 0.0, "pace": 1.0},
            {"params": gates, "weight_decay": 0.0, "pace": _GATE_PACE},
        ]
        return torch.optim.AdamW(groups, lr=lr, betas=BETAS)


def _end(checkpoint: Checkpoint) -> float:
    days = checkpoint.lineage.trained_on
    return -np.inf if days is None else day_start(days.until)
