"""Batched decoding with a KV cache: the same pages as the plain twin, and no rule ever broken."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from strategies import World, worlds

from genpage.audit import violations
from genpage.catalog import Catalog
from genpage.context import Context
from genpage.exploration import Exploration, seed_of
from genpage.grammar import PageGrammar
from genpage.page import Page, PageRow
from genpage.request import PageRequest
from genpage.rules import Rules
from genpage.trends import Trends
from model.cached import CachedNetwork
from model.checkpoint import Checkpoint
from model.config import ModelConfig
from model.decode import decode_page
from model.network import Network
from model.packing import Packing
from model.sampling import PageSampler, SampledPage, Shape
from model.twin import TorchTwin
from runtime.fake import FakeModel
from runtime.job import PageJob
from runtime.prefix import PrefixKey
from runtime.writer import PageWriter
from tokenizer.vocabulary import IntArray, Vocabulary

PROMPTS = [np.array(p, np.int32) for p in ([1, 5, 530, 9, 10], [9, 10], [1, 520, 7, 560, 3, 9, 10])]


def start(catalog: Catalog, entities_per_row: int) -> PageGrammar:
    """An empty page for nobody in particular."""
    request = PageRequest("u", at=1.7e9, entities_per_row=entities_per_row)
    return PageGrammar.start(catalog, Rules.default(), Context("u"), request, Trends.none(catalog))


def sampler(checkpoint: Checkpoint, shape: Shape) -> PageSampler:
    """A sampler over the checkpoint's own catalog."""
    rows, entities = checkpoint.vocabulary.item_tokens(checkpoint.catalog)
    return PageSampler(checkpoint.network(), rows, entities, shape)


def test_ragged_chunks_through_the_cache_are_whole_sequences(checkpoint: Checkpoint) -> None:
    """However three sequences are cut up, their last hidden states are the plain network's."""
    network = checkpoint.network()
    chance = np.random.default_rng(0)
    sequences = [chance.integers(0, 570, size, np.int32) for size in (23, 9, 17)]
    cache = CachedNetwork(network, 3, 40)
    cuts = [[0, 5, 6, 23], [0, 2, 2, 9], [0, 9, 16, 17]]
    with torch.inference_mode():
        for step in range(3):
            chunks = [s[c[step] : c[step + 1]] for s, c in zip(sequences, cuts, strict=True)]
            hidden = cache.feed(chunks)
            for index, (sequence, cut) in enumerate(zip(sequences, cuts, strict=True)):
                if not len(chunks[index]):
                    continue
                whole = torch.from_numpy(sequence[: cut[step + 1]]).long()
                plain = network.hidden(whole, Packing.single(len(whole)))[-1]
                assert torch.allclose(hidden[index], plain, atol=1e-5)


@pytest.mark.parametrize("serialised", [None, 1, 3, 4])
@pytest.mark.parametrize(("alone", "width"), [(1, 4), (3, 5), (9, 4)])
def test_greedy_pages_are_the_plain_decoders(
    catalog: Catalog, checkpoint: Checkpoint, alone: int, width: int, serialised: int | None
) -> None:
    """Temperature 0, several prompts at once: page by page what the slow twin decodes."""
    rows, entities = checkpoint.vocabulary.item_tokens(catalog)
    found = sampler(checkpoint, Shape(3, alone, 0.0, serialised)).pages(
        PROMPTS, [start(catalog, width) for _ in PROMPTS]
    )
    for prompt, page in zip(PROMPTS, found, strict=True):
        expected = decode_page(
            TorchTwin(checkpoint),
            prompt,
            start(catalog, width),
            row_tokens=rows,
            entity_tokens=entities,
            rows=3,
            autoregressive=alone,
            serialised=serialised,
        )
        assert page.rows == expected
        shown = [
            token
            for row in expected
            for token in (rows[row.row], *entities[list(row.entities[:serialised])])
        ]
        assert page.tokens.tolist() == [*prompt.tolist(), *shown]


