"""The study of context: what is added, and what of the loss is whose."""

import math
from itertools import pairwise

import numpy as np
import pytest

from evaluation.intervals import ratio_of
from evaluation.page_metrics import Places, wbc_loss
from evaluation.studies.context import Losses, variants
from genpage.sources import EVERYTHING, SOURCES


def test_sources_are_added_one_by_one() -> None:
    """From none to all, none taken back, each checkpoint of a name of its own."""
    every = variants()
    assert every[0].sources.off == SOURCES
    assert every[-1].sources == EVERYTHING
    for before, after in pairwise(every):
        assert set(after.sources.off) < set(before.sources.off)
    assert len({read.step for read in every}) == len({read.name for read in every}) == len(every)


def test_losses_by_hand() -> None:
    """A page's nats and weights, by page; told again they are the same."""
    places = Places(
        score=np.array([2.0, -1.0, 0.5]),
        reward=np.array([3.0, -0.5, 1.0]),
        page=np.array([0, 0, 2]),
        member=np.array([7, 7, 8]),
    )
    found = Losses.of(places, np.array([7, 7, 8]))
    expected = [
        3.0 * math.log1p(math.exp(-2.0)) + 0.5 * math.log1p(math.exp(-1.0)),
        0.0,
        math.log1p(math.exp(-0.5)),
    ]
    assert found.nats.tolist() == pytest.approx(expected)
    assert found.weight.tolist() == [3.5, 0.0, 1.0]
    again = Losses.told(found.figures())
    for name in ("nats", "weight", "member"):
        assert np.array_equal(getattr(again, name), getattr(found, name))
    total = ratio_of(found.nats, found.weight, found.member)
    assert total.value == pytest.approx(wbc_loss(places, unrewarded=0.0).value)
