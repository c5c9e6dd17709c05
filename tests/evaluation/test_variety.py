"""Diversity, coverage, novelty, fairness against plain counts."""

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.variety import Shown, distance, fairness, variety
from genpage.catalog import SECONDS_A_DAY, Catalog
from genpage.entity import Entity
from genpage.page import Page, PageRow
from genpage.row import Row

AT = 100 * SECONDS_A_DAY


def catalog() -> Catalog:
    """Ten films, the last two just released."""
    films = [
        Entity(f"e{i}", "film", f"Film {i}", released_at=AT - (1 if i > 7 else 50) * SECONDS_A_DAY)
        for i in range(10)
    ]
    return Catalog.build(films, [Row("all", "genre", "All")])


def shown(user: str, *ids: int) -> Shown:
    """A page of one row."""
    return Shown(Page((PageRow("all", tuple(f"e{i}" for i in ids)),)), user, AT)


def test_distance_is_over_all_pairs() -> None:
    """The mean of 1 - cosine, pair by pair."""
    vectors = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)

    def cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    pairs = [1 - cosine(a, b) for a, b in combinations(vectors, 2)]
    assert distance(vectors) == pytest.approx(np.mean(pairs), abs=1e-6)
    assert distance(vectors[[0, 0, 0]]) == pytest.approx(0.0, abs=1e-6)


def test_figures_by_hand() -> None:
    """New titles, coverage and novelty of two pages."""
    content = np.eye(10, dtype=np.float32)
    counts = np.arange(10.0)
    found = variety([shown("a", 0, 8), shown("b", 8, 9), shown("b")], catalog(), content, counts)
    assert found.coverage == 0.3
    assert found.new.value == pytest.approx((0.5 + 1.0) / 2)
    assert found.diversity.value == pytest.approx(1.0)
    bits = -np.log2((counts + 1) / (counts.sum() + 10))
    assert found.novelty.value == pytest.approx(
        ((bits[0] + bits[8]) / 2 + (bits[8] + bits[9]) / 2) / 2
    )


def test_fairness_is_the_gap_between_groups() -> None:
    """Members without a language are a group of their own."""
    found = fairness(np.array([1.0, 3.0, 5.0, 4.0]), ["en", "en", "pt", None], ["a", "b", "c", "d"])
    assert {name: e.value for name, e in found.groups.items()} == {
        "en": 2.0,
        "pt": 5.0,
        "unknown": 4.0,
    }
    assert found.gap == 3.0
