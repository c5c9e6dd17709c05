"""Questions and daily updates on a small service: what is asked, and that no day sees the next."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dataset.day import day_start
from dataset.folder import DataFolder
from evaluation.checkpoint_scorer import CheckpointScorer
from evaluation.daily import DailyRanker
from evaluation.freshness import freshness
from evaluation.scorer import Question
from evaluation.source import Period, Source
from evaluation.targets import targets_between
from genpage.errors import DatasetError, UsageError
from genpage.injection import Injection
from genpage.rules import Rules
from genpage.sources import Sources
from genpage.trends import SIGNAL_HALF_LIVES_S, Trends
from model.checkpoint import Checkpoint
from model.drafts import DRAFTS
from tokenizer.prompt import PromptEncoder
from tokenizer.signals import FloatArray
from training.asking import question_logits
from training.cadence import Cadence
from training.pages import Pages
from training.pretrain import Pretraining
from training.questions import TICK_S, Moments, QuestionBatch, QuestionStream, title_places
from training.start import fresh_checkpoint
from training.timeline import Timeline
from training.together import Together
from training.updates import Updates

DAYS = ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04")
CADENCE = Cadence(lr=3e-3, questions=64, past=0.5, past_days=2, pages=0)


@pytest.fixture(scope="module")
def parent(folder: DataFolder) -> Checkpoint:
    """A micro model after the first two days."""
    fresh = fresh_checkpoint(
        folder.catalog(), "micro", rules=Rules.default(), seed=0, history_tokens=128
    )
    updates = Updates(folder, fresh)
    updates.pass_over(DAYS[0], DAYS[2], replace(CADENCE, passes=12), lambda _share, _nats: None)
    return updates.checkpoint()


class Asking:
    """A stream of questions over the service, with what it was made of."""

    def __init__(self, folder: DataFolder, checkpoint: Checkpoint) -> None:
        vocabulary, catalog = checkpoint.vocabulary, folder.catalog()
        self.timeline = Timeline.read(folder, catalog, vocabulary)
        self.together = Together.of(self.timeline.histories, vocabulary, catalog)
        self.place = title_places([item.noun for item in vocabulary.items], vocabulary.size)
        self.moments = Moments.of(self.timeline, self.together, self.place)
        self.moments.newest = day_start(DAYS[3])
        self.encoder = PromptEncoder(vocabulary, history_tokens=checkpoint.history_tokens)
        self.stream = QuestionStream(
            self.timeline, self.encoder, self.moments, vocabulary.fallbacks(), self.place
        )


def test_every_new_title_is_asked_for_once(folder: DataFolder, parent: Checkpoint) -> None:
    """The questions are the first times of known titles, of members who had something before."""
    since, until = day_start(DAYS[1]), day_start(DAYS[3])
    asked = Asking(folder, parent).stream.between(since, until)
    histories = Asking(folder, parent).timeline.histories
    events = folder.events().iter_rows(named=True)
    had: dict[str, set[str]] = {}
    anybody: dict[str, float] = {}
    expected = []
    for event in events:
        user, entity, ts = event["user_id"], event["entity_id"], event["ts"]
        mine = had.setdefault(user, set())
        known = anybody.get(entity, ts) < ts
        if since <= ts < until and mine and entity not in mine and known:
            expected.append((user, ts))
        mine.add(entity)
        anybody.setdefault(entity, ts)
    users = {m: user for user, m in histories.members.items()}
    found = []
    for each in asked:
        member = int(np.searchsorted(histories.offsets, each.first, side="right")) - 1
        found += [(users[member], float(histories.ts[event])) for event in each.events]
    assert sorted(found) == sorted(expected)
    assert len(found) > 40


def test_training_and_evaluation_ask_the_same(folder: DataFolder, parent: Checkpoint) -> None:
    """The logits that are trained are the scores that evaluation reads, for the same moment."""
    asking = Asking(folder, parent)
    chosen = asking.stream.between(day_start(DAYS[2]), day_start(DAYS[3]))[:6]
    # Evaluation asks behind the last event alone: so does this.
    last = [replace(e, positions=e.positions[-1:], events=e.events[-1:]) for e in chosen]
    batch = asking.stream.batch(last, None)
    entities = torch.from_numpy(np.flatnonzero(asking.place >= 0))
    with torch.inference_mode():
        trained = question_logits(parent.network(), batch, entities).numpy()
    catalog, histories = folder.catalog(), asking.timeline.histories
    members = list(histories.members)
    places = asking.place[parent.vocabulary.item_tokens(catalog)[1]]
    for line, each in zip(trained, last, strict=True):
        event = int(each.events[0])
        at = float(histories.ts[event])
        member = int(np.searchsorted(histories.offsets, each.first, side="right")) - 1
        paces = paces_at(asking, at)[:, places]
        checkpoint = replace(parent, signals=asking.moments.lists(at))
        scorer = CheckpointScorer(checkpoint, catalog)
        prompt = histories.prompt(
            scorer.encoder,
            member,
            event - each.first,
            at=at,
            device="web",
            profile=asking.timeline.profiles[members[member]],
            injection=Injection(trending=("e1",)),
        )
        scores = scorer.scores([Question(prompt, Trends(paces[1], paces))])[0]
        open_ = np.isfinite(line[places])
        assert 5 < open_.sum() < len(open_)
        assert np.allclose(line[places][open_], scores[open_], atol=2e-3)


def paces_at(asking: Asking, at: float) -> FloatArray:
    """(H, known titles) the counts at the last tick, one event at a time."""
    tick = np.floor(at / TICK_S) * TICK_S
    counts = np.zeros((len(SIGNAL_HALF_LIVES_S), int(asking.place.max()) + 1), np.float32)
    histories = asking.timeline.histories
    for token, ts in zip(histories.entity.tolist(), histories.ts.tolist(), strict=True):
        if ts < tick and asking.place[token] >= 0:
            for line, half_life in zip(counts, SIGNAL_HALF_LIVES_S, strict=True):
                line[asking.place[token]] += 0.5 ** ((tick - ts) / half_life)
    return counts


def test_a_source_can_be_switched_off(folder: DataFolder, parent: Checkpoint) -> None:
    """Without a source its gates get no gradient and the logits change."""
    asking = Asking(folder, parent)
    asked = asking.stream.between(day_start(DAYS[2]), day_start(DAYS[3]))
    batch = asking.stream.batch(asked, None)
    entities = torch.from_numpy(np.flatnonzero(asking.place >= 0))
    whole = question_logits(parent.network(), batch, entities)
    for source, off in (("trending", slice(0, 10)), ("together", slice(10, 14))):
        network = replace(parent, sources=Sources.without([source])).network()
        network.zero_grad()
        logits = question_logits(network, batch, entities)
        assert not torch.allclose(logits, whole, atol=1e-2)
        logits.gather(1, batch.places[:, None]).sum().backward()  # type: ignore[no-untyped-call]
        gradient = network.signals.bias.grad
        assert gradient is not None
        assert (gradient[off] == 0).all()
        assert gradient.abs().sum() > 0


def test_a_day_is_judged_then_learnt(folder: DataFolder, parent: Checkpoint) -> None:
    """The same parent, day and seed give the same weights; a day that was seen is refused."""
    one, two = Updates(folder, parent, seed=1), Updates(folder, parent, seed=1)
    update = one.day(DAYS[2], CADENCE)
    assert two.day(DAYS[2], CADENCE).before == update.before
    assert update.before is not None
    assert update.before.questions > 10
    assert update.questions > update.before.questions  # a sample of the past stands beside
    first, second = one.checkpoint(), two.checkpoint()
    for name, weight in first.weights.items():
        assert torch.equal(weight, second.weights[name]), name
        assert name.endswith("content") or weight.shape == parent.weights[name].shape
    assert not torch.equal(first.weights["outputs.ids"], parent.weights["outputs.ids"])
    assert first.lineage.parent == parent.lineage.version
    assert first.lineage.trained_on is not None
    assert first.lineage.trained_on.interval == f"{DAYS[0]}/{DAYS[3]}"
    assert one.until == DAYS[3]
    with pytest.raises(UsageError, match="has not seen"):
        one.day(DAYS[2], CADENCE)


def test_a_model_that_tells_no_title_from_another_hits_none(
    folder: DataFolder, parent: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ties share their middle rank, as in `evaluate next-item`: a constant is no perfect ranker."""

    def all_alike(_network: object, batch: QuestionBatch, entities: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(batch.places), len(entities))

    monkeypatch.setattr("training.updates.question_logits", all_alike)
    found = Updates(folder, parent).judged(DAYS[2])
    assert found.questions > 10
    assert len(folder.catalog().entities) > 20
    assert (found.hr10, found.ndcg10) == (0.0, 0.0)


