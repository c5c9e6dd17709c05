"""Batches are a pure function of the seed and of what came before."""

import math

import numpy as np
import pytest
import torch

from genpage.catalog import Catalog
from genpage.row import Row
from model.config import ModelConfig
from model.network import Network
from tokenizer.prompt import PromptEncoder
from training.batches import ID_DROPOUT, BatchStream
from training.candidates import Candidates
from training.content import fit_content_encoder
from training.examples import Example, ExampleBuilder, Targets
from training.pages import Pages
from training.pretrain import NEXT_TITLE_SHARE, Pretraining
from training.start import content_table
from training.timeline import Timeline

SHAPE = ModelConfig(width=64, layers=1, heads=2, kv_heads=1, head_dim=64, ffn=64, positions=1024)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def stream(timeline: Timeline, pages: Pages) -> BatchStream:
    """Batches of 600 tokens."""
    return make_stream(timeline, pages)


def make_stream(timeline: Timeline, pages: Pages, *, seed: int = 0) -> BatchStream:
    """A stream over all pages."""
    encoder = PromptEncoder(timeline.vocabulary, history_tokens=128)
    return BatchStream(
        ExampleBuilder(timeline, pages, encoder, until=float("inf")),
        (pages.ts[-1] - pages.ts) / 86_400.0,
        Candidates.of(timeline.vocabulary, timeline.catalog, CPU),
        timeline.vocabulary.fallbacks(),
        batch_tokens=600,
        seed=seed,
        half_life_days=1.0,
    )


@pytest.fixture(scope="module")
def network(timeline: Timeline) -> Network:
    """A small network over the service's vocabulary."""
    encoder = fit_content_encoder(timeline.catalog.entities)
    content = content_table(timeline.vocabulary, timeline.catalog, encoder)
    built = Network(SHAPE, timeline.vocabulary.size, content)
    built.initialise(0)
    return built


def test_a_batch_depends_on_the_seed_and_the_place_alone(
    stream: BatchStream, timeline: Timeline, pages: Pages
) -> None:
    """A fresh stream gives the same batch at a place; another seed another one."""
    walked = stream.after(stream.after([0]).taken)
    jumped = make_stream(timeline, pages).after(stream.after([0]).taken)
    other = make_stream(timeline, pages, seed=1).after(stream.after([0]).taken)
    assert torch.equal(walked.batch.tokens, jumped.batch.tokens)
    assert torch.equal(walked.batch.identity, jumped.batch.identity)
    assert walked.taken == jumped.taken
    assert not torch.equal(walked.batch.tokens, other.batch.tokens)


def test_batches_are_full_and_within_bounds(stream: BatchStream) -> None:
    """No batch passes the token bound, and none would have held one example more."""
    taken: tuple[int, ...] = (0,)
    for _ in range(10):
        step = stream.after(taken)
        assert step.batch.packing.tokens == len(step.batch.tokens) <= 600
        following = stream.after(step.taken).batch.packing.lengths[0]
        assert step.batch.packing.tokens + following > 600
        taken = step.taken


def test_an_epoch_takes_every_page_once_and_recent_ones_early(
    stream: BatchStream, pages: Pages
) -> None:
    """The order of an epoch is a permutation that begins with the newest pages more often."""
    stream.after([0])
    order = stream._orders[0].pages
    assert sorted(order.tolist()) == list(range(len(pages)))
    half = len(order) // 2
    assert order[:half].mean() > order[half:].mean() + 5


def test_id_dropout_points_items_at_their_types_fallback(
    stream: BatchStream, timeline: Timeline
) -> None:
    """About a tenth of the items lose their ID, symbols never; evaluation drops nothing."""
    identity = torch.stack([stream.after([n]).batch.identity for n in range(60)]).numpy()
    own = np.arange(identity.shape[1])
    fallbacks = timeline.vocabulary.fallbacks()
    assert ((identity == own) | (identity == fallbacks)).all()
    share = (identity[:, 512:] != own[512:]).mean()
    assert share == pytest.approx(ID_DROPOUT, abs=0.02)
    example = stream.builder.build(3, np.random.default_rng(0), split=0.0)
    (batch,) = stream.packed([example])
    assert np.array_equal(batch.identity.numpy(), own)
    assert np.array_equal(batch.tokens.numpy(), example.tokens)


def test_targets_move_with_their_document(stream: BatchStream) -> None:
    """In a packed batch each page target still follows its position."""
    examples = [stream.builder.build(n, np.random.default_rng(0)) for n in (3, 60, 90)]
    batches = list(stream.packed(examples))
    assert len(batches[0].packing.lengths) > 1
    for batch in batches:
        for targets, among in (
            (batch.rows, batch.candidates.rows),
            (batch.entities, batch.candidates.entities),
        ):
            assert torch.equal(batch.tokens[targets.positions + 1], among[targets.places])


