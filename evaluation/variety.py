"""What pages show apart from whether it is wanted: diversity, coverage, novelty, fairness.

Shape legend: n pages, E entities by catalog index, D content dimensions, G groups of members.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.intervals import Estimate, mean_of
from genpage.catalog import Catalog
from genpage.injection import NEW_WITHIN_S
from genpage.page import Page

Values = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Shown:
    """A page that a member got at ``at`` (Unix seconds); ``language`` is the member's."""

    page: Page
    user_id: str
    at: float
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Variety:
    """Estimates are means over pages, by bootstrap over members.

    ``diversity`` is the mean pairwise content distance on a page (1 - cosine), ``novelty`` the mean
    of -log2 of a title's share of all engagements (Zhou et al. 2010), ``new`` the share of titles
    released within two weeks, ``coverage`` the share of the catalog that stands on some page.
    """

    diversity: Estimate
    novelty: Estimate
    new: Estimate
    coverage: float

    def document(self) -> dict[str, object]:
        """As reports write it."""
        return {
            "diversity": self.diversity.document(),
            "novelty": self.novelty.document(),
            "new": self.new.document(),
            "coverage": self.coverage,
        }


def variety(
    shown: Sequence[Shown],
    catalog: Catalog,
    content: NDArray[np.float32],
    counts: Values,
    *,
    seed: int = 0,
) -> Variety:
    """Of ``shown`` pages; ``content`` (E, D) and ``counts`` (E,) of engagements by catalog index.

    Empty pages, and pages of one title, say nothing of diversity and are left out of it.
    """
    titles = [_titles(one.page, catalog) for one in shown]
    members = numbered([one.user_id for one in shown])
    several = np.array([len(found) > 1 for found in titles], np.bool_)
    some = np.array([len(found) > 0 for found in titles], np.bool_)
    apart = np.array([distance(content[found]) for found in titles if len(found) > 1])
    # A title that nobody ever engaged with is as novel as one engagement would leave it.
    surprise = -np.log2((counts + 1.0) / (counts.sum() + len(counts)))
    novel = np.array([surprise[found].mean() for found in titles if len(found)])
    new = np.array(
        [
            _is_new(catalog, found, one.at).mean()
            for found, one in zip(titles, shown, strict=True)
            if len(found)
        ]
    )
    on_some = np.unique(np.concatenate([np.zeros(0, np.int64), *titles]))
    return Variety(
        mean_of(apart, members[several], seed=seed),
        mean_of(novel, members[some], seed=seed),
        mean_of(new, members[some], seed=seed),
        len(on_some) / len(catalog.entities),
    )


def distance(vectors: NDArray[np.float32]) -> float:
    """The mean of 1 - cosine over all pairs of vectors (k, D), k >= 2; a zero vector is far."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = vectors / np.maximum(lengths, 1e-12)
    count = len(units)
    # The sum of all pairwise cosines is the squared length of the sum, less each with itself.
    alike = float((units.sum(axis=0) ** 2).sum() - (units**2).sum())
    return 1.0 - alike / (count * (count - 1))


@dataclass(frozen=True, slots=True)
class Fairness:
    """A figure by group of members, and the gap between the best and the worst group's means."""

    groups: Mapping[str, Estimate]
    gap: float

    def document(self) -> dict[str, object]:
        """As reports write it."""
        return {
            "gap": self.gap,
            "groups": {name: found.document() for name, found in self.groups.items()},
        }


def fairness(
    values: Values, groups: Sequence[str | None], members: Sequence[str], *, seed: int = 0
) -> Fairness:
    """``values`` (n,) of pages by their members' ``groups`` (language); unknown ones are one."""
    names = np.array([group or "unknown" for group in groups])
    units = numbered(members)
    found = {
        str(name): mean_of(values[names == name], units[names == name], seed=seed)
        for name in np.unique(names)
    }
    means = [estimate.value for estimate in found.values()]
    return Fairness(found, max(means) - min(means) if means else 0.0)


def numbered(ids: Sequence[str]) -> Numbers:
    """(n,) each id's number, by first appearance."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in ids], np.int64)


def _titles(page: Page, catalog: Catalog) -> Numbers:
    """Distinct catalog indices on a page."""
    ids = (entity for row in page.rows for entity in row.entity_ids)
    return np.unique(np.array(catalog.indices(ids), np.int64))


def _is_new(catalog: Catalog, titles: Numbers, at: float) -> NDArray[np.bool_]:
    released = catalog.released_at[titles]
    with np.errstate(invalid="ignore"):
        found: NDArray[np.bool_] = (released <= at) & (released >= at - NEW_WITHIN_S)
    return found