def test_learning_asks_better(folder: DataFolder, parent: Checkpoint) -> None:
    """Members keep to a genre: a model that learnt it beats one that did not."""
    fresh = fresh_checkpoint(
        folder.catalog(), "micro", rules=Rules.default(), seed=0, history_tokens=128
    )
    fresh = replace(fresh, lineage=parent.lineage)
    learnt = Updates(folder, parent).day(DAYS[2], CADENCE).before
    blank = Updates(folder, fresh).day(DAYS[2], CADENCE).before
    assert learnt is not None
    assert blank is not None
    assert learnt.nats is not None
    assert blank.nats is not None
    assert learnt.nats < blank.nats - 0.2


def test_an_unseen_title_starts_from_its_fallback(folder: DataFolder, parent: Checkpoint) -> None:
    """A title that nobody had yet wears its kind's ID, whatever its own was before."""
    vocabulary = parent.vocabulary
    had = set(folder.events(last=DAYS[1])["entity_id"])
    unseen = [e.id for e in folder.catalog().entities if e.id not in had]
    tokens = [vocabulary.entity(entity_id) for entity_id in unseen]
    fallback = vocabulary.symbol("unseen:film")
    network = Updates(folder, parent).network
    for table in (network.inputs, network.outputs):
        assert (table.ids[tokens] == table.ids[fallback]).all()
        assert not torch.equal(table.ids[vocabulary.entity(next(iter(had)))], table.ids[fallback])


