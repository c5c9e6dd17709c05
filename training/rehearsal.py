"""What a pass over questions takes beside the newest days, and in which order; all of it seeded."""

from collections.abc import Iterator

import numpy as np

from genpage.catalog import SECONDS_A_DAY
from training.questions import Asked, QuestionStream, groups


def of_the_past(
    stream: QuestionStream, until: float, wanted: float, days: int, seed: tuple[int, ...]
) -> list[Asked]:
    """Histories of some of the ``days`` before ``until``: ``wanted`` questions, or all of them."""
    chance = np.random.default_rng((*seed, 3))
    chosen: list[Asked] = []
    for ago in 1 + chance.permutation(days):
        if wanted <= 0:
            break
        day = until - int(ago) * SECONDS_A_DAY
        earlier = stream.between(day, day + SECONDS_A_DAY)
        for place in chance.permutation(len(earlier)).tolist():
            if wanted > 0:
                chosen.append(earlier[place])
                wanted -= len(earlier[place].events)
    return chosen


def batches(
    asked: list[Asked], passes: int, questions: int, seed: tuple[int, ...]
) -> Iterator[list[Asked]]:
    """What makes each batch of all passes, every one in an order of its own."""
    for number in range(passes):
        order = np.random.default_rng((*seed, 2, number)).permutation(len(asked))
        yield from groups([asked[place] for place in order.tolist()], questions)