def test_a_seed_names_its_pages(catalog: Catalog, checkpoint: Checkpoint) -> None:
    """The same seed samples the same pages, another seed others; a group's pages differ."""

    def sampled(seed: int) -> list[SampledPage]:
        grammars = [start(catalog, 5) for _ in range(6)]
        return sampler(checkpoint, Shape(2)).pages(PROMPTS, grammars, seed=seed)

    first, again, other = sampled(1), sampled(1), sampled(2)
    assert [page.rows for page in first] == [page.rows for page in again]
    assert [page.rows for page in first] != [page.rows for page in other]
    assert first[0].rows != first[1].rows
    assert [page.prompt for page in first] == [len(PROMPTS[i // 2]) for i in range(6)]


def test_what_is_recorded_of_a_page_gives_the_page(
    catalog: Catalog, checkpoint: Checkpoint
) -> None:
    """Each choice's picks were allowed, and stand right after the position that scored them."""
    rows, entities = checkpoint.vocabulary.item_tokens(catalog)
    for page in sampler(checkpoint, Shape(3, 3)).pages(
        PROMPTS, [start(catalog, 6)] + [start(catalog, 6) for _ in PROMPTS[1:]]
    ):
        for choice in page.choices:
            tokens = rows if choice.is_row else entities
            after = page.tokens[choice.position + 1 :][: len(choice.picks)]
            assert after.tolist() == tokens[list(choice.picks)].tolist()
            assert choice.allowed[list(choice.picks)].all()
        assert sum(len(choice.picks) for choice in page.choices) == len(page.tokens) - page.prompt


def test_sampling_follows_the_softmax(catalog: Catalog, checkpoint: Checkpoint) -> None:
    """The first row's frequencies over many samples are the softmax of the allowed logits."""
    count, temperature = 1000, 0.05
    grammars = [start(catalog, 1) for _ in range(count)]
    pages = sampler(checkpoint, Shape(1, 1, temperature)).pages(PROMPTS[:1], grammars, seed=4)
    drawn = np.bincount([page.rows[0].row for page in pages], minlength=4) / count
    logits = TorchTwin(checkpoint).scores(PROMPTS[0])[:4].astype(np.float64) / temperature
    chances = np.exp(logits - logits.max())
    chances /= chances.sum()
    assert np.abs(drawn - chances).max() < 4 * np.sqrt(0.25 / count)
    assert chances.max() < 0.9


def tiny_network(vocabulary: Vocabulary) -> Network:
    """Random weights over any catalog."""
    shape = ModelConfig(width=64, layers=1, heads=2, kv_heads=1, head_dim=64, ffn=64)
    network = Network(shape, vocabulary.size, torch.zeros(vocabulary.size, 4))
    network.initialise(0)
    return network.eval()


@settings(max_examples=12, deadline=None)
@given(worlds())
def test_no_sampled_page_breaks_a_rule(world: World) -> None:
    """Whatever the catalog, the member, the request: the auditor has nothing to say."""
    vocabulary = Vocabulary().grown(world.catalog)
    rules = Rules.default()
    rows, entities = vocabulary.item_tokens(world.catalog)
    grammars = [
        PageGrammar.start(world.catalog, rules, world.context, world.request, world.trends)
        for _ in range(3)
    ]
    prompt: list[IntArray] = [np.array([9, 10], np.int32)]
    for page in PageSampler(tiny_network(vocabulary), rows, entities, Shape(4)).pages(
        prompt, grammars
    ):
        shown = Page(
            tuple(
                PageRow(
                    world.catalog.rows[row.row].id,
                    tuple(world.catalog.entities[e].id for e in row.entities),
                )
                for row in page.rows
            )
        )
        assert not violations(
            shown, world.catalog, rules, world.context, world.request, world.trends
        )


@pytest.mark.parametrize(("alone", "serialised"), [(1, None), (3, None), (1, 2), (3, 2)])
def test_what_is_explored_is_what_serving_explores(
    catalog: Catalog, checkpoint: Checkpoint, alone: int, serialised: int | None
) -> None:
    """By the same page ids: serving's writer over the slow twin's scores makes the same pages."""
    exploration = Exploration(0.5, 3.0)
    rows, entities = checkpoint.vocabulary.item_tokens(catalog)
    model = replace(
        FakeModel.of(catalog), row_tokens=rows, entity_tokens=entities, serialised=serialised
    )
    names = ["a page", "another", "a third"]
    shape = Shape(3, alone, 0.0, serialised, exploration)
    found = sampler(checkpoint, shape).pages(
        PROMPTS, [start(catalog, 5) for _ in PROMPTS], explored_by=[seed_of(n) for n in names]
    )
    greedy = sampler(checkpoint, replace(shape, exploration=Exploration())).pages(
        PROMPTS, [start(catalog, 5) for _ in PROMPTS]
    )
    assert [page.rows for page in found] != [page.rows for page in greedy]
    twin = TorchTwin(checkpoint)
    for name, prompt, page in zip(names, PROMPTS, found, strict=True):
        grammar = start(catalog, 5)
        job = PageJob(
            name, PrefixKey("m", "u"), model, prompt, grammar, 3, alone, exploration=exploration
        )
        writer, tokens = PageWriter(job), prompt
        while writer.reason is None:
            tokens = np.concatenate([tokens, writer.decide(twin.scores(tokens))[0]])
        assert grammar.rows == page.rows
        assert page.tokens.tolist() == tokens.tolist()