@pytest.mark.parametrize("kept", [2, 3])
def test_no_day_sees_the_next(
    folder: DataFolder, parent: Checkpoint, tmp_path: Path, kept: int
) -> None:
    """Ranks up to a day are the same whatever happens after it, though the model learns daily."""
    shorter = _until(folder, tmp_path / "shorter", kept + 1)
    last = day_start(DAYS[kept]) + 86_400.0
    ranks = []
    for data in (folder, shorter):
        period = Period.of(data, DAYS[2], None)
        source = Source.read(data, period.last)
        targets = targets_between(source.log, period.start, period.end)
        own = [targets.own(n) for n in range(len(targets))]
        ranker = DailyRanker(Updates(data, parent), period, CADENCE)
        found = ranker(source, targets, own, lambda _: None)
        ranks.append(found[targets.ts < last])
    assert len(ranks[0]) > 5
    assert np.array_equal(ranks[0], ranks[1])


def _until(folder: DataFolder, out: Path, days: int) -> DataFolder:
    from dataset.write import new_folder  # noqa: PLC0415

    catalog = folder.catalog()
    with new_folder(out) as writer:
        writer.entities(list(catalog.entities))
        writer.rows(list(catalog.rows))
        writer.profiles(folder.profiles())
        for day in DAYS[:days]:
            writer.events(day, folder.events(day, day))
            writer.impressions(day, folder.impressions(day, day))
    return DataFolder(out)


def test_a_draft_head_goes_along(folder: DataFolder, parent: Checkpoint) -> None:
    """A daily checkpoint has its parent's draft head, and nothing else that lay beside it."""
    beside = {DRAFTS: b"a head", "metrics.jsonl": b"{}"}
    updates = Updates(folder, replace(parent, extra=beside))
    assert updates.checkpoint().extra == {DRAFTS: b"a head"}
    assert not Updates(folder, parent).checkpoint().extra


def test_freshness_judges_both_before_learning(folder: DataFolder, parent: Checkpoint) -> None:
    """On the first day both are the parent; the stale one stays it, the fresh one learns."""
    fresh, stale = Updates(folder, parent), Updates(folder, parent)
    days = list(freshness(fresh, stale, "2026-01-05", CADENCE))
    assert [(day.day, day.age) for day in days] == [(DAYS[2], 1), (DAYS[3], 2)]
    assert days[0].fresh == days[0].stale
    assert days[1].fresh != days[1].stale
    assert days[1].stale == Updates(folder, parent).judged(DAYS[3])
    assert set(days[0].older) == {1, 7, 14}
    assert days[0].older[1].questions > 0
    assert days[0].older[7].questions == 0
    with pytest.raises(UsageError, match="same day"):
        next(freshness(fresh, stale, "2026-01-06", CADENCE))


def test_days_without_a_question_are_no_pass(folder: DataFolder, parent: Checkpoint) -> None:
    """A pass over nothing would write the parent under a new name."""
    with pytest.raises(DatasetError, match="nothing to train on"):
        Updates(folder, parent).pass_over(
            "2025-01-01", "2025-02-01", CADENCE, lambda _share, _nats: None
        )


