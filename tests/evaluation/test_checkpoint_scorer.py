"""A checkpoint as a scorer, titles that it never saw included."""

import numpy as np
import pytest
import torch

from evaluation.checkpoint_scorer import CheckpointScorer
from evaluation.scorer import Question
from genpage.catalog import Catalog
from genpage.entity import ENTITY_KINDS, Entity
from genpage.row import Row
from genpage.rules import Rules
from genpage.trends import Trends
from model.checkpoint import Checkpoint, Lineage
from model.config import ModelConfig
from model.covering import covering
from model.network import Network
from model.twin import TorchTwin
from tokenizer.content import VectorContentEncoder
from tokenizer.vocabulary import IntArray, Vocabulary

from .conftest import question

SHAPE = ModelConfig(width=64, layers=2, heads=2, kv_heads=1, head_dim=64, ffn=64, positions=256)


def title(number: int) -> Entity:
    """A title with a content vector of its own."""
    vector = tuple(np.random.default_rng(number).normal(size=64).tolist())
    return Entity(f"e{number}", ENTITY_KINDS[number % 4], f"Title {number}", vector=vector)


CATALOG = Catalog.build([title(n) for n in range(20)], [Row("r", "genre", "R")])
LARGER = Catalog.build(
    [title(n) for n in (25, 3, 24, *range(4, 20))],
    [Row("r", "genre", "R"), Row("new", "new", "New")],
)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    """Random weights over `CATALOG`."""
    vocabulary, encoder = Vocabulary().grown(CATALOG), VectorContentEncoder(64)
    content = torch.zeros(vocabulary.size, encoder.dim)
    tokens = torch.from_numpy(vocabulary.item_tokens(CATALOG)[1]).long()
    content[tokens] = torch.from_numpy(encoder.encode(CATALOG.entities))
    network = Network(SHAPE, vocabulary.size, content)
    network.initialise(1)
    return Checkpoint(
        config=SHAPE,
        weights=network.state_dict(),
        content=content,
        vocabulary=vocabulary,
        catalog=CATALOG,
        encoder=encoder.to_arrays(),
        rules=Rules.default(),
        trends=Trends.none(CATALOG),
        lineage=Lineage.fresh(None, random=True),
        history_tokens=128,
    )


def some_prompts(size: int) -> list[IntArray]:
    """Token sequences of several lengths."""
    generator = np.random.default_rng(0)
    return [generator.integers(0, size, n).astype(np.int32) for n in (3, 17, 1, 40)]


def asked(prompts: list[IntArray]) -> list[Question]:
    """Questions at the end of these."""
    return [question(prompt, CATALOG) for prompt in prompts]


def test_twin_of_one_prompt_at_a_time(checkpoint: Checkpoint) -> None:
    """Packed prompts score as the plain twin scores each alone."""
    scorer, twin = CheckpointScorer(checkpoint, CATALOG), TorchTwin(checkpoint)
    prompts = some_prompts(checkpoint.vocabulary.size)
    expected = np.stack([twin.scores(prompt)[len(CATALOG.rows) :] for prompt in prompts])
    assert np.allclose(scorer.scores(asked(prompts)), expected, atol=1e-5)
    assert scorer.encoder.history_tokens == 128


def test_new_titles_are_their_fallback_with_content(checkpoint: Checkpoint) -> None:
    """A larger catalog changes no known score, and a new title's vectors are fused by hand."""
    larger = covering(checkpoint, LARGER)
    known = checkpoint.vocabulary.items
    assert larger.vocabulary.items[: len(known)] == known
    prompts = some_prompts(checkpoint.vocabulary.size)
    old = CheckpointScorer(checkpoint, CATALOG).scores(asked(prompts))
    new = CheckpointScorer(checkpoint, LARGER).scores(asked(prompts))
    assert np.allclose(new[:, 1], old[:, 3], atol=1e-6)
    assert np.allclose(new[:, 3:], old[:, 4:], atol=1e-6)
    token = larger.vocabulary.entity("e25")
    network = larger.network()
    fallback = larger.vocabulary.symbol("unseen:film")
    assert ENTITY_KINDS[25 % 4] == "film"
    vector = np.array(LARGER.entities[0].vector)
    content = torch.from_numpy(vector / np.linalg.norm(vector)).float()[None]
    for table, fused in (
        (network.inputs, network.inputs.table(network.content)),
        (network.outputs, network.output_table()),
    ):
        by_hand = table.fuse(table.ids[fallback][None], content)[0]
        assert torch.allclose(fused[token], by_hand, atol=1e-6)


def test_a_known_catalog_changes_nothing(checkpoint: Checkpoint) -> None:
    """With nothing new the checkpoint is used as it is."""
    assert covering(checkpoint, CATALOG) is checkpoint
