"""One training run from a data folder to a checkpoint: the pieces put together."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import torch

from dataset.day import day_start
from dataset.folder import DataFolder
from genpage.catalog import SECONDS_A_DAY, Catalog
from genpage.errors import DatasetError, UsageError
from genpage.rules import Rules
from genpage.sources import EVERYTHING
from model.checkpoint import Checkpoint, Lineage
from model.trained_on import TrainedOn
from tokenizer.content import content_encoder
from tokenizer.signals import places_of
from training.appeal import CandidateTitles
from training.batches import BatchStream
from training.candidates import Candidates
from training.divergence import check_finite
from training.examples import ExampleBuilder
from training.group import ALONE, Group
from training.lesson import Lesson
from training.machine import matmul_peak, pick_device, training_dtype
from training.objective import Objective
from training.options import Options
from training.pages import FEWEST_TOKENS, Pages, Sharding
from training.partial import PartialRun
from training.schedule import Budget
from training.seen import SeenTitles
from training.spread import Spread
from training.start import (
    bounded_history,
    check_content,
    check_history,
    check_serialised,
    check_size,
    check_sources,
    continued_checkpoint,
    fresh_checkpoint,
)
from training.summary import Judged, Speed, Summary, recent
from training.timeline import Timeline
from training.trainer import Plan, Record, Trainer
from training.validation_set import ValidationSet

if TYPE_CHECKING:
    from model.config import Size


class Run:
    """A run that is ready to go. Build one, look at it, then `train`."""

    def __init__(self, options: Options, objective: Objective, group: Group = ALONE) -> None:
        self._options = options
        self._group = group
        self._objective = objective
        self.device = pick_device()
        folder = DataFolder(options.data)
        self._folder = folder
        self.catalog = folder.catalog()
        self.start = self._starting_point(self.catalog)
        size: Size = self.start.lineage.size or "tiny"
        recipe = objective.recipe(size)
        self.network = self.start.network().to(self.device)
        self.peak_flops = matmul_peak(self.device) * group.size
        self.shards = _shards(options, group)

        if options.to is not None:
            day_start(options.to)  # a malformed one is refused by name
        days = tuple(day for day in folder.days() if options.to is None or day < options.to)
        if not days:
            raise DatasetError(
                f"{options.data} has no day of events or impressions"
                + ("" if options.to is None else f" before {options.to}")
            )
        # The last day is held out, unless it is the only one.
        self.held_out: str | None = days[-1] if len(days) > 1 else None
        self.days = days[:-1] if len(days) > 1 else days
        self._until = day_start(self.days[-1]) + SECONDS_A_DAY
        self._vocabulary = self.start.vocabulary
        self._timeline = Timeline.read(folder, self.catalog, self._vocabulary)
        self._encoder = self.start.prompts
        self._candidates = Candidates.of(self._vocabulary, self.catalog, self.device)
        self._titles = CandidateTitles.of(
            self.catalog,
            self._vocabulary,
            self._candidates,
            content_encoder(self.start.encoder),
        )

        self.batch_tokens = options.batch_tokens or recipe.batch_tokens
        steps = options.steps
        if steps is None and options.epochs is None:
            steps = recipe.steps
        most = None if steps is None else steps * self.batch_tokens // FEWEST_TOKENS
        objective.begin(self.network)
        self.labels = objective.labels(folder, self.catalog, self._until)
        pages = Pages.read(
            folder,
            self._vocabulary,
            self.days,
            most,
            until=self._until,
            labels=self.labels,
            sharding=Sharding(self.shards, group.mine(self.shards)),
        )
        if not sum(pages.sizes):
            raise DatasetError(
                f"{options.data} has no page with feedback to learn from, complete before "
                f"{self.held_out or options.to or 'its end'}; there is nothing to train on"
            )
        if not min(pages.sizes):
            raise DatasetError(
                f"{options.data}: {sum(pages.sizes)} pages are too few for {self.shards} shards; "
                "take fewer processes, or lower --shards"
            )
        self.pages = sum(pages.sizes)
        self.noticed = dict(self.labels.counted)
        epochs = None if steps is not None and options.epochs is None else options.epochs or 1.0
        self.plan = Plan(
            budget=Budget(
                options.steps if epochs is not None else steps,
                None if epochs is None else round(epochs * self.pages),
            ),
            lr=options.lr or recipe.lr,
            save_every=options.save_every,
        )
        self._stream = self._stream_of(pages, self._until)

    def train(self, watch: Callable[[Record], None]) -> Summary:
        """Train, validate, write the checkpoint. ``watch`` sees every step.

        Every process of the group calls it; one of them writes.
        """
        options, start = self._options, self.start
        partial = PartialRun(options.out, self._settings())
        # Of the whole network, and so before a trainer cuts it up.
        validation_set = self._validation_set()
        before = None
        if validation_set is not None and options.parent is not None:
            before = validation_set.judged(self.network, self._objective)
        self._objective.acquaint(self.network, self._lesson())
        trainer = Trainer(
            self.network,
            self._objective,
            self._stream,
            self.plan,
            partial,
            Spread(options.spread, options.recompute, options.compiled, self._group),
            self.shards,
        )
        taken: list[Record] = []
        for record in trainer.steps(force=options.force):
            taken.append(record)
            watch(record)
        weights = trainer.weights()
        if self._group.size > 1:
            # Judged whole, by every process alike.
            self.network = replace(start, weights=weights).network().to(self.device)
        validation = None
        if validation_set is not None:
            validation = validation_set.judged(self.network, self._objective)
            losses = {f"held-out loss of {name}": x for name, x in validation.losses.items()}
            check_finite(taken[-1].step if taken else 0, self.plan.lr, losses)
        self._objective.refuse({} if validation is None else validation.figures)
        return self._group.of_leader(
            lambda: self._finished(partial, taken, weights, Judged(before, validation))
        )

    def _finished(
        self,
        partial: PartialRun,
        taken: list[Record],
        weights: dict[str, torch.Tensor],
        judged: Judged,
    ) -> Summary:
        """Write the checkpoint; ``taken`` are the steps of this part of the run."""
        options, start = self._options, self.start
        metrics = partial.metrics.read_bytes()
        # Also of the parts before this one, if the run was killed.
        every = [Record(**json.loads(line)) for line in metrics.splitlines()]
        lineage = Lineage.fresh(
            start.lineage.size,
            parent=None if options.parent is None else start.lineage.version,
            trained_on=TrainedOn(self.days[0], self.days[-1]).and_also(start.lineage.trained_on),
        )
        replace(
            start,
            weights=weights,
            trends=self._timeline.trends_before(self._until),
            lineage=lineage,
            extra={"metrics.jsonl": metrics, **self._objective.files()},
        ).save(options.out)
        partial.discard()
        return Summary(
            version=lineage.version,
            parameters=sum(p.numel() for p in self.network.parameters()),
            first_day=self.days[0],
            last_day=self.days[-1],
            pages=self.pages,
            steps=len(every),
            examples=sum(record.examples for record in every),
            tokens=sum(record.tokens for record in every),
            seconds=sum(record.seconds for record in every),
            resumed_after=len(every) - len(taken),
            speed=Speed.of(taken, self.peak_flops),
            losses=recent(every),
            judged=judged,
            noticed=self.noticed,
        )

    def _lesson(self) -> Lesson:
        """The newest pages, the same whoever holds which shards."""

        def seen(most: int) -> SeenTitles | None:
            pages = Pages.read(
                self._folder,
                self._vocabulary,
                self.days,
                most,
                until=self._until,
                labels=self.labels,
            )
            places = places_of(self._vocabulary.item_tokens(self.catalog)[1], self._vocabulary.size)
            builder, content = (
                self._stream_of(pages, self._until).builder,
                self._titles.titles.content,
            )
            return SeenTitles.of(builder, pages, places, content, most)

        content = torch.from_numpy(self._titles.titles.content)
        tokens = torch.from_numpy(self._vocabulary.item_tokens(self.catalog)[1]).long()
        return Lesson(seen, content, tokens, self._options.seed)

    def _starting_point(self, catalog: Catalog) -> Checkpoint:
        options = self._options
        rules = None if options.rules is None else Rules.load(options.rules)
        if options.parent is None:
            start = fresh_checkpoint(
                catalog,
                options.size or "tiny",
                rules=rules or Rules.default(),
                seed=options.seed,
                history_tokens=bounded_history(options.history_tokens),
                sources=options.sources or EVERYTHING,
                serialised=options.serialised,
                content_by=options.content,
            )
        else:
            parent = Checkpoint.load(options.parent)
            check_size(parent, options.size)
            check_history(parent, options.history_tokens)
            check_sources(parent, options.sources)
            check_serialised(parent, options.serialised)
            check_content(options.content)
            start = continued_checkpoint(parent, catalog)
            if rules is not None:
                start = replace(start, rules=rules)
        start.rules.check(catalog)
        return start

    def _stream_of(self, pages: Pages, until: float) -> BatchStream:
        self._timeline.learn_injections(pages.ts)
        return BatchStream(
            ExampleBuilder(
                self._timeline, pages, self._encoder, until=until, titles=self._titles.titles
            ),
            (self._until - pages.ts) / SECONDS_A_DAY,
            self._candidates,
            self._vocabulary.fallbacks(),
            batch_tokens=self.batch_tokens,
            seed=self._options.seed,
            titles=self._titles,
            shard=pages.shard,
        )

    def _settings(self) -> dict[str, object]:
        """All that decides the loss curve; what differs is another run."""
        return {
            "objective": type(self._objective).__name__,
            **self._objective.settings(),
            "budget": asdict(self.plan.budget),
            "batch_tokens": self.batch_tokens,
            "lr": self.plan.lr,
            "seed": self._options.seed,
            "shards": self.shards,
            "history_tokens": self.start.history_tokens,
            **({"content": kind} if (kind := self._options.content) else {}),
            **({"without": off} if (off := self.start.sources.off) else {}),
            **({} if (most := self.start.serialised) is None else {"serialised": most}),
            "config": self.start.config.to_document(),
            "parent": None if self._options.parent is None else self.start.lineage.version,
            "vocabulary": self._vocabulary.digest,
            "rules": hashlib.sha256(self.start.rules.to_toml().encode()).hexdigest(),
            "days": [self.days[0], self.days[-1]],
            "data": self._folder.digest(self.held_out or self.days[-1]),
            # Sums in another order round differently.
            "device": self.device.type,
            "dtype": str(training_dtype(self.device)),
            "threads": torch.get_num_threads(),
        }

    def _validation_set(self) -> ValidationSet | None:
        """What the run is judged by; None where there is no day to hold out, or no page on it."""
        if self.held_out is None:
            return None
        to = self._options.to
        until = float("inf") if to is None else day_start(to)
        pages = Pages.read(
            self._folder,
            self._vocabulary,
            [self.held_out],
            None,
            until=until,
            labels=self._objective.labels(self._folder, self.catalog, until),
        )
        if not len(pages):
            return None
        stream = self._stream_of(pages, until)
        most = self._objective.held_out_pages
        return ValidationSet.drawn(self.held_out, stream, most, self._options.seed)


def _shards(options: Options, group: Group) -> int:
    """How many shards a run's pages make; a multiple of the processes."""
    unfinished = None if options.force else PartialRun(options.out, {}).shards
    count = options.shards or unfinished or group.size
    if count % group.size:
        raise UsageError(
            f"{count} shards cannot be shared out evenly among {group.size} processes: --shards is "
            "a multiple of every number of processes that the run is to go on with; 8 suits 1, 2, "
            "4 and 8"
        )
    return count
