"""All page metrics of a model in one value, and how well each offline one predicts true reward.

Offline: AUC of entities and rows, WBC loss, page NDCG, off-policy estimates, all on logged pages.
Online, on a simulated service alone: the true expected reward of the pages that it would serve.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from dataset.folder import DataFolder
from evaluation.intervals import Estimate, mean_of
from evaluation.logged_pages import LoggedPages, score_pages
from evaluation.off_policy import OffPolicy, Weighting, doubly_robust, ips, snips
from evaluation.page_metrics import auc_of, page_ndcg, wbc_loss
from evaluation.true_reward import decode
from evaluation.variety import Fairness, Shown, Variety, fairness, numbered, variety
from genpage.audit import violations
from genpage.errors import WrongPagesError
from genpage.page import Page
from model.checkpoint import Checkpoint
from model.covering import covering
from simulation.judge import Judge, Showing
from tokenizer.content import content_encoder
from training.visits import PageSize, Visit, Visits

WEIGHTINGS: tuple[Weighting, ...] = ("page", "cascade", "place")
LEAST_MODELS = 3


@dataclass(frozen=True, slots=True)
class Offline:
    """What logged pages say; ``dropped`` of them could not be weighed.

    ``gone`` more could not even be scored: a title or a row of theirs left the catalog.
    """

    metrics: Mapping[str, Estimate]
    estimates: Mapping[str, OffPolicy]
    dropped: int
    gone: int = 0

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            **{name: found.document() for name, found in self.metrics.items()},
            "off_policy": {name: found.document() for name, found in self.estimates.items()},
            "dropped": self.dropped,
            "gone": self.gone,
        }


@dataclass(frozen=True, slots=True)
class Served:
    """What the served pages show; ``reward`` and ``languages`` where the truth is known."""

    variety: Variety
    reward: Estimate | None
    languages: Fairness | None

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            **self.variety.document(),
            "true_reward": None if self.reward is None else self.reward.document(),
            "languages": None if self.languages is None else self.languages.document(),
        }


def offline(
    folder: DataFolder,
    checkpoint: Checkpoint,
    pages: LoggedPages,
    worth: NDArray[np.float64],
    *,
    temperature: float = 1.0,
    seed: int = 0,
) -> Offline:
    """Of one checkpoint on logged pages that are encoded for it (`read_pages`).

    ``worth`` (E,) is `title_worth` of earlier days, the doubly robust estimate's reward model.
    """
    scored = score_pages(folder, checkpoint, pages, worth, temperature=temperature)
    metrics = {
        "entity_auc": auc_of(scored.entities, seed=seed),
        "row_auc": auc_of(scored.rows, seed=seed),
        "wbc_loss": wbc_loss(scored.entities, unrewarded=0.0, seed=seed),
        "page_ndcg": page_ndcg(scored.entities, seed=seed),
    }
    estimates = {}
    if scored.logged is not None:
        for weighting in WEIGHTINGS:
            estimates[f"ips_{weighting}"] = ips(scored.logged, weighting, seed=seed)
            estimates[f"snips_{weighting}"] = snips(scored.logged, weighting, seed=seed)
            estimates[f"dr_{weighting}"] = doubly_robust(
                scored.logged, scored.predicted, scored.expected, weighting, seed=seed
            )
    return Offline(metrics, estimates, scored.dropped, pages.gone)


def served(
    folder: DataFolder,
    checkpoint: Checkpoint,
    visits: Visits,
    size: PageSize,
    *,
    autoregressive: int = 4,
    seed: int = 0,
) -> Served:
    """Of the greedy pages of visits that are encoded for this checkpoint."""
    over = covering(checkpoint, visits.catalog)
    pages = decode(over, visits.catalog, visits, size, autoregressive)
    refuse_broken(pages, visits.visits, over)
    return shown(folder, checkpoint, pages, visits.visits, seed=seed)


def shown(
    folder: DataFolder,
    checkpoint: Checkpoint,
    pages: Sequence[Page],
    visits: Sequence[Visit],
    *,
    seed: int = 0,
) -> Served:
    """Of any pages for these visits; content is as the checkpoint's encoder has it."""
    catalog = folder.catalog()
    content = content_encoder(checkpoint.encoder).encode(catalog.entities)
    counts = np.zeros(len(catalog.entities))
    for name, count in (
        folder.events(columns=("entity_id",))["entity_id"].value_counts().iter_rows()
    ):
        index = catalog.entity_index(name)
        if index is not None:
            counts[index] = count
    users = [visit.request.user_id for visit in visits]
    found = variety(
        [Shown(p, v.request.user_id, v.request.at) for p, v in zip(pages, visits, strict=True)],
        catalog,
        content,
        counts,
        seed=seed,
    )
    rewards = true_rewards(folder, pages, visits)
    if rewards is None:
        return Served(found, None, None)
    languages = [None if v.context.profile is None else v.context.profile.language for v in visits]
    return Served(
        found,
        mean_of(rewards, numbered(users), seed=seed),
        fairness(rewards, languages, users, seed=seed),
    )


def true_rewards(
    folder: DataFolder, pages: Sequence[Page], visits: Sequence[Visit]
) -> NDArray[np.float64] | None:
    """(B,) by the judge; None where the data are not simulated."""
    if not (folder.path / "truth").is_dir():
        return None
    return Judge.open(folder.path).rewards(
        [
            Showing(page, visit.request.user_id, visit.request.at, visit.request.device)
            for page, visit in zip(pages, visits, strict=True)
        ]
    )


def refuse_broken(pages: Sequence[Page], visits: Sequence[Visit], checkpoint: Checkpoint) -> None:
    """`WrongPagesError` where a page breaks a rule."""
    for page, visit in zip(pages, visits, strict=True):
        broken = violations(
            page,
            checkpoint.catalog,
            checkpoint.rules,
            visit.context,
            visit.request,
            visit.trends,
        )
        if broken:
            raise WrongPagesError(f"a page breaks {broken[0].rule}. This is a bug.")


def predictiveness(offlines: Sequence[Offline], rewards: Sequence[float]) -> dict[str, float]:
    """Spearman's correlation of each offline figure with the true reward, over the models.

    Signed so that 1 is a perfect predictor (a loss is turned round); empty for fewer than
    `LEAST_MODELS`.
    """
    if len(offlines) < LEAST_MODELS:
        return {}
    columns = {name: [one.metrics[name].value for one in offlines] for name in offlines[0].metrics}
    for name in offlines[0].estimates:
        if all(name in one.estimates for one in offlines):
            columns[name] = [one.estimates[name].estimate.value for one in offlines]
    return {
        name: (-1.0 if name == "wbc_loss" else 1.0) * float(spearmanr(values, rewards).statistic)
        for name, values in columns.items()
        if len(set(values)) > 1
    }
