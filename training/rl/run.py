"""A run of Dr. GRPO: visits, groups of sampled pages, a step, now and then a look at the truth."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize

from dataset.day import day_start
from dataset.folder import DataFolder
from genpage.errors import CheckpointError, DatasetError
from model.appealing import appeal_over
from model.checkpoint import Checkpoint, Lineage
from model.network import Network
from model.sampling import Shape
from model.trained_on import TrainedOn
from tokenizer.content import content_encoder
from training.divergence import check_finite
from training.machine import pick_device
from training.partial import PartialRun, State
from training.reward_model import PageValues
from training.rl.dr_grpo import Leash, dr_grpo, onward_advantages, page_advantages
from training.rl.form import Form
from training.rl.outcome import Ending, Line, Outcome
from training.rl.plot import curves
from training.rl.policy import Sheet, likelihood
from training.rl.policy_check import PolicyCheck
from training.rl.sampled import Table, Truth, Valuer, diversity
from training.rl.settings import Settings
from training.rl.watch import Look, Watch
from training.start import continued_checkpoint
from training.trainer import BETAS
from training.visits import Visits
from training.wbc import REWARDS, STANDING


class ReinforcementRun:
    """A run that is ready to go. Build one, then `train`."""

    def __init__(
        self,
        data: Path,
        out: Path,
        parent: Checkpoint,
        reward_model: Checkpoint | Valuer,
        settings: Settings,
        *,
        form: Form | None = None,
        truth: Truth | None = None,
        to: str | None = None,
    ) -> None:
        """Read what is needed; `CheckpointError` where the reward model has another vocabulary.

        ``truth`` is asked now and then where there is one. The last day before ``to`` is held out
        for that.
        """
        if to is not None:
            day_start(to)  # a malformed one is refused by name
        self.settings, self._out = settings, out
        self.device = pick_device()
        folder = DataFolder(data)
        catalog = folder.catalog()
        self.start = continued_checkpoint(parent, catalog)
        self._parent = parent
        valuer = self._valuer(reward_model, catalog_version=catalog.version)
        days = [day for day in folder.days() if to is None or day < to]
        if len(days) < 2:  # noqa: PLR2004 - one to train on, one to look at
            raise DatasetError(
                f"{data} has fewer than two days of pages; RL holds the last one out"
            )
        read = partial(Visits.read, folder, catalog, self.start.prompts)
        size, seed = settings.size, settings.seed
        taken = days[-1 - settings.days : -1]
        visits = read(taken, count=settings.pool, size=size, seed=seed)
        rows, entities = self.start.vocabulary.item_tokens(catalog)
        form = form or Form(rows=settings.size.rows)
        appeal = appeal_over(self.start, catalog)
        self._table = Table(visits, self.start.rules, rows, entities, valuer, form, appeal)
        self._shape = Shape(
            settings.size.rows,
            settings.autoregressive,
            settings.temperature,
            self.start.serialised,
        )
        self._check: PolicyCheck | None = None
        if truth is not None:
            held = read(days[-1:], count=settings.look_visits, size=size, seed=seed)
            over = replace(self._table, visits=held)
            self._check = PolicyCheck(days[-1], over, truth, self._shape, self.device)
        self.network = self.start.network().to(self.device)
        self.reference = self.start.network().to(self.device).requires_grad_(False)  # noqa: FBT003 - torch's own
        vectors = content_encoder(self.start.encoder).encode(catalog.entities)
        self._content = normalize(torch.from_numpy(vectors), dim=1).numpy()
        few = ("appeal.promise", "appeal.crowd")
        every = dict(self.network.named_parameters())
        groups: list[dict[str, Any]] = [
            {"params": [part for name, part in every.items() if name not in few]},
            {"params": [every[name] for name in few], "lr": settings.lr * settings.appeal_pace},
        ]
        self._optimiser = torch.optim.AdamW(
            groups,
            lr=settings.lr,
            betas=BETAS,
            weight_decay=0.0,
        )
        # What the reward model saw reaches the policy by its word, and by a day's truth its step is
        # chosen.
        last = taken[-1] if truth is None else days[-1]
        self._data = folder.digest(last)
        seen = TrainedOn(taken[0], last).and_also(parent.lineage.trained_on)
        self._valued_by = type(reward_model).__name__
        if isinstance(reward_model, Checkpoint):
            seen = seen.and_also(reward_model.lineage.trained_on)
            self._valued_by = reward_model.lineage.version
        self._seen = seen

    def _valuer(self, reward_model: Checkpoint | Valuer, *, catalog_version: str) -> Valuer:
        if not isinstance(reward_model, Checkpoint):
            return reward_model
        over = continued_checkpoint(reward_model, self.start.catalog)
        if over.vocabulary.digest != self.start.vocabulary.digest:
            raise CheckpointError(
                "the reward model has another vocabulary than the policy: a token means another "
                f"title to each (catalog {catalog_version}). Train both --from one checkpoint."
            )
        if over.serialised != self.start.serialised:
            raise CheckpointError(
                "policy and reward model differ in --serialised; train both anew."
            )
        return PageValues(replace(over, extra=reward_model.extra), self.device)

    def train(self, watch: Callable[[Line], None], *, force: bool = False) -> Outcome:
        """Train until the budget is used up or the truth parts from the model; write the best."""
        settings, check = self.settings, self._check
        partial = PartialRun(self._out, self._identity())
        leash, looking = Leash(settings.kl, settings.kl_target), Watch(settings.patience)
        step, best = 0, {}
        state = partial.open(force=force)
        if state is not None:
            step = state.step
            self.network.load_state_dict(state.network)
            self._optimiser.load_state_dict(state.optimiser)
            leash, best = Leash(state.memory["beta"], settings.kl_target), state.memory["best"]
            for look in state.memory["looks"]:
                looking.see(Look(look[0], np.array(look[1]), np.array(look[2])))
        with partial.metrics.open("ab") as metrics:
            while step < settings.steps and not looking.hacked:
                if step == 0 and check is not None and not looking.looks:
                    looking.see(check.look(self.network, 0))
                    best = self._weights()
                step += 1
                line, leash = self._step(step, leash)
                if check is not None and (
                    step % settings.look_every == 0 or step == settings.steps
                ):
                    look = check.look(self.network, step)
                    if looking.see(look):
                        best = self._weights()
                    line = replace(
                        line, predicted=float(look.model.mean()), true=float(look.truth.mean())
                    )
                metrics.write(json.dumps(asdict(line)).encode() + b"\n")
                metrics.flush()
                if step % settings.save_every == 0 or looking.hacked:
                    memory = {
                        "beta": leash.beta,
                        "best": best,
                        "looks": [
                            [look.step, look.model.tolist(), look.truth.tolist()]
                            for look in looking.looks
                        ],
                    }
                    partial.save(
                        State(
                            step,
                            step * settings.visits,
                            metrics.tell(),
                            self._weights(),
                            self._optimiser.state_dict(),
                            memory,
                        )
                    )
                watch(line)
        return self._finish(partial, looking, best, step)

    def _step(self, step: int, leash: Leash) -> tuple[Line, Leash]:
        settings, table, start = self.settings, self._table, time.perf_counter()
        chance = np.random.default_rng((settings.seed, step))
        pool = table.visits.visits
        drawn = chance.choice(len(pool), min(settings.visits, len(pool)), replace=False)
        visits = [pool[int(index)] for index in drawn]
        self.network.eval()
        pages = table.groups(
            self.network, visits, settings.group, self._shape, step + settings.seed * 7919
        )
        # Where the rules allow a member no row at all there is nothing to learn.
        there = [
            index
            for index in range(0, len(pages), settings.group)
            if all(page.choices for page in pages[index : index + settings.group])
        ]
        pages = [page for index in there for page in pages[index : index + settings.group]]
        owners = [visits[index // settings.group] for index in there for _ in range(settings.group)]
        if not pages:
            raise DatasetError("none of the visits' members may be shown any row; check the rules")
        sheet = Sheet.of(pages, self.device)
        worth = table.worth(pages, sheet, owners)
        with torch.no_grad():
            reference = self._chances(self.reference, sheet).log_chances
        if settings.credit == "onward":
            advantages = onward_advantages(
                worth.values,
                sheet.page,
                sheet.order,
                worth.form,
                settings.group,
                settings.discount,
            )
        else:
            advantages = page_advantages(worth.rewards, settings.group)[sheet.page]
        divisor = float(len(pages) * settings.size.rows * (1 + settings.size.entities_per_row))
        sampled: torch.Tensor | None = None
        for _ in range(settings.updates):
            found = self._chances(self.network, sheet)
            if sampled is None:
                # The first update is taken where the pages were drawn.
                sampled, entropy = found.log_chances.detach(), float(found.entropy.detach())
            result = dr_grpo(
                found.log_chances,
                sampled,
                reference,
                advantages,
                divisor=divisor,
                clip=settings.clip,
                beta=leash.beta,
            )
            check_finite(step, settings.lr, {"loss": float(result.loss.detach())})
            self._optimiser.zero_grad()
            result.loss.backward()  # type: ignore[no-untyped-call]
            norm = float(torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0))
            check_finite(step, settings.lr, {"gradient's norm": norm})
            self._optimiser.step()
        rewards = worth.rewards.view(-1, settings.group)
        line = Line(
            step=step,
            reward=float(rewards.mean()),
            form=float(worth.form.mean()),
            spread=float(rewards.std(dim=1).mean()),
            kl=float(result.kl),
            beta=leash.beta,
            entropy=entropy,
            clipped=float(result.clipped),
            violations=sum(
                table.broken(page, visit) for page, visit in zip(pages, owners, strict=True)
            ),
            diversity=diversity(pages, self._content),
            gradient=norm,
            seconds=time.perf_counter() - start,
        )
        return line, leash.after(float(result.kl))

    def _chances(self, network: Network, sheet: Sheet) -> Any:  # noqa: ANN401 - `Likelihood`
        return likelihood(
            network, sheet, self._table.rows, self._table.entities, self.settings.temperature
        )

    def _weights(self) -> dict[str, torch.Tensor]:
        return {
            name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()
        }

    def _finish(
        self, partial: PartialRun, looking: Watch, best: Mapping[str, torch.Tensor], step: int
    ) -> Outcome:
        lines = tuple(
            Line(**json.loads(line)) for line in partial.metrics.read_bytes().splitlines()
        )
        kept = step if looking.best is None else looking.best.step
        lineage = Lineage.fresh(
            self.start.lineage.size,
            parent=self._parent.lineage.version,
            trained_on=self._seen,
        )
        replace(
            self.start,
            weights=dict(best) if looking.best is not None else self._weights(),
            trends=self._parent.trends.moved(self._parent.catalog, self.start.catalog),
            lineage=lineage,
            extra={
                # Daily updates go on with the rewards of its parent, as those were learnt.
                **{n: c for n, c in self._parent.extra.items() if n in {REWARDS, STANDING}},
                "metrics.jsonl": partial.metrics.read_bytes(),
                "rl.svg": curves([asdict(line) for line in lines]),
            },
        ).save(self._out)
        partial.discard()
        ending: Ending = "reward hacking" if looking.hacked else "budget"
        return Outcome(lineage.version, kept, ending, lines, tuple(looking.looks))

    def _identity(self) -> dict[str, object]:
        """All that decides the curve."""
        return {
            "objective": "Dr. GRPO",
            "settings": asdict(self.settings),
            "form": asdict(self._table.form),
            "parent": self._parent.lineage.version,
            "reward_model": self._valued_by,
            "device": self.device.type,
            "vocabulary": self.start.vocabulary.digest,
            "data": self._data,
            "truth": self._check is not None,
            "threads": torch.get_num_threads(),
        }
