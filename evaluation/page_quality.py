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
from evaluation.logged_pages import LoggedPage, LoggedPages
from evaluation.off_policy import OffPolicy, Weighting, doubly_robust, ips, snips
from evaluation.page_metrics import auc_of, page_ndcg, wbc_loss
from evaluation.policy import Policy
from evaluation.scored_pages import Weighed, score_pages
from evaluation.support import Support
from evaluation.true_reward import decode
from evaluation.variety import Fairness, Shown, Variety, fairness, numbered, variety
from genpage.audit import violations
from genpage.errors import WrongPagesError
from genpage.exploration import Exploration
from genpage.page import Page
from model.checkpoint import Checkpoint
from model.covering import covering
from simulation.judge import Judge, Showing
from tokenizer.content import content_encoder
from training.visits import Visit, Visits

WEIGHTINGS: tuple[Weighting, ...] = ("page", "cascade", "place")
LEAST_MODELS = 3
# What is served unless told otherwise, and pages of which every choice is drawn.
POLICIES = (Policy(), Policy(Exploration(1.0)))


@dataclass(frozen=True, slots=True)
class OfPolicy:
    """What logged pages say of a policy; ``truth`` is of its own pages for the same visits.

    ``never_shown`` are the logged pages that it would never show: from the place on where it would
    not, they count as nothing.
    """

    policy: Policy
    estimates: Mapping[str, OffPolicy]
    truth: Estimate | None
    never_shown: int = 0

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "name": self.policy.name,
            **self.policy.document(),
            "never_shown": self.never_shown,
            **{name: found.document() for name, found in self.estimates.items()},
            "true_reward": None if self.truth is None else self.truth.document(),
        }


@dataclass(frozen=True, slots=True)
class OfLog:
    """What the policy that served brought on the pages that estimates rest on.

    ``truth`` is what those pages are truly worth: the same pages as ``mean``, by the judge's values
    instead of the declared rewards of what was seen, so what lies between the two is no policy's.
    """

    mean: Estimate
    truth: Estimate | None

    def document(self) -> dict[str, object]:
        """As JSON."""
        truth = None if self.truth is None else self.truth.document()
        return {"mean": self.mean.document(), "true_reward": truth}


@dataclass(frozen=True, slots=True)
class Offline:
    """What logged pages say; ``support`` tells which of them estimates off policy rest on.

    A metric that they do not tell is not `Estimate.known`: nothing was rewarded, say.
    ``gone`` more could not even be scored: a title or a row of theirs left the catalog. Where no
    page is of use, there is no ``log`` and nothing of any policy.
    """

    metrics: Mapping[str, Estimate]
    policies: tuple[OfPolicy, ...]
    log: OfLog | None
    support: Support
    gone: int = 0

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            **{name: found.document() for name, found in self.metrics.items()},
            "off_policy": {
                "support": self.support.document(),
                "log": None if self.log is None else self.log.document(),
                "policies": [found.document() for found in self.policies],
            },
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
    policies: Sequence[Policy] = POLICIES,
    seed: int = 0,
) -> Offline:
    """Of one checkpoint on logged pages that are encoded for it (`read_pages`).

    ``worth`` (E,) is `title_worth` of earlier days, the doubly robust estimate's reward model.
    Where the truth is known, each policy's pages are made for the visits of the logged ones.
    """
    scored = score_pages(folder, checkpoint, pages, worth, policies)
    metrics = {
        "entity_auc": auc_of(scored.entities, seed=seed),
        "row_auc": auc_of(scored.rows, seed=seed),
        "wbc_loss": wbc_loss(scored.entities, unrewarded=0.0, seed=seed),
        "page_ndcg": page_ndcg(scored.entities, seed=seed),
    }
    truths = _Truths(folder, checkpoint, scored.used, seed)
    found = tuple(
        OfPolicy(
            weighed.policy,
            _estimates(weighed, seed),
            truths.of(weighed.policy),
            weighed.never_shown,
        )
        for weighed in scored.weighed
    )
    return Offline(metrics, found, truths.log(), scored.support, pages.gone)