def open_by_the_rules(timeline: Timeline, example: Example, kind: str, number: int) -> set[int]:
    """The tokens that could have come at a target, in plain Python from the example's tokens."""
    vocabulary, catalog = timeline.vocabulary, timeline.catalog
    targets = {"rows": example.rows, "entities": example.entities, "titles": example.titles}[kind]
    position = int(targets.positions[number])
    start = int(example.rows.positions[0]) + 1
    before = [vocabulary.item(int(token)) for token in example.tokens[start : position + 1]]
    used = {item.id for item in before if item is not None}
    if kind == "rows":
        return {vocabulary.row(row.id) for row in catalog.rows if row.id not in used}
    out = {e.id for e in catalog.entities if e.released_at is None or e.released_at <= example.at}
    if kind == "entities":
        row = next(item.id for item in reversed(before) if item is not None and item.noun == "row")
        index = catalog.row_index(row)
        assert index is not None
        members = catalog.membership[index]
        out = {e.id for e, there in zip(catalog.entities, members, strict=True) if there} & out
        out -= used
    return {vocabulary.entity(entity_id) for entity_id in out}


def test_the_loss_is_the_weighted_mean_over_what_could_have_come(
    stream: BatchStream, network: Network, timeline: Timeline
) -> None:
    """A loop over targets with explicit softmaxes over the open candidates gives the same loss."""
    examples = [stream.builder.build(n, np.random.default_rng(0), split=0.0) for n in (30, 77)]
    (batch,) = stream.packed(examples)
    loss = Pretraining().loss(network, batch)
    hidden = network.hidden(batch.tokens, batch.packing)
    table, sums, weights = network.output_table(), {}, {}
    guess = 0.0
    starts = (0, len(examples[0].tokens))
    for kind in ("rows", "entities", "titles"):
        nats, weight = torch.zeros(()), 0.0
        for example, start in zip(examples, starts, strict=True):
            targets: Targets = getattr(example, kind)
            for n in range(len(targets.tokens)):
                among = open_by_the_rules(timeline, example, kind, n)
                assert int(targets.tokens[n]) in among
                state = hidden[start + int(targets.positions[n])]
                chances = (table[sorted(among)] @ state).exp()
                logit = table[int(targets.tokens[n])] @ state
                nats = nats + float(targets.weights[n]) * (chances.sum().log() - logit)
                weight += float(targets.weights[n])
                guess += float(targets.weights[n]) * math.log(len(among))
        torch.testing.assert_close(loss.parts[kind].nats, nats, rtol=1e-4, atol=1e-4)
        sums[kind], weights[kind] = nats, weight
    assert sum(float(part.guess) for part in loss.parts.values()) == pytest.approx(guess, rel=1e-4)
    page = (sums["rows"] + sums["entities"]) / (weights["rows"] + weights["entities"])
    total = page + NEXT_TITLE_SHARE * sums["titles"] / weights["titles"]
    torch.testing.assert_close(loss.total, total, rtol=1e-4, atol=1e-4)


def test_a_row_that_the_counts_fill_is_open_to_everybody(timeline: Timeline) -> None:
    """The catalog alone does not say who is trending; an unknown row is open as well."""
    catalog = Catalog.build(
        timeline.catalog.entities, [*timeline.catalog.rows, Row("now", "trending", "Now")]
    )
    candidates = Candidates.of(timeline.vocabulary.grown(catalog), catalog, CPU)
    assert candidates.members[:3].sum(dim=1).tolist() == [12, 12, 12]
    assert candidates.members[3:].all()


def test_a_title_is_no_candidate_before_its_release(
    stream: BatchStream, network: Network, timeline: Timeline, pages: Pages
) -> None:
    """The pages of the first two days push the third day's release neither up nor down."""
    new = timeline.vocabulary.entity("e35")
    early, late = (
        [p for p in range(len(pages)) if (pages.page_ids[p] >= "p-2026-01-03") == released]
        for released in (False, True)
    )
    for chosen, reached in ((early, False), (late, True)):
        network.zero_grad()
        examples = [stream.builder.build(p, np.random.default_rng(0)) for p in chosen[:4]]
        for batch in stream.packed(examples):
            Pretraining().loss(network, batch).total.backward()  # type: ignore[no-untyped-call]
        assert network.outputs.ids.grad is not None
        assert bool(network.outputs.ids.grad[new].any()) is reached


def test_fallback_rows_are_trained(
    stream: BatchStream, network: Network, timeline: Timeline
) -> None:
    """Through ID dropout a gradient reaches the fallbacks on both sides."""
    network.zero_grad()
    for taken in range(0, 60, 10):
        Pretraining().loss(network, stream.after([taken]).batch).total.backward()  # type: ignore[no-untyped-call]
    film = timeline.vocabulary.symbol("unseen:film")
    for side in (network.inputs, network.outputs):
        assert side.ids.grad is not None
        assert side.ids.grad[film].any()
