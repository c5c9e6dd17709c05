"""Batches are a pure function of the seed and of what came before."""

import numpy as np
import pytest
import torch

from model.config import ModelConfig
from model.network import Network
from tokenizer.prompt import PromptEncoder
from training.batches import ID_DROPOUT, BatchStream, Candidates
from training.content import fit_content_encoder
from training.examples import ExampleBuilder
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
    walked = stream.after(stream.after(0).taken)
    jumped = make_stream(timeline, pages).after(stream.after(0).taken)
    other = make_stream(timeline, pages, seed=1).after(stream.after(0).taken)
    assert torch.equal(walked.batch.tokens, jumped.batch.tokens)
    assert torch.equal(walked.batch.identity, jumped.batch.identity)
    assert walked.taken == jumped.taken
    assert not torch.equal(walked.batch.tokens, other.batch.tokens)


def test_batches_are_full_and_within_bounds(stream: BatchStream) -> None:
    """No batch passes the token bound, and none would have held one example more."""
    taken = 0
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
    stream.after(0)
    assert stream._order is not None
    order = stream._order[1]
    assert sorted(order.tolist()) == list(range(len(pages)))
    half = len(order) // 2
    assert order[:half].mean() > order[half:].mean() + 5


def test_id_dropout_points_items_at_their_types_fallback(
    stream: BatchStream, timeline: Timeline
) -> None:
    """About a tenth of the items lose their ID, symbols never; evaluation drops nothing."""
    identity = torch.stack([stream.after(n).batch.identity for n in range(60)]).numpy()
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


def test_the_loss_is_the_weighted_mean_of_restricted_softmaxes(
    stream: BatchStream, network: Network
) -> None:
    """A loop over targets with explicit softmaxes gives the same loss."""
    batch = stream.after(0).batch
    loss = Pretraining().loss(network, batch)
    hidden = network.hidden(batch.tokens, batch.packing, batch.identity)
    table = network.output_table(batch.identity)
    sums = {}
    for name, targets, among in (
        ("rows", batch.rows, batch.candidates.rows),
        ("entities", batch.entities, batch.candidates.entities),
        ("titles", batch.titles, batch.candidates.entities),
    ):
        nats = torch.zeros(())
        for n in range(len(targets.positions)):
            logits = table[among] @ hidden[targets.positions[n]]
            kept = torch.ones(len(among), dtype=torch.bool)
            if name != "rows":
                kept = batch.candidates.released <= targets.days[n]
                kept[targets.places[n]] = True
            chance = logits[kept].exp().sum()
            nats = nats + targets.weights[n] * (chance.log() - logits[targets.places[n]])
        sums[name] = nats
        torch.testing.assert_close(loss.parts[name].nats, nats, rtol=1e-4, atol=1e-4)
    page = (sums["rows"] + sums["entities"]) / (
        batch.rows.weights.sum() + batch.entities.weights.sum()
    )
    total = page + NEXT_TITLE_SHARE * sums["titles"] / batch.titles.weights.sum()
    torch.testing.assert_close(loss.total, total, rtol=1e-4, atol=1e-4)


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
        Pretraining().loss(network, stream.after(taken).batch).total.backward()  # type: ignore[no-untyped-call]
    film = timeline.vocabulary.symbol("unseen:film")
    for side in (network.inputs, network.outputs):
        assert side.ids.grad is not None
        assert side.ids.grad[film].any()