def _estimates(weighed: Weighed, seed: int) -> dict[str, OffPolicy]:
    found = {}
    for weighting in WEIGHTINGS:
        found[f"ips_{weighting}"] = ips(weighed.logged, weighting, seed=seed)
        found[f"snips_{weighting}"] = snips(weighed.logged, weighting, seed=seed)
        found[f"dr_{weighting}"] = doubly_robust(
            weighed.logged, weighed.predicted, weighed.expected, weighting, seed=seed
        )
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Truths:
    """True rewards for the visits of logged pages."""

    folder: DataFolder
    checkpoint: Checkpoint
    pages: tuple[LoggedPage, ...]
    seed: int

    def of(self, policy: Policy) -> Estimate | None:
        """Of the pages that a policy shows there, each as large as the logged one.

        None where the data are not simulated.
        """
        if not is_simulated(self.folder):
            return None
        over = covering(self.checkpoint, self.folder.catalog())
        visits = self._visits
        shown = decode(over, visits.catalog, visits, policy)
        refuse_broken(shown, visits.visits, over)
        rewards = true_rewards(self.folder, shown, visits.visits)
        return None if rewards is None else self._mean(rewards)

    def log(self) -> OfLog | None:
        """Of the logged pages themselves; None where there are none."""
        if not self.pages:
            return None
        mean = self._mean(np.array([page.reward.sum() for page in self.pages]))
        visits = self._visits
        shown = [visits.page_of(page.rows) for page in self.pages]
        rewards = true_rewards(self.folder, shown, visits.visits)
        return OfLog(mean, None if rewards is None else self._mean(rewards))

    @property
    def _visits(self) -> Visits:
        return Visits(self.folder.catalog(), tuple(page.visit for page in self.pages))

    def _mean(self, rewards: NDArray[np.float64]) -> Estimate:
        members = numbered([page.visit.request.user_id for page in self.pages])
        return mean_of(rewards, members, seed=self.seed)


def served(
    folder: DataFolder,
    checkpoint: Checkpoint,
    visits: Visits,
    *,
    policy: Policy = POLICIES[0],
    seed: int = 0,
) -> Served:
    """Of a policy's pages of visits that are encoded for this checkpoint."""
    over = covering(checkpoint, visits.catalog)
    pages = decode(over, visits.catalog, visits, policy)
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
    if not is_simulated(folder):
        return None
    return Judge.open(folder.path).rewards(
        [
            Showing(page, visit.request.user_id, visit.request.at, visit.request.device)
            for page, visit in zip(pages, visits, strict=True)
        ]
    )


def is_simulated(folder: DataFolder) -> bool:
    """Whether the truth lies beside the data."""
    return (folder.path / "truth").is_dir()


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

    Estimates off policy are held against the truth of the policy that they are of, all else against
    ``rewards``, of the pages that are served. Signed so that 1 is a perfect predictor (a loss is
    turned round); empty for fewer than `LEAST_MODELS`, without figures that some model has not.
    """
    if len(offlines) < LEAST_MODELS:
        return {}
    columns = {name: [one.metrics[name].value for one in offlines] for name in offlines[0].metrics}
    truths = {name: list(rewards) for name in columns}
    for place, of in enumerate(offlines[0].policies):
        same = [one.policies[place] for one in offlines if len(one.policies) > place]
        worths = [each.truth.value for each in same if each.truth is not None]
        if len(worths) < len(offlines):
            continue
        for name in of.estimates:
            key = f"{name}, {of.policy.name}"
            columns[key] = [each.estimates[name].estimate.value for each in same]
            truths[key] = worths
    signs = {name: -1.0 if name == "wbc_loss" else 1.0 for name in columns}
    return {
        name: signs[name] * float(spearmanr(values, truths[name]).statistic)
        for name, values in columns.items()
        if np.isfinite(values).all() and min(len(set(values)), len(set(truths[name]))) > 1
    }
