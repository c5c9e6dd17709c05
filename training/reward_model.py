"""The reward model: what a page that nobody has seen would be worth.

METHOD, "Training" 2, RL: from the pretrained checkpoint, a regression of the page's summed reward.
The prediction is a sum too: what each title adds, told from all that stands above it and nothing
below (`ValueHead`). Titles that are rarely seen add little; that is learnt from the places, not
assumed.

The loss is the squared error of the page's sum, and of each title's part of it: the parts carry the
same information as the sum with far less noise between what is predicted and what came. Squared
errors are ruled by the rare large rewards, and tell pages of one visit apart slowly; so WBC's loss
of the titles goes on beside them, a likelihood that every impression counts in. It keeps a title's
logit its log-odds of being good, which is what the head makes a value of. By default the squared
errors train the head alone and the odds the rest: what is regressed then is a handful of numbers,
which a few thousand pages settle, and not a network that learns their noise by heart. The appeal of
titles, crowding included, stays what WBC found.

Legend: T tokens, K titles of a batch, P pages, d width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from dataset.folder import DataFolder
from genpage.catalog import Catalog
from genpage.errors import CheckpointError, TrainingError
from model.appealing import appeal_over
from model.checkpoint import Checkpoint
from model.config import Size
from model.network import Network
from model.packing import Packing
from tokenizer.appeal import PageAppeal
from training.added import Added
from training.agreement import agreement
from training.batches import Batch
from training.bounds import COUNT, WEIGHT, check
from training.labels import Labels
from training.objective import Loss, Objective, Part, Prediction
from training.recipe import REWARD_MODEL, Recipe
from training.rewards.declaration import Rewards
from training.rewards.labels import RewardLabels
from training.shown_titles import ShownTitles
from training.visits import Visit
from training.wbc import classification

HEADS = "heads.safetensors"
# Keeps an exponential in bounds: odds of twelve to one are as good as any title's, and what a
# network promises beyond them is what a policy would be paid for, and members would not.
_LEAST_LOGIT, _MOST_LOGIT = -4.0, 2.5
# About what an examined place loses by a title that nobody wants: the head's weights are learnt in
# units of it, so that a step of the usual rate is a small one.
_UNIT = 0.02
_HELD_OUT_PAGES = 1000
# Of what is promised, so much comes at least and at most. At .5 and below, the mean of all pages
# would have been as good a guess: there a held-out R2 is 0.
LEAST_SLOPE, MOST_SLOPE = 0.5, 2.0
# Pages may bring so much more or less than what is said of them, in deviations of what they bring.
MOST_BIAS = 0.25


@dataclass(frozen=True, slots=True)
class Regression:
    """What is regressed: pages cut to so many rows; how much beside the page's own error counts.

    That is the titles' squared errors, and WBC's loss of their logits.
    """

    rows: int = 4
    title_share: float = 1.0
    odds_share: float = 1.0
    into_trunk: bool = False  # whether the squared errors train more than the head

    def __post_init__(self) -> None:
        """Check every number; a wrong one is a `UsageError` naming it."""
        check(self, rows=COUNT, title_share=WEIGHT, odds_share=WEIGHT)


class ValueHead(nn.Module):
    """What a title adds: ``w . after + (g . before) * (exp(logit) - 1)``, and the logit itself.

    A linear head on the hidden state alone tells members apart long before it tells titles apart,
    and a policy is paid for titles. The title's own logit, ``before . output``, is what the network
    already knows of this title for this member there: of a WBC checkpoint, ``exp(logit)`` is its
    odds of being good, and what it adds goes with them, by a factor that the place decides. A
    learnt scale takes back what the logit is too sure of.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.whole = nn.Linear(width, 1)
        self.match = nn.Linear(width, 1)
        for layer in (self.whole, self.match):
            # Nothing is worth anything yet.
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(
        self,
        before: torch.Tensor,  # (K, d) the hidden state that predicts the title
        after: torch.Tensor,  # (K, d) that of the title itself
        output: torch.Tensor,  # (K, d) its output vector
        beside: torch.Tensor,  # (K,) its appeal
        *,
        into_trunk: bool = False,
    ) -> "Worths":
        """Of K titles. Gradients of values reach what came in only if they go ``into_trunk``."""
        logits = (before * output).sum(dim=1) + beside
        told = logits
        if not into_trunk:
            before, after, told = before.detach(), after.detach(), logits.detach()
        odds = torch.expm1((self.scale * told).clamp(_LEAST_LOGIT, _MOST_LOGIT))
        matched: torch.Tensor = self.match(before)[:, 0] * odds
        whole: torch.Tensor = self.whole(after)[:, 0]
        return Worths(_UNIT * (whole + matched).float(), logits.float())


