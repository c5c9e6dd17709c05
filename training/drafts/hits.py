"""How often a draft head foretells right, beside the scores of the place that it starts from.

Judged over the whole catalog: of all that a decision was between, the best by the head is what was
decided, or it is not.

Shape legend: P pairs of a chain and a decision that it foretells, D decisions of a page, R rows and
E entities of the catalog.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from model.drafts import DraftHead
from training.drafts.chains import Chains
from training.drafts.decided import DecidedPage, FloatArray, Open
from training.drafts.fit import Vectors


@dataclass(frozen=True, slots=True)
class Rate:
    """Of the decisions of a kind, foretold from so far before: how many, and how many right.

    ``number`` 0 is a row's opening, n the n-th decision of titles in a row; ``by_scores`` are
    those that the scores of the place where the chain starts would have given.
    """

    number: int
    depth: int
    count: int
    right: int
    by_scores: int


@dataclass(frozen=True, slots=True)
class Hits:
    """Rates of some pages, by kind and depth."""

    pages: int
    rates: tuple[Rate, ...]

    def rate(self, number: int | None = None, depth: int | None = None) -> tuple[float, float]:
        """The share that the head foretold, and that scores would have; NaN of none.

        Of all kinds and depths where none is named.
        """
        mine = [
            rate
            for rate in self.rates
            if number in (None, rate.number) and depth in (None, rate.depth)
        ]
        count = sum(rate.count for rate in mine) or float("nan")
        return sum(r.right for r in mine) / count, sum(r.by_scores for r in mine) / count

    @property
    def numbers(self) -> tuple[int, ...]:
        """The kinds that there are."""
        return tuple(sorted({rate.number for rate in self.rates}))


@torch.inference_mode()
def judged(
    head: DraftHead,
    pages: Sequence[tuple[DecidedPage, Iterable[Open]]],
    vectors: Vectors,
    depth: int,
) -> Hits:
    """What the head foretells of pages, each beside what its decisions were between."""
    head.eval()
    device = vectors.inputs.device
    sought = head.sought(vectors.outputs)  # (R + E, K)
    counted: dict[tuple[int, int], list[int]] = {}
    for page, between in pages:
        chains = Chains.of([page], depth)
        hidden = torch.from_numpy(page.hidden).to(device)
        heard = head.heard(vectors.inputs[torch.from_numpy(page.items).long().to(device)])
        states = chains.states(head, hidden, heard)
        starts = chains.begins[chains.chain]
        for decision, choice in enumerate(between):
            mine = (chains.decision == decision).nonzero()[:, 0]
            if not len(mine):
                continue
            right, by_scores = (
                _best(told @ table.T, choice) == page.decided[decision]
                for told, table in (
                    (states[mine], sought),
                    (hidden[starts[mine]], vectors.outputs),
                )
            )
            for place, far in enumerate(chains.depth[mine].tolist()):
                sums = counted.setdefault((int(page.number[decision]), far), [0, 0, 0])
                sums[0] += 1
                sums[1] += int(right[place])
                sums[2] += int(by_scores[place])
    rates = tuple(Rate(*kind, *sums) for kind, sums in sorted(counted.items()))
    return Hits(len(pages), rates)


def _best(scores: torch.Tensor, choice: Open) -> FloatArray:
    """(P,) the best of what may come, by scores (P, R + E); ties by the lower index."""
    found: FloatArray = choice.items[
        (scores.cpu().numpy()[:, choice.items] + choice.added).argmax(axis=1)
    ]
    return found
