"""The signs that training learns from are those that serving will see, and losses reach them."""

import numpy as np
import pytest
import torch

from dataset.folder import DataFolder
from genpage.rules import Rules
from genpage.sources import EVERYTHING
from model.checkpoint import Checkpoint
from tokenizer.content import content_encoder
from tokenizer.crowd import crowding
from tokenizer.past import Past
from tokenizer.prompt import PromptEncoder
from tokenizer.signs import Moment, Signs, heard
from training.added import Added
from training.appeal import CandidateTitles
from training.batches import Batch, BatchStream
from training.candidates import Candidates
from training.examples import ExampleBuilder
from training.objective import Objective
from training.pages import Pages
from training.pretrain import Pretraining
from training.rewards.declaration import Rewards
from training.rewards.labels import RewardLabels
from training.start import fresh_checkpoint
from training.timeline import Timeline
from training.visits import PageSize, Visits
from training.wbc import WeightedClassification


@pytest.fixture(scope="module")
def start(timeline: Timeline) -> Checkpoint:
    """Random weights over the service."""
    return fresh_checkpoint(timeline.catalog, "micro", rules=Rules.default(), seed=1)


@pytest.fixture(scope="module")
def titles(timeline: Timeline, start: Checkpoint) -> CandidateTitles:
    """The service's, in the candidates' order."""
    candidates = Candidates.of(timeline.vocabulary, timeline.catalog, torch.device("cpu"))
    encoder = content_encoder(start.encoder)
    return CandidateTitles.of(timeline.catalog, timeline.vocabulary, candidates, encoder)


@pytest.fixture(scope="module")
def batch(folder: DataFolder, timeline: Timeline, pages: Pages, titles: CandidateTitles) -> Batch:
    """A few pages with rewards as weights, and signs."""
    labels = RewardLabels.read(folder, timeline.catalog, Rewards.default())
    read = Pages.read(folder, timeline.vocabulary, folder.days(), 4, labels=labels)
    timeline.learn_injections(np.concatenate([read.ts, pages.ts]))
    encoder = PromptEncoder(timeline.vocabulary)
    stream = BatchStream(
        ExampleBuilder(timeline, read, encoder, until=float("inf"), titles=titles.titles),
        np.zeros(len(read)),
        Candidates.of(timeline.vocabulary, timeline.catalog, torch.device("cpu")),
        timeline.vocabulary.fallbacks(),
        batch_tokens=900,
        seed=0,
        titles=titles,
    )
    return stream.after([0]).batch


