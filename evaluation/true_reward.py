"""What a model's pages are truly worth, on a simulated service whose truth is known.

For visits of the held-out day, the page that a checkpoint gives (greedy, as served), and the
judge's exact expectation of its reward. Models are compared on the same visits; intervals come by
bootstrap over members, of the difference itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataset.folder import DataFolder
from genpage.audit import violations
from genpage.catalog import Catalog
from genpage.errors import UsageError
from genpage.page import Page
from model.checkpoint import Checkpoint
from model.covering import covering
from model.sampling import PageSampler, Shape
from simulation.judge import Judge, Showing
from tokenizer.prompt import PromptEncoder
from training.visits import PageSize, Visits

Values = NDArray[np.float64]
SAMPLES = 2000
_BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A model's pages over the same visits as another's; (B,) each."""

    rewards: Values
    violations: int
    pages: tuple[Page, ...]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95% interval."""

    value: float
    low: float
    high: float


def judge_checkpoint(
    data: Path,
    checkpoint: Checkpoint,
    days: Sequence[str],
    *,
    count: int,
    size: PageSize,
    autoregressive: int = 4,
    seed: int = 0,
) -> tuple[Judged, list[str]]:
    """The pages of a checkpoint for visits of ``days``, judged; and whose visits they are."""
    folder = DataFolder(data)
    catalog = folder.catalog()
    over = covering(checkpoint, catalog)
    encoder = PromptEncoder(over.vocabulary, history_tokens=over.history_tokens)
    visits = Visits.read(folder, catalog, encoder, days, count=count, size=size, seed=seed)
    pages = decode(over, catalog, visits, size, autoregressive)
    if not (data / "truth").is_dir():
        raise UsageError(f"{data} holds no truth: only a simulated service can be judged")
    rewards = Judge.open(data).rewards(
        [
            Showing(page, visit.request.user_id, visit.request.at, visit.request.device)
            for page, visit in zip(pages, visits.visits, strict=True)
        ]
    )
    broken = sum(
        len(violations(page, catalog, over.rules, visit.context, visit.request, visit.trends))
        for page, visit in zip(pages, visits.visits, strict=True)
    )
    users = [visit.request.user_id for visit in visits.visits]
    return Judged(rewards, broken, tuple(pages)), users


def decode(
    checkpoint: Checkpoint, catalog: Catalog, visits: Visits, size: PageSize, autoregressive: int
) -> list[Page]:
    """The greedy pages of all visits."""
    rows, entities = checkpoint.vocabulary.item_tokens(catalog)
    shape = Shape(size.rows, autoregressive, temperature=0.0)
    sampler = PageSampler(checkpoint.network(), rows, entities, shape)
    pages: list[Page] = []
    for start in range(0, len(visits.visits), _BATCH):
        batch = visits.visits[start : start + _BATCH]
        grammars = [visit.grammar(catalog, checkpoint.rules) for visit in batch]
        sampled = sampler.pages([visit.prompt for visit in batch], grammars)
        pages += [visits.page(page) for page in sampled]
    return pages


def mean_of(values: Values, users: Sequence[str], *, seed: int = 0) -> Estimate:
    """The mean, with its interval by bootstrap over members."""
    _, place = np.unique(np.array(users), return_inverse=True)
    sums, counts = np.bincount(place, values), np.bincount(place).astype(np.float64)
    members = len(counts)
    drawn = np.random.default_rng(seed).multinomial(members, np.full(members, 1 / members), SAMPLES)
    spread = (drawn @ sums) / (drawn @ counts)
    low, high = np.quantile(spread, [0.025, 0.975])
    return Estimate(float(values.mean()), float(low), float(high))


def gains(judged: Mapping[str, Judged], users: Sequence[str]) -> dict[str, Estimate]:
    """Each model's mean reward less the first one's, over the same visits."""
    first = next(iter(judged.values())).rewards
    return {name: mean_of(found.rewards - first, users) for name, found in list(judged.items())[1:]}