@dataclass(frozen=True, slots=True, eq=False)
class Worths:
    """What titles add to their pages, and their log-odds of being good; (K,) each."""

    values: torch.Tensor
    logits: torch.Tensor


class RewardModel(Objective):
    """Squared error of pages' summed rewards, with a value head."""

    def __init__(self, rewards: Rewards, regression: Regression | None = None) -> None:
        self.rewards = rewards
        self.regression = regression or Regression()
        self._heads = nn.ModuleDict()

    @property
    def heads(self) -> nn.Module:
        """``value``: a `ValueHead`."""
        return self._heads

    def begin(self, network: Network) -> None:
        """A head of zeros."""
        self._heads = nn.ModuleDict({"value": ValueHead(network.config.width)})
        self._heads.to(network.content.device)

    def loss(self, network: Network, batch: Batch) -> Loss:
        """Mean squared error a page."""
        worths, came = self._worths(network, batch), batch.entities.weights
        values = worths.values
        page = document_of(batch.packing, batch.entities.positions)
        count = len(batch.packing.lengths)
        sums = torch.zeros(count, device=values.device).index_add(0, page, values)
        totals = torch.zeros_like(sums).index_add(0, page, came)
        there = torch.tensor(float(count), device=values.device)
        parts = {
            "page": Part((sums - totals).square().sum(), _spread(totals), there),
            "titles": Part((values - came).square().sum(), came.square().sum(), there),
            "odds": classification(worths.logits, came),
        }
        title, odds = self.regression.title_share, self.regression.odds_share
        total = parts["page"].mean + title * parts["titles"].mean + odds * parts["odds"].mean
        return Loss(total, parts)

    def labels(self, folder: DataFolder, catalog: Catalog, until: float) -> Labels:
        """Rewards of whole pages, of their first rows, seen or not."""
        return RewardLabels.read(
            folder, catalog, self.rewards, until=until, rows=self.regression.rows
        )

    def recipe(self, size: Size) -> Recipe:
        """The reward model's."""
        return REWARD_MODEL[size]

    def settings(self) -> Mapping[str, object]:
        """The declaration and the regression."""
        return {"rewards": self.rewards.text, "regression": asdict(self.regression)}

    def logits(self, batch: Batch) -> int:
        """One a title."""
        return len(batch.entities.positions)

    @property
    def held_out_pages(self) -> int:
        """Enough for the gate: of 200 pages a rank correlation is known to .14, of these to .06."""
        return _HELD_OUT_PAGES

    def predictions(self, network: Network, batch: Batch) -> Mapping[str, Prediction]:
        """Pages' sums beside what came."""
        values = self._worths(network, batch).values
        page = document_of(batch.packing, batch.entities.positions)
        zeros = torch.zeros(len(batch.packing.lengths), device=values.device)
        return {
            "page": Prediction(
                zeros.index_add(0, page, values).cpu(),
                zeros.index_add(0, page, batch.entities.weights).cpu(),
                torch.ones(len(zeros)),
            )
        }

    def report(
        self, found: Mapping[str, Sequence[Prediction]], members: NDArray[np.int64]
    ) -> Mapping[str, float]:
        """R2, rank correlation, and calibration, with how surely they are known (`agreement`)."""
        parts = found.get("page", ())
        if not parts:
            return {}
        predicted, came = (
            torch.cat([getattr(part, name) for part in parts]).numpy().astype(np.float64)
            for name in ("predicted", "came")
        )
        return agreement(predicted, came, members)

    def refuse(self, figures: Mapping[str, float]) -> None:
        """`TrainingError` where it cannot tell a good page from a bad one on a day never seen."""
        if "R2" not in figures:
            raise TrainingError(
                "there is no day of pages to hold out, and what nobody has checked must not be "
                "trained against. A reward model needs two days of pages with feedback."
            )
        rank, share, slope = (figures[name] for name in ("rank correlation", "R2", "slope"))
        lowest = figures["rank correlation, lowest"]
        slopes = figures["slope, lowest"], figures["slope, highest"]
        biases = figures["bias, lowest"], figures["bias, highest"]
        most = MOST_BIAS * figures["deviation"]
        held = {
            f"rank correlation {rank:.3f}, and 95% sure only that it is above {lowest:.3f}": (
                lowest > 0
            ),
            f"R2 {share:.3f}, no better than the mean": share > 0,
            f"where it promises 1 more, {slope:.2f} more comes, and 95% sure only that it is "
            f"{slopes[0]:.2f} to {slopes[1]:.2f}, not {LEAST_SLOPE} to {MOST_SLOPE}": (
                slopes[0] >= LEAST_SLOPE and slopes[1] <= MOST_SLOPE
            ),
            f"pages bring {figures['bias']:+.3f} beside what it says, and 95% sure only that it is "
            f"{biases[0]:+.3f} to {biases[1]:+.3f}, not within {most:.3f}": (
                biases[0] >= -most and biases[1] <= most
            ),
        }
        wrong = [said for said, holds in held.items() if not holds]  # NaN holds nowhere
        if wrong:
            raise TrainingError(
                f"the reward model on the held-out day: {'; '.join(wrong)}. It is not known "
                "to tell good pages from bad ones by as much as it says, and nothing may be "
                "trained against it. Train longer, or on more days."
            )

    def files(self) -> Mapping[str, bytes]:
        """The head, and the rewards that it predicts."""
        tensors = {name: value.cpu() for name, value in self._heads.state_dict().items()}
        return {HEADS: save_tensors(tensors), "rewards.toml": self.rewards.text.encode()}

    def _worths(self, network: Network, batch: Batch) -> Worths:
        hidden = network.hidden(batch.tokens, batch.packing, batch.identity)
        targets = batch.entities
        # A title's target stands at the position that predicts it; its own, where it has one, is
        # the next.
        before = hidden[targets.positions]
        after = hidden[targets.positions + targets.told.long()]
        entities = network.outputs.rows(batch.candidates.entities, network.content, batch.identity)
        beside = Added.of(network, batch, entities, settled=True).of_targets(targets)
        worths: Worths = self._heads["value"](
            before,
            after,
            entities[targets.places],
            beside,
            into_trunk=self.regression.into_trunk,
        )
        return worths


