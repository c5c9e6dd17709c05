"""A small catalog and a checkpoint of random weights over it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from genpage.catalog import Catalog
from genpage.entity import Entity
from genpage.row import Row, Where
from genpage.rules import Rules
from genpage.trends import Trends
from model.checkpoint import Checkpoint, Lineage
from model.config import ModelConfig
from model.network import Network
from tokenizer.vocabulary import Vocabulary

ENTITIES = 60
GENRES = ("Drama", "Comedy", "Crime")
CONTENT = 8
SHAPE = ModelConfig(width=64, layers=2, heads=4, kv_heads=2, head_dim=32, ffn=64, positions=512)
MakeCheckpoint = Callable[..., Checkpoint]


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """60 films in three genres, one row a genre and one for all."""
    entities = [
        Entity(id=f"e{n}", kind="film", title=f"Film {n}", genres=(GENRES[n % 3],), year=2000 + n)
        for n in range(ENTITIES)
    ]
    rows = [Row(f"r-{g}", "genre", g, where=Where(genres_any=(g,))) for g in GENRES]
    return Catalog.build(entities, [*rows, Row("r-all", "genre", "All")])


@pytest.fixture(scope="session")
def make_checkpoint(catalog: Catalog) -> MakeCheckpoint:
    """A checkpoint with random weights of a shape and a seed."""

    def make(config: ModelConfig = SHAPE, seed: int = 0) -> Checkpoint:
        vocabulary = Vocabulary().grown(catalog)
        generator = torch.Generator().manual_seed(seed)
        content = torch.zeros(vocabulary.size, CONTENT)
        tokens = vocabulary.item_tokens(catalog)[1]
        content[torch.from_numpy(tokens).long()] = normalize(
            torch.randn(ENTITIES, CONTENT, generator=generator), dim=1
        )
        network = Network(config, vocabulary.size, content)
        network.initialise(seed)
        return Checkpoint(
            config=config,
            weights=network.state_dict(),
            content=content,
            vocabulary=vocabulary,
            catalog=catalog,
            encoder={"projection": np.ones((2, 3), np.float32)},
            rules=Rules.default(),
            trends=Trends(np.arange(ENTITIES, dtype=np.float32)),
            lineage=Lineage.fresh(None, random=True),
        )

    return make


@pytest.fixture
def checkpoint(make_checkpoint: MakeCheckpoint) -> Checkpoint:
    """Random weights of the small shape."""
    return make_checkpoint()