def test_a_model_of_no_day_has_no_next_one(folder: DataFolder) -> None:
    """Its first day is nobody's guess."""
    fresh = fresh_checkpoint(folder.catalog(), "micro", rules=Rules.default(), seed=0)
    with pytest.raises(UsageError, match="trained on no day"):
        _ = Updates(folder, fresh).until


def test_a_batch_of_pages_has_as_many_tokens_as_told(
    folder: DataFolder, parent: Checkpoint
) -> None:
    """One batch of pages is taken: the fewer tokens it has, the fewer pages."""
    taken = [
        Updates(folder, parent, Pretraining())
        .day(DAYS[2], replace(CADENCE, pages=1, page_tokens=tokens), judge=False)
        .pages
        for tokens in (256, 2048)
    ]
    assert 0 < taken[0] < taken[1]


def test_what_a_day_prepared_is_forgotten_after_it(folder: DataFolder, parent: Checkpoint) -> None:
    """Counts of all titles for each page's moment are not kept for a month of days."""
    updates = Updates(folder, parent, Pretraining())
    timeline, moment = updates._timeline, day_start(DAYS[2]) + 100.0
    timeline.learn_injections(np.array([moment, moment + 2 * 86_400.0]))
    assert timeline.paces(moment) is not None
    updates.day(DAYS[2], replace(CADENCE, pages=4), judge=False)
    assert timeline.paces(moment) is None
    assert timeline.paces(moment + 2 * 86_400.0) is not None


def test_pages_of_the_past_stand_beside_the_newest(folder: DataFolder, parent: Checkpoint) -> None:
    """As many as the cadence has it, all before the day's end; without a share of it, none.

    Four are asked for, and a batch of 512 tokens may hold four more.
    """
    beside = Updates(folder, parent, Pretraining())._beside
    assert beside is not None
    whole, until = day_start(DAYS[2]), day_start(DAYS[3])
    counts = {}
    for past in (0.0, 0.5, 100.0):
        cadence = replace(CADENCE, pages=4, past=past, page_tokens=512)
        stream = beside.mixed(whole, until, cadence, (1, 2))
        assert stream is not None
        again = beside.mixed(whole, until, cadence, (1, 2))
        assert again is not None
        ts, pages = stream.builder._pages.ts, stream.builder._pages.page_ids
        assert pages == again.builder._pages.page_ids
        assert len(set(pages)) == len(pages)
        assert (ts < until).all()
        assert (ts >= day_start(DAYS[0])).all()  # of `past_days` before
        counts[past] = ((ts >= whole).sum(), (ts < whole).sum())
    both = len(Pages.read(folder, parent.vocabulary, DAYS[:2], None, until=until))
    assert counts == {0.0: (8, 0), 0.5: (6, 3), 100.0: (1, both)}


def test_a_day_that_takes_a_few_pages_reads_a_few(
    folder: DataFolder, parent: Checkpoint, looked: list[int]
) -> None:
    """As many as are trained on and fill the last batch: a day of a service has a million."""
    cadence = replace(CADENCE, pages=4, page_tokens=256)
    update = Updates(folder, parent, Pretraining()).day(DAYS[2], cadence, judge=False)
    assert update.pages >= 4
    assert looked == [4, 2]  # of the day, and of one before it
    looked.clear()
    whole = Updates(folder, parent, Pretraining())
    assert whole.pass_over(DAYS[0], DAYS[2], cadence, lambda _share, _nats: None).pages >= 4
    assert looked == [6]


def test_what_past_pages_say_is_learnt(
    folder: DataFolder, parent: Checkpoint, tmp_path: Path
) -> None:
    """The same questions with other pages the days before: other weights, if the past is asked."""
    other = _until(folder, tmp_path / "other", 4)
    for day in DAYS[:2]:
        (other.path / "impressions" / f"{day}.parquet").unlink()
    changed = []
    for past in (0.0, 0.5):
        cadence = replace(CADENCE, pages=30, page_tokens=1024, past=past)
        weights = []
        for data in (folder, DataFolder(other.path)):
            updates = Updates(data, parent, Pretraining())
            updates.day(DAYS[2], cadence, judge=False)
            weights.append(updates.network.outputs.ids.detach())
        changed.append(not torch.equal(*weights))
    assert changed == [False, True]