class PageValues:
    """A trained reward model, for pages that were sampled. Immutable."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        """`CheckpointError` where the checkpoint is no reward model."""
        if HEADS not in checkpoint.extra:
            raise CheckpointError(
                "the reward model's checkpoint has no value head; write one by "
                "`genpage train reward-model --from CKPT`"
            )
        self.network = checkpoint.network().to(device)
        head = ValueHead(checkpoint.config.width)
        tensors = load_tensors(checkpoint.extra[HEADS])
        try:
            head.load_state_dict({n.removeprefix("value."): t for n, t in tensors.items()})
        except RuntimeError as error:
            raise CheckpointError(
                f"the reward model's {HEADS} is of another version of GenPage; train it again"
            ) from error
        self._value = head.to(device)
        self._appeal = appeal_over(checkpoint, checkpoint.catalog)

    def beside(self, visit: Visit) -> PageAppeal | None:
        """The titles' appeal on a visit's page; None where there is none."""
        if self._appeal is None:
            return None
        return self._appeal.page(visit.context, visit.request, visit.trends)

    @torch.no_grad()
    def values(self, tokens: torch.Tensor, packing: Packing, titles: ShownTitles) -> torch.Tensor:
        """(K,) what each title adds to its page; the pages are packed as ``tokens`` (T,)."""
        hidden = self.network.hidden(tokens, packing)
        output = self.network.outputs.rows(titles.tokens, self.network.content)
        before, after = hidden[titles.before], hidden[titles.after]
        worths: Worths = self._value(before, after, output, titles.beside)
        return worths.values


def document_of(packing: Packing, positions: torch.Tensor) -> torch.Tensor:
    """(K,) which packed document each position stands in."""
    ends = torch.cumsum(torch.tensor(packing.lengths, device=positions.device), 0)
    return torch.bucketize(positions, ends, right=True)


def _spread(totals: torch.Tensor) -> torch.Tensor:
    """The squared error of who knows only the mean."""
    return (totals - totals.mean()).square().sum()
