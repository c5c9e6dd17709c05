"""The prompt before each event that is asked about: everything strictly earlier is known."""

from collections.abc import Iterator

from evaluation.scorer import Question
from evaluation.source import Source
from evaluation.targets import Targets
from genpage.injection import inject
from genpage.trends import TrendCounter
from tokenizer.history import Histories
from tokenizer.prompt import PromptEncoder


def prompts(source: Source, targets: Targets, encoder: PromptEncoder) -> Iterator[Question]:
    """A question for each target, in time order.

    What is trending comes from the events strictly before, as the request at that moment would
    have had it; the device, which the events do not tell, is the default one.
    """
    log = source.log
    user_ids = [log.user_ids[user] for user in log.user.tolist()]
    entity_ids = [log.entity_ids[entity] for entity in log.entity.tolist()]
    histories = Histories.of(
        encoder.vocabulary, user_ids, entity_ids, source.actions, log.ts, source.durations
    )
    counter, counted, times = TrendCounter(source.catalog), 0, log.ts.tolist()
    for event, earlier in zip(targets.event.tolist(), targets.earlier.tolist(), strict=True):
        at, user_id = times[event], user_ids[event]
        while times[counted] < at:
            counter.add(entity_ids[counted], times[counted])
            counted += 1
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
