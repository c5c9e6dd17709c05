"""The prompt before each event that is asked about: everything strictly earlier is known."""

from collections.abc import Iterator

import numpy as np

from evaluation.scorer import Question
from evaluation.source import Source
from evaluation.targets import Targets
from genpage.injection import inject
from genpage.trends import TrendCounter
from tokenizer.history import Histories
from tokenizer.prompt import PromptEncoder
from tokenizer.vocabulary import Vocabulary


def histories_of(source: Source, vocabulary: Vocabulary) -> Histories:
    """All members' events in columns, over a vocabulary."""
    log = source.log
    return Histories.of(
        vocabulary,
        [log.user_ids[user] for user in log.user.tolist()],
        [log.entity_ids[entity] for entity in log.entity.tolist()],
        source.actions,
        log.ts,
        source.durations,
    )


def prompts(
    source: Source, targets: Targets, encoder: PromptEncoder, histories: Histories | None = None
) -> Iterator[Question]:
    """A question for each target, in time order.

    What is trending comes from the events strictly before, as the request at that moment would
    have had it; the device, which the events do not tell, is the default one. ``histories`` are
    those of the encoder's vocabulary, where somebody has them already.
    """
    log = source.log
    if histories is None:
        histories = histories_of(source, encoder.vocabulary)
    found = [source.catalog.entity_index(entity) for entity in log.entity_ids]
    indices = np.array([-1 if index is None else index for index in found], np.int32)
    counter, counted = TrendCounter(source.catalog), 0
    for event, earlier in zip(targets.event.tolist(), targets.earlier.tolist(), strict=True):
        at, user_id = float(log.ts[event]), log.user_ids[int(log.user[event])]
        known = int(np.searchsorted(log.ts, at, side="left"))
        fresh = indices[log.entity[counted:known]]
        counter.add_all(fresh[fresh >= 0], log.ts[counted:known][fresh >= 0])
        counted = max(counted, known)
        trends = counter.snapshot()
        prompt = histories.prompt(
            encoder,
            histories.member(user_id),
            earlier,
            at=at,
            device="web",
            profile=source.profiles.get(user_id),
            injection=inject(source.catalog, trends, at),
        )
        yield Question(prompt, trends)
