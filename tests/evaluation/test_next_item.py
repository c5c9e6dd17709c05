"""The rolling evaluation end to end, with scorers that need no model."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest

from evaluation.next_item import batches, model_ranks, next_item, steps
from evaluation.prompts import prompts
from evaluation.scorer import Question, Scores
from evaluation.source import Source
from evaluation.targets import targets_between
from genpage.catalog import Catalog
from genpage.context import Context, apply_event
from genpage.errors import ArtefactError, DatasetError
from genpage.event import Event
from genpage.injection import inject
from genpage.request import PageRequest
from genpage.trends import TrendCounter, Trends
from tokenizer.prompt import Prompt, PromptEncoder, Segment
from tokenizer.vocabulary import IntArray, Vocabulary

from .conftest import MakeLog, MakeSource

START, END = 100 * 3600.0, 500 * 3600.0


class Oracle:
    """Scores by what it finds at the end of a prompt: a known function of each prompt alone."""

    def __init__(self, catalog: Catalog, *, broken: bool = False) -> None:
        self.catalog = catalog
        self.encoder = PromptEncoder(
            Vocabulary().grown(catalog), history_tokens=32, history_block=4
        )
        self.broken = broken

    def scores(self, questions: Sequence[Question]) -> Scores:
        """Pseudo-random scores by a digest of the tokens."""
        found = np.stack([self.of(each.tokens) for each in questions])
        return np.full_like(found, np.nan) if self.broken else found

    def of(self, prompt: IntArray) -> Scores:
        """The scores after one prompt, with ties."""
        seed = int.from_bytes(hashlib.sha256(prompt.tobytes()).digest()[:8])
        generator = np.random.default_rng(seed)
        return generator.integers(0, 12, len(self.catalog.entities)).astype(np.float32)


def test_twin_of_the_protocols_words(make_log: MakeLog, make_source: MakeSource) -> None:
    """Ranks from batches are those of one plain request after another."""
    log = make_log(seed=1)
    source, targets = make_source(log), targets_between(log, START, END)
    oracle = Oracle(source.catalog)
    told: list[int] = []
    found = next_item(source, targets, oracle, progress=told.append)
    assert sum(told) == steps(targets, with_model=True)
    hits = [naive_rank(source, oracle, int(event)) <= 10 for event in targets.event]
    assert found.model is not None
    assert found.model.overall.means is not None
    assert 0 < sum(hits) < len(hits)
    assert found.model.overall.means[0] == pytest.approx(np.mean(hits))
    assert set(found.baselines) == {"popularity", "trending_7d", "trending_decay"}


def naive_rank(source: Source, oracle: Oracle, event: int) -> float:
    """The rank of an event's entity through a context, a request and a sorted list."""
    log, catalog = source.log, source.catalog
    user, entity, at = int(log.user[event]), int(log.entity[event]), float(log.ts[event])
    prompt = naive_prompt(source, oracle.encoder, event)
    scores = oracle.of(prompt)
    before = [n for n in range(len(log.ts)) if log.ts[n] < at]
    seen = {int(log.entity[n]) for n in before}
    own = {int(log.entity[n]) for n in before if log.user[n] == user}
    column = {e: catalog.entity_index(log.entity_ids[e]) for e in seen - own}
    values = sorted((float(scores[c or 0]) for c in column.values()), reverse=True)
    mine = float(scores[column[entity] or 0])
    return float(np.mean([place for place, value in enumerate(values, 1) if value == mine]))


def naive_prompt(source: Source, encoder: PromptEncoder, event: int) -> IntArray:
    """The prompt by the request encoder from folded events, up to ``<next>``."""
    log = source.log
    user, at = int(log.user[event]), float(log.ts[event])
    context, counter = Context(log.user_ids[user]), TrendCounter(source.catalog)
    last = None
    for n in range(len(log.ts)):
        if log.ts[n] >= at:
            break
        id_ = log.entity_ids[int(log.entity[n])]
        counter.add(id_, float(log.ts[n]))
        if log.user[n] == user:
            last = float(log.ts[n])
            context = apply_event(context, Event(f"v{n}", context.user_id, id_, "play", last))
    assert last is not None
    injection = inject(source.catalog, counter.snapshot(), at)
    prompt = encoder.encode(context, PageRequest(context.user_id, at), injection)
    return prompt.tokens[: prompt.next_position + 1]


