"""Weighted binary classification: a logit becomes the value of generating that token there.

METHOD, "Training" 2: for every impressed row and entity token, label = sign of its reward, weight =
magnitude; weighted binary cross-entropy on that token's logit, at its own position (the hidden
state before it, as at serving), the logit a product with the untied output embedding. At the
optimum ``sigmoid(logit) = E[reward+] / (E[reward+] + E[reward-])``. Decoding is greedy.

Beside METHOD, each a switch:

1. *Sampled negatives.* A logging policy shows a member few of the titles that could stand there; of
   the others nothing is learnt, and a greedy decoder picks the most overrated. ``negatives`` titles
   a position, drawn among all and kept where they could come there, count as slightly bad:
   together ``negative_weight``, spread evenly over all that could. The importance weight makes the
   expected gradient that of summing over all of them (`importance`). It lowers the value of what is
   rarely shown, and with it the calibration of those that are (docs/quality.md): none by default.
2. *Next titles.* The auxiliary loss of pretraining goes on beside, so that next-item scores stay.
3. *Appraisal.* The appeal of titles is learnt by itself first (`training.appraisal`), and the
   sequence model then learns what that leaves. Learnt together from the beginning, some hundred
   steps of noisy gradients leave it far from what its numbers say.
4. *Restraint.* Beside a settled appeal the sequence model's own word of a title starts as noise,
   and a greedy decoder picks among all titles those that it overrates most. Of ``drawn`` titles a
   place the squared logit costs ``restraint``: what no page speaks for is nothing. 1 by default,
   by what pages were worth on a day of the simulated service (docs/quality.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from dataset.folder import DataFolder
from genpage.catalog import Catalog
from genpage.errors import CheckpointError
from model.config import Size
from model.network import Network
from training.added import Added
from training.appraisal import Appraisal, appraise
from training.batches import Batch
from training.bounds import COUNT, COUNT_OR_NONE, SHARE, WEIGHT, check
from training.calibration import reliability, weighted_auc
from training.candidates import BatchTargets
from training.labels import Labels
from training.lesson import Lesson
from training.objective import Loss, Objective, Part, Prediction
from training.pretrain import APPEAL_SHARE, cross_entropies
from training.recipe import WBC, Recipe
from training.rewards.declaration import Rewards
from training.rewards.labels import RewardLabels

# What a checkpoint carries of the objective: the declaration, and `Standing`.
REWARDS, STANDING = "rewards.toml", "wbc.json"


@dataclass(frozen=True, slots=True)
class Switches:
    """What METHOD leaves open."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    negatives: int = 0
    negative_weight: float = 0.02
    next_title_share: float = 0.25
    appraisal: Appraisal | None = field(default_factory=Appraisal)
    restraint: float = 1.0
    drawn: int = 16

    def __post_init__(self) -> None:
        """Check every number; a wrong one is a `UsageError` naming it."""
        check(
            self,
            negatives=COUNT_OR_NONE,
            negative_weight=WEIGHT,
            next_title_share=SHARE,
            restraint=WEIGHT,
            drawn=COUNT,
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """How the weights came about: by which switches, and whether the appeal is ``settled``."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    switches: Switches
    settled: bool


_STANDING = TypeAdapter(Standing)


class WeightedClassification(Objective):
    """Weighted binary cross-entropy of impressed rows and entities, and of next titles."""

    def __init__(
        self, rewards: Rewards, switches: Switches | None = None, *, settled: bool = False
    ) -> None:
        """``settled``: the appeal of titles was learnt by itself before, and stays as it is."""
        self.rewards = rewards
        self.switches = switches or Switches()
        self._settled = settled

    @classmethod
    def continued(cls, files: Mapping[str, bytes]) -> Self:
        """As the run that wrote these `files` left it; `CheckpointError` where they are unreadable.

        Without a standing (an older checkpoint) the appeal stays as it is where a run by these
        rewards would have settled it, and nothing is restrained.
        """
        rewards = Rewards.parse(files[REWARDS].decode())
        if STANDING not in files:
            return cls(rewards, Switches(restraint=0.0), settled=rewards.shown.ignored < 0.0)
        try:
            standing = _STANDING.validate_json(files[STANDING])
        except ValidationError as error:
            raise CheckpointError(
                f"{STANDING} is of another version: {error.errors()[0]['msg']}; train it again."
            ) from error
        return cls(rewards, standing.switches, settled=standing.settled)

    def acquaint(self, network: Network, lesson: Lesson) -> None:
        """Learn titles' appeal by itself; from then on it stays as it is."""
        how, ignored = self.switches.appraisal, self.rewards.shown.ignored
        if how is None or ignored >= 0.0:
            return
        seen = lesson.seen(how.pages)
        if seen is not None:
            self._settled = appraise(
                network.appeal,
                seen,
                lesson.content,
                lesson.tokens,
                ignored,
                how,
                seed=lesson.seed,
            )

    def loss(self, network: Network, batch: Batch) -> Loss:
        """Mean over rows and entities together, by weight; next titles and negatives beside it."""
        candidates, switches = batch.candidates, self.switches
        hidden = network.hidden(batch.tokens, batch.packing, batch.identity)  # (T, d)
        rows = network.outputs.rows(candidates.rows, network.content, batch.identity)  # (R, d)
        entities = network.outputs.rows(candidates.entities, network.content, batch.identity)
        added = Added.of(network, batch, entities, settled=self._settled)
        alone = added.of_targets(batch.entities)
        parts = {
            "rows": _classified(hidden, rows, batch.rows, added.rows),
            "entities": _classified(hidden, entities, batch.entities, alone),
            "titles": cross_entropies(
                hidden, entities, batch.titles, candidates.closed_entities(batch.titles)
            ),
        }
        page = parts["rows"] + parts["entities"]
        total = page.mean + switches.next_title_share * parts["titles"].mean
        if switches.negatives and switches.negative_weight:
            drawn = self._negatives(hidden, entities, batch, added)
            total = total + drawn / page.divisor
        if self._settled and switches.restraint:
            total = total + switches.restraint * self._restrained(hidden, entities, batch)
        if batch.appeal is not None and not self._settled:
            total = total + APPEAL_SHARE * classification(alone, batch.entities.weights).mean
        return Loss(total, parts)

    def _negatives(
        self, hidden: torch.Tensor, entities: torch.Tensor, batch: Batch, added: Added
    ) -> torch.Tensor:
        """The expected loss of what could have been shown at the examined places."""
        examined = batch.entities.weights != 0
        targets = select(batch.entities, examined)
        states = hidden[targets.positions]
        chosen, logits = _drawn(states, entities, self.switches.negatives, batch.seed)
        closed = batch.candidates.closed_entities(targets)  # (K, E)
        closed[torch.arange(len(closed), device=closed.device), targets.places] = True
        logits = logits + added.titles[targets.page[:, None], chosen]
        weights = importance(chosen, closed)
        return self.switches.negative_weight * (weights * softplus(logits)).sum()

    def _restrained(
        self, hidden: torch.Tensor, entities: torch.Tensor, batch: Batch
    ) -> torch.Tensor:
        """The mean squared logit of titles drawn for each place of the page."""
        states = hidden[batch.entities.positions]
        _, logits = _drawn(states, entities, self.switches.drawn, batch.seed)
        return logits.square().sum() / max(1, logits.numel())

    def labels(self, folder: DataFolder, catalog: Catalog, until: float) -> Labels:
        """Rewards by the declaration, pages without feedback included."""
        return RewardLabels.read(folder, catalog, self.rewards, until=until)

    def recipe(self, size: Size) -> Recipe:
        """Post-training's."""
        return WBC[size]

    def settings(self) -> Mapping[str, object]:
        """The declaration and the switches."""
        return {"rewards": self.rewards.text, "switches": asdict(self.switches)}

    def logits(self, batch: Batch) -> int:
        """One a target, and those of next titles."""
        alone = len(batch.rows.positions) + len(batch.entities.positions)
        drawn = self.switches.negatives * len(batch.entities.positions)
        return alone + drawn + len(batch.titles.positions) * len(batch.candidates.entities)

    def predictions(self, network: Network, batch: Batch) -> Mapping[str, Prediction]:
        """Logits beside signs."""
        hidden = network.hidden(batch.tokens, batch.packing)
        entities = network.outputs.rows(batch.candidates.entities, network.content)
        added = Added.of(network, batch, entities)
        found = {}
        for name, output, targets, beside in (
            (
                "rows",
                network.outputs.rows(batch.candidates.rows, network.content),
                batch.rows,
                added.rows,
            ),
            ("entities", entities, batch.entities, added.of_targets(batch.entities)),
        ):
            counted = targets.weights != 0
            kept = select(targets, counted)
            logits = (hidden[kept.positions] * output[kept.places]).sum(dim=1) + beside[counted]
            found[name] = Prediction(
                logits.float().cpu(), (kept.weights > 0).cpu(), kept.weights.abs().cpu()
            )
        return found

    def report(
        self,
        found: Mapping[str, Sequence[Prediction]],
        members: NDArray[np.int64],  # noqa: ARG002 - these figures have no intervals
    ) -> Mapping[str, float]:
        """AUC and expected calibration error of rows and entities."""
        figures: dict[str, float] = {}
        for name, parts in found.items():
            logits, good, weights = (
                torch.cat([getattr(part, field) for part in parts]).numpy().astype(np.float64)
                for field in ("predicted", "came", "weights")
            )
            if not len(logits):
                continue
            chances = 1.0 / (1.0 + np.exp(-logits))
            figures[f"{name} calibration error"] = reliability(chances, good, weights).error
            auc = weighted_auc(logits, good, weights)
            if auc is not None:
                figures[f"{name} AUC"] = auc
        return figures

    def files(self) -> Mapping[str, bytes]:
        """The rewards that it was trained for, and how: `continued` goes on from both."""
        standing = _STANDING.dump_json(Standing(self.switches, self._settled), indent=2)
        return {REWARDS: self.rewards.text.encode(), STANDING: standing}


def _drawn(
    states: torch.Tensor, entities: torch.Tensor, count: int, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """``count`` titles drawn evenly for each of ``states`` (K, d), and their logits; (K, n) each.

    ``entities`` (E, d) are the titles' output vectors.
    """
    generator = torch.Generator(device=entities.device).manual_seed(seed)
    chosen = torch.randint(
        len(entities), (len(states), count), generator=generator, device=entities.device
    )
    return chosen, torch.einsum("kd,knd->kn", states, entities[chosen]).float()


def importance(chosen: torch.Tensor, closed: torch.Tensor) -> torch.Tensor:
    """Weights (K, n) of candidates ``chosen`` evenly from all E.

    Their weighted sum of anything is, on average, its mean over the candidates that are open.
    ``closed`` is (K, E); a closed one weighs nothing.
    """
    count, drawn = closed.shape[1], chosen.shape[1]
    opened = (~closed).sum(dim=1, keepdim=True).clamp_min(1)  # (K, 1)
    kept = ~closed.gather(1, chosen)
    return kept * (count / (drawn * opened))


def select(targets: BatchTargets, kept: torch.Tensor) -> BatchTargets:
    """The targets that ``kept`` (K,) marks, with what their pages had used."""
    number = torch.cumsum(kept, 0) - 1
    used = targets.used[:, kept[targets.used[0]]]
    return BatchTargets(
        positions=targets.positions[kept],
        places=targets.places[kept],
        weights=targets.weights[kept],
        days=targets.days[kept],
        rows=targets.rows[kept],
        columns=targets.columns[kept],
        told=targets.told[kept],
        used=torch.stack([number[used[0]], used[1]]),
        page=targets.page[kept],
    )


def _classified(
    hidden: torch.Tensor, output: torch.Tensor, targets: BatchTargets, added: torch.Tensor
) -> Part:
    """Weighted binary cross-entropy of each target's own logit and what is ``added`` (K,) to it."""
    states = hidden.index_select(0, targets.positions)  # (K, d)
    logits = (states * output.index_select(0, targets.places)).sum(dim=1).float()  # (K,)
    return classification(logits + added, targets.weights)


def classification(logits: torch.Tensor, rewards: torch.Tensor) -> Part:
    """The loss of logits (K,) for tokens of these rewards (K,); a reward of 0 takes no part."""
    good, weights = (rewards > 0).float(), rewards.abs()
    nats = binary_cross_entropy_with_logits(logits, good, reduction="none")
    total = weights.sum()
    share = ((good * weights).sum() / total.clamp_min(1e-6)).clamp(1e-6, 1 - 1e-6)
    # Who knows nothing says everywhere what share of the weight is good.
    guess = -(share * share.log() + (1 - share) * (1 - share).log()) * total
    return Part((nats * weights).sum(), guess, total)
