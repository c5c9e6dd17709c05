"""A bundle's trial makes room for members' pages."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest

from rollout import probe
from rollout.probe import Prober

if TYPE_CHECKING:
    from runtime.worker import Worker


@dataclass(slots=True)
class _Worker:
    """Has pages open until it was asked so many times."""

    asked_until: float
    asked: int = 0

    @property
    def open(self) -> int:
        self.asked += 1
        return 1 if self.asked <= self.asked_until else 0


def _prober(worker: _Worker) -> Prober:
    return Prober(cast("Worker", worker))


async def test_a_piece_of_a_trial_waits_for_the_pages_that_are_being_made() -> None:
    """It looks again until there is none."""
    worker = _Worker(asked_until=3)
    await _prober(worker).lull()
    assert worker.asked == 4


async def test_it_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is always a page the trial goes on beside it."""
    monkeypatch.setattr(probe, "_LULL_S", 0.03)
    worker, begun = _Worker(asked_until=float("inf")), time.monotonic()
    await _prober(worker).lull()
    assert 0.03 <= time.monotonic() - begun < 1.0