def test_training_sees_the_signs_that_serving_will(
    folder: DataFolder, timeline: Timeline, pages: Pages, titles: CandidateTitles
) -> None:
    """From the columns of all histories, and from a member's context: the same numbers."""
    encoder = PromptEncoder(timeline.vocabulary)
    builder = ExampleBuilder(timeline, pages, encoder, until=float("inf"), titles=titles.titles)
    days = folder.days()
    catalog = timeline.catalog
    visits = Visits.read(folder, catalog, encoder, days, count=10_000, size=PageSize())
    by_page = {(visit.request.user_id, visit.request.at): visit for visit in visits.visits}
    engaged = 0
    for page in range(0, len(pages), max(1, len(pages) // 12)):
        found = builder.build(page, np.random.default_rng(0)).signs
        visit = by_page[pages.user_ids[page], float(pages.ts[page])]
        request, context = visit.request, visit.context
        past = Past.of(catalog, context.before(request.at))
        moment = Moment(request.at, request.device, context.profile, visit.trends.paces)
        expected = Signs.of(titles.titles, *heard(past, moment, EVERYTHING))
        assert found is not None
        # Counts are kept as half floats while training.
        assert found.titles == pytest.approx(expected.titles, abs=2e-2)
        assert found.wishes == pytest.approx(expected.wishes, abs=1e-5)
        assert found.asked == pytest.approx(expected.asked)
        engaged += len(past.entity)
    assert engaged


def test_a_batch_holds_the_signs_by_candidate(batch: Batch, titles: CandidateTitles) -> None:
    """One line a page, the catalog's titles at their candidates' places, rows with their titles."""
    assert batch.appeal is not None
    pages = len(batch.packing.lengths)
    assert batch.appeal.titles.shape == (pages, titles_of(titles), len(batch.candidates.entities))
    assert int(batch.entities.page.max()) == pages - 1
    assert batch.shown.shape[0] == len(batch.rows.positions)
    # The first title behind a row's token is the target after it.
    firsts = batch.shown[:, 0].tolist()
    after = dict(
        zip(batch.entities.positions.tolist(), batch.entities.places.tolist(), strict=True)
    )
    assert firsts == [after[position + 1] for position in batch.rows.positions.tolist()]


def titles_of(titles: CandidateTitles) -> int:
    """How many signs a title has."""
    moment = Moment(1e9, "tv", None, None)
    nothing = Past(np.zeros(0, int), np.zeros(0, int), np.zeros(0), np.zeros(0))
    return len(Signs.of(titles.titles, nothing, moment).titles)


@pytest.mark.parametrize(
    ("objective", "learns"),
    [
        (WeightedClassification(Rewards.default()), {"plain", "outer", "wish", "promise"}),
        (Pretraining(), {"plain", "outer", "wish"}),
    ],
    ids=["wbc", "pretraining"],
)
def test_losses_reach_the_appeal(
    batch: Batch, start: Checkpoint, objective: Objective, learns: set[str]
) -> None:
    """What is added has a slope in the loss; rows' promises are learnt by WBC alone."""
    network = start.network()
    with torch.no_grad():
        network.appeal.plain.fill_(0.01)
    loss = objective.loss(network, batch)
    loss.total.backward()  # type: ignore[no-untyped-call]
    reached = {
        name
        for name, weight in network.appeal.named_parameters()
        if weight.grad is not None and bool(weight.grad.any())
    }
    assert learns <= reached
    assert ("promise" in reached) == ("promise" in learns)


def test_titles_above_crowd_a_target(batch: Batch, start: Checkpoint) -> None:
    """Each target loses by those of its page that stand above it, and by no other page's."""
    network = start.network()
    entities = network.outputs.rows(batch.candidates.entities, network.content)
    plain = Added.of(network, batch, entities).of_targets(batch.entities)
    with torch.no_grad():
        network.appeal.crowd.copy_(torch.tensor([-0.3, 0.1]))
    found = Added.of(network, batch, entities).of_targets(batch.entities) - plain
    assert batch.appeal is not None
    targets, expected = batch.entities, []
    for page in range(len(batch.packing.lengths)):
        here = torch.nonzero(targets.page == page)[:, 0]
        content = batch.appeal.content[targets.places[here]].numpy()
        column: list[int] = []
        last = -2
        for position in targets.positions[here].tolist():
            column.append(column[-1] + 1 if position == last + 1 else 0)
            last = position
        expected.append(crowding(content, np.array(column)) @ np.array([-3.0, 1.0], np.float32))
    assert found.detach().numpy() == pytest.approx(np.concatenate(expected), abs=1e-4)
    assert found.min() < -0.1
    loss = WeightedClassification(Rewards.default()).loss(network, batch).total
    (slope,) = torch.autograd.grad(loss, [network.appeal.crowd])
    assert bool(slope.abs().sum() > 0)


def test_titles_crowd_alike_in_short_rows(
    timeline: Timeline, pages: Pages, titles: CandidateTitles, start: Checkpoint
) -> None:
    """What those above take from a title is a matter of the page, whatever is in a sequence."""
    timeline.learn_injections(pages.ts)
    network, found = start.network(), []
    with torch.no_grad():
        network.appeal.crowd.copy_(torch.tensor([-0.3, 0.1]))
    for serialised in (None, 1, 3):
        encoder = PromptEncoder(timeline.vocabulary, serialised=serialised)
        stream = BatchStream(
            ExampleBuilder(timeline, pages, encoder, until=float("inf"), titles=titles.titles),
            np.zeros(len(pages)),
            Candidates.of(timeline.vocabulary, timeline.catalog, torch.device("cpu")),
            timeline.vocabulary.fallbacks(),
            batch_tokens=900,
            seed=0,
            titles=titles,
        )
        chance = np.random.default_rng(0)
        batch = stream.batch([stream.builder.build(n, chance, split=0.0) for n in range(3)], None)
        entities = network.outputs.rows(batch.candidates.entities, network.content)
        found.append(Added.of(network, batch, entities).of_targets(batch.entities))
    assert found[0].min() < -0.1
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_what_is_added_to_a_target_is_its_title_s(batch: Batch, start: Checkpoint) -> None:
    """A page's title gets the same wherever it stands, and other pages' other numbers."""
    network = start.network()
    entities = network.outputs.rows(batch.candidates.entities, network.content)
    assert not Added.of(network, batch, entities).titles.any()
    with torch.no_grad():
        network.appeal.plain.normal_()
    added = Added.of(network, batch, entities)
    one = added.of_targets(batch.entities)
    for target in range(0, len(one), 7):
        page, place = int(batch.entities.page[target]), int(batch.entities.places[target])
        assert one[target] == added.titles[page, place]
    assert not torch.equal(added.titles[0], added.titles[1])