def test_prompts_know_what_was_strictly_before(make_log: MakeLog, make_source: MakeSource) -> None:
    """Each prompt is what the request encoder gives with later and simultaneous events unseen."""
    log = make_log(seed=2)
    source, targets = make_source(log), targets_between(log, START, END)
    encoder = Oracle(source.catalog).encoder
    for asked, event in zip(prompts(source, targets, encoder), targets.event, strict=True):
        assert np.array_equal(asked.tokens, naive_prompt(source, encoder, int(event)))


def test_an_entity_without_description_comes_last(
    make_log: MakeLog, make_source: MakeSource
) -> None:
    """What the catalog lacks cannot be recommended and counts as ranked behind all others."""
    log = make_log(seed=3)
    whole, targets = make_source(log), targets_between(log, START, END)
    missing = log.entity_ids[int(targets.entity[0])]
    left = [entity for entity in whole.catalog.entities if entity.id != missing]
    smaller = Catalog.build(left, whole.catalog.rows)
    source = Source(log, whole.actions, whole.durations, smaller, {})
    own = [targets.own(n) for n in range(len(targets))]
    ranks = model_ranks(Oracle(smaller), source, targets, own, lambda _: None)
    last = targets.pool - [len(had) for had in own]
    undescribed = targets.entity == targets.entity[0]
    assert np.array_equal(ranks[undescribed], last[undescribed])
    assert (ranks[~undescribed] < last[~undescribed]).any()


def test_baselines_need_no_model(make_log: MakeLog, make_source: MakeSource) -> None:
    """Without a scorer there are the baselines alone."""
    log = make_log()
    targets = targets_between(log, START, END)
    document = next_item(make_source(log), targets).document()
    assert document["model"] is None
    assert steps(targets, with_model=False) == 3 * len(targets)


def test_no_event_to_ask_about(make_log: MakeLog, make_source: MakeSource) -> None:
    """Empty days are refused with what to do."""
    log = make_log()
    with pytest.raises(DatasetError, match="--from and --to"):
        next_item(make_source(log), targets_between(log, 1e12, 2e12))


def test_broken_weights_are_refused(make_log: MakeLog, make_source: MakeSource) -> None:
    """A score that is no number is an error, not a rank."""
    log = make_log()
    source = make_source(log)
    oracle = Oracle(source.catalog, broken=True)
    with pytest.raises(ArtefactError, match="no number"):
        next_item(source, targets_between(log, START, END), oracle)


def test_batches_are_bounded_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every question stands in one batch, in order, within both bounds; one too long goes alone."""
    monkeypatch.setattr("evaluation.next_item.BATCH_TOKENS", 100)
    monkeypatch.setattr("evaluation.next_item.BATCH_PROMPTS", 4)
    lengths = [30, 250, 10, 10, 10, 10, 10, 60, 41]
    catalog = Catalog.build([], [])
    questions = [
        Question(
            Prompt(np.zeros(length + 1, np.int32), 0.0, (Segment("next", length - 1, length),)),
            Trends.none(catalog),
        )
        for length in lengths
    ]
    found = [[len(each.tokens) for each in batch] for batch in batches(questions)]
    assert found == [[30], [250], [10, 10, 10, 10], [10, 60], [41]]


def test_uplift_is_the_ratio_of_hits(make_log: MakeLog, make_source: MakeSource) -> None:
    """By what share the model is above a baseline is what its own figures say."""
    log = make_log(seed=1)
    source, targets = make_source(log), targets_between(log, START, END)
    found = next_item(source, targets, Oracle(source.catalog))
    assert found.model is not None
    assert found.model.rested.means is not None
    for name, baseline in found.baselines.items():
        uplift = found.uplifts[name].rested[0]
        assert uplift is not None
        assert baseline.rested.means is not None
        expected = found.model.rested.means[0] / baseline.rested.means[0] - 1
        assert uplift.value == pytest.approx(expected)
        assert uplift.low < uplift.value < uplift.high
