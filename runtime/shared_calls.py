"""One call of a trunk or a head for all pages that share it, and whose fault a failure is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from genpage.errors import GenPageError, UnavailableError
from runtime.arrays import FloatArray
from runtime.live import LiveJob
from runtime.scheduler import Work

# Monotonic seconds.
Clock = Callable[[], float]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """A page whose sequence is fed, with the hidden states (n, width) behind its last tokens."""

    page: LiveJob
    hidden: FloatArray


class SharedCalls:
    """Calls what pages bring along. One owner.

    Pages that a call fails for are told to ``fail``. ``seconds`` sums up what calls took; it is the
    owner's to set back.
    """

    def __init__(self, clock: Clock, fail: Callable[[LiveJob, GenPageError], None]) -> None:
        self._clock, self._fail = clock, fail
        self.seconds = 0.0

    def forward(self, work: list[Work]) -> Iterator[tuple[Work, FloatArray]]:
        """Feed the trunks, one call each: work that is done, with its hidden states."""
        for share in _grouped(work, lambda item: item.page.job.model.backend):
            yield from self._forward(share)

    def _forward(self, share: list[Work]) -> Iterator[tuple[Work, FloatArray]]:
        backend = share[0].page.job.model.backend
        began = self._clock()
        try:
            states = backend.forward([item.chunk for item in share])
        except Exception as error:  # noqa: BLE001 - a backend may raise anything
            if len(share) == 1:
                self._fail(share[0].page, typed(error, _model_failed()))
                return
            # A chunk may be run again; alone, each page shows whether it is the cause.
            for item in share:
                yield from self._forward([item])
            return
        self.seconds += self._clock() - began
        yield from zip(share, states, strict=True)

    def score(self, scored: list[Scored]) -> Iterator[tuple[Scored, FloatArray, float]]:
        """Call the heads: each page's states with their scores (n, R + E), and since when."""
        for share in _grouped(scored, lambda item: item.page.job.head):
            head = share[0].page.job.head
            began = self._clock()
            try:
                scores = head.scores(_stacked([item.hidden for item in share]))
            except Exception as error:  # noqa: BLE001 - a head may raise anything
                for item in share:
                    self._fail(item.page, typed(error, _model_failed()))
                continue
            now = self._clock()
            self.seconds += now - began
            first = 0
            for item in share:
                end = first + len(item.hidden)
                yield item, scores[first:end], now
                first = end


def typed(error: Exception, otherwise: GenPageError) -> GenPageError:
    """What a client is told of an error: itself where it is meant for one, else ``otherwise``."""
    if isinstance(error, GenPageError):
        return error
    otherwise.__cause__ = error
    return otherwise


def _grouped(items: list[T], key: Callable[[T], object]) -> list[list[T]]:
    """The items by the identity of their key, in order of first appearance."""
    if len(items) == 1:
        return [items]
    groups: dict[int, list[T]] = {}
    for item in items:
        groups.setdefault(id(key(item)), []).append(item)
    return list(groups.values())


def _stacked(states: list[FloatArray]) -> FloatArray:
    """Hidden states (n, width) each, as one array."""
    return states[0] if len(states) == 1 else np.concatenate(states)


def _model_failed() -> GenPageError:
    return UnavailableError("the model failed while this page was generated; try again.")
