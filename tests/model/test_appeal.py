"""The appeal of titles: NumPy as serving computes it, against the network that learns it."""

import numpy as np
import pytest
import torch

from genpage.catalog import Catalog
from genpage.context import Context
from genpage.grammar import PageGrammar
from genpage.promise import means
from genpage.request import PageRequest
from genpage.rules import Rules
from genpage.trends import Trends
from model.appeal import Appeal as Learnt
from model.appeal import AppealInputs, weights_of
from model.checkpoint import Checkpoint
from model.decode import decode_page
from model.sampling import PageSampler, Shape
from model.signals import missing_weights
from model.twin import TorchTwin
from tokenizer.appeal import Appeal, PageAppeal, shapes
from tokenizer.content import content_encoder
from tokenizer.past import Past
from tokenizer.signs import Moment, Signs
from training.content import fit_content_encoder

PROMPTS = [np.array(p, np.int32) for p in ([1, 5, 530, 9, 10], [9, 10])]


def start(catalog: Catalog) -> PageGrammar:
    """An empty page."""
    request = PageRequest("u", at=1.7e9, entities_per_row=5)
    return PageGrammar.start(catalog, Rules.default(), Context("u"), request, Trends.none(catalog))


def learnt(width: int, content_dim: int) -> Learnt:
    """Random weights everywhere."""
    module, generator = Learnt(width, content_dim), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in module.parameters():
            weight.normal_(0.0, 0.1, generator=generator)
    return module


def test_serving_adds_what_training_learnt(catalog: Catalog) -> None:
    """Titles and rows: PyTorch and NumPy agree on random weights."""
    encoder = fit_content_encoder(catalog.entities)
    module = learnt(encoder.dim, 4000)
    weights = weights_of({f"appeal.{k}": v for k, v in module.state_dict().items()})
    assert weights is not None
    chance = np.random.default_rng(0)
    tokens = chance.permutation(4000)[: len(catalog.entities)].astype(np.int32)
    over = Appeal.over(weights, catalog, content_encoder(encoder.to_arrays()), tokens)
    past = Past(
        np.array([3, 7]), np.array([0, 5]), np.array([1.0e9, 1.1e9]), np.array([60.0, np.nan])
    )
    paces = chance.random((5, len(catalog.entities))).astype(np.float32)
    signs = Signs.of(over.titles, past, Moment(1.2e9, "tv", None, paces))
    inputs = AppealInputs(
        torch.from_numpy(signs.titles)[None],
        torch.from_numpy(signs.wishes)[None],
        torch.from_numpy(signs.asked)[None],
        torch.from_numpy(over.titles.content),
    )
    with torch.no_grad():
        titles = module(inputs, torch.from_numpy(tokens).long())[0].numpy()
        worth = torch.from_numpy(titles[:20].copy())[None]
        there = torch.arange(20)[None] < 7
        row = module.rows(worth, there).item()
    assert over.entities(signs) == pytest.approx(titles, abs=1e-4)
    page = PageAppeal.of(titles, np.float32(10.0) * weights.promise)
    assert row == pytest.approx(float(page.promise_weights @ means(titles[:7])), abs=1e-4)


def test_counts_are_told_once_and_told_again_when_they_change(catalog: Catalog) -> None:
    """Pages share what the counts say until an event; no page gets another moment's."""
    encoder = fit_content_encoder(catalog.entities)
    weights = weights_of(
        {f"appeal.{k}": v for k, v in learnt(encoder.dim, 4000).state_dict().items()}
    )
    assert weights is not None
    tokens = np.arange(len(catalog.entities), dtype=np.int32)
    content = content_encoder(encoder.to_arrays())
    kept = Appeal.over(weights, catalog, content, tokens)
    chance, request = np.random.default_rng(2), PageRequest("u", at=1.7e9)
    scores = np.zeros(len(catalog.entities), np.float32)
    moments = [Trends(scores, chance.random((5, len(scores)), np.float32)) for _ in range(2)]
    for trends in (moments[0], moments[0], moments[1], Trends(scores), moments[0]):
        new = Appeal.over(weights, catalog, content, tokens)
        expected = new.page(Context("u"), request, trends).entities
        assert (kept.page(Context("u"), request, trends).entities == expected).all()
    first, second = (kept.page(Context("u"), request, each).entities for each in moments)
    assert (first != second).any()


def test_a_fresh_network_adds_nothing_and_can_learn(checkpoint: Checkpoint) -> None:
    """Fresh weights say None; so do a checkpoint's from before there were any."""
    assert weights_of(checkpoint.weights) is None
    old = {name: w for name, w in checkpoint.weights.items() if not name.startswith("appeal.")}
    added = missing_weights(old, checkpoint.content.shape[1])
    expected = shapes(checkpoint.content.shape[1], checkpoint.vocabulary.size)
    assert {n.removeprefix("appeal."): tuple(w.shape) for n, w in added.items()} == expected
    assert weights_of(added) is None
    assert added["appeal.inner"].any()


@pytest.mark.parametrize("alone", [1, 3, 9])
def test_the_sampler_adds_it_as_the_plain_decoder_does(
    catalog: Catalog, checkpoint: Checkpoint, alone: int
) -> None:
    """Greedy pages with an appeal are the slow twin's, and not those without it."""
    chance = np.random.default_rng(4)
    content = chance.normal(size=(len(catalog.entities), 4)).astype(np.float32)
    content /= np.linalg.norm(content, axis=1, keepdims=True)
    appeals = [
        PageAppeal.of(
            chance.normal(size=len(catalog.entities)).astype(np.float32),
            np.array([0.5, 0.0, -1.0, 2.0], np.float32),
            content,
            np.array([-1.0, -3.0], np.float32),
        )
        for _ in PROMPTS
    ]
    rows, entities = checkpoint.vocabulary.item_tokens(catalog)
    sampler = PageSampler(checkpoint.network(), rows, entities, Shape(3, alone, 0.0))
    plain = sampler.pages(PROMPTS, [start(catalog) for _ in PROMPTS])
    found = sampler.pages(PROMPTS, [start(catalog) for _ in PROMPTS], appeals=appeals)
    for prompt, appeal, page, without in zip(PROMPTS, appeals, found, plain, strict=True):
        expected = decode_page(
            TorchTwin(checkpoint),
            prompt,
            start(catalog),
            row_tokens=rows,
            entity_tokens=entities,
            rows=3,
            autoregressive=alone,
            appeal=appeal,
        )
        assert page.rows == expected
        assert page.rows != without.rows
        for choice in page.choices:
            assert choice.added is not None
            assert choice.added.shape == choice.allowed.shape
