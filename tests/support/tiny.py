"""A checkpoint of random weights over a small catalog: what export and runtime tests are run on."""

import atexit
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import numpy as np
import torch

from export.bundle import export_bundle
from genpage.catalog import SECONDS_A_DAY, Catalog
from genpage.entity import ENTITY_KINDS, Entity
from genpage.row import Row, Where
from genpage.rules import Rules
from genpage.trends import Trends
from model.checkpoint import Checkpoint, Lineage
from model.config import ModelConfig
from model.network import Network
from runtime.manifest import Precision
from tokenizer.content import VectorContentEncoder
from tokenizer.vocabulary import Vocabulary

RELEASED = 1_700_000_000.0
GENRES = ("Drama", "Horror", "Comedy", "Family")
CONFIG = ModelConfig(width=64, layers=2, heads=4, kv_heads=2, head_dim=32, ffn=128)
VECTOR = 24


def tiny_entity(number: int) -> Entity:
    """A title that anybody may watch, with a content vector of its own."""
    generator = np.random.default_rng(number)
    return Entity(
        id=f"e{number}",
        kind=ENTITY_KINDS[number % 3],  # no live events: they come and go
        title=f"Title {number}",
        genres=(GENRES[number % len(GENRES)],),
        year=1990 + number % 30,
        released_at=RELEASED - number * SECONDS_A_DAY,
        vector=tuple(generator.standard_normal(VECTOR).tolist()),
    )


def tiny_catalog(entities: int = 61) -> Catalog:
    """Titles under a row for each genre, three decades, and the rows that a member fills."""
    rows = [
        Row("continue", "continue", "Continue watching", pinned_position=0),
        Row("trending", "trending", "Trending now"),
        Row("all", "browse", "Everything"),
        *(Row(g.lower(), "genre", g, where=Where(genres_all=(g,))) for g in GENRES),
        *(
            Row(f"y{year}", "decade", f"{year}s", where=Where(year_from=year, year_to=year + 9))
            for year in (1990, 2000, 2010)
        ),
    ]
    return Catalog.build([tiny_entity(number) for number in range(entities)], rows)


def tiny_checkpoint(
    *, seed: int = 0, config: ModelConfig = CONFIG, sharpness: float = 20.0, random: bool = True
) -> Checkpoint:
    """Random weights. Logits spread by about ``sharpness`` times what fresh weights give."""
    catalog = tiny_catalog()
    vocabulary = Vocabulary().grown(catalog)
    encoder = VectorContentEncoder(VECTOR)
    content = np.zeros((vocabulary.size, encoder.dim), np.float32)
    _, tokens = vocabulary.item_tokens(catalog)
    content[tokens] = encoder.encode(catalog.entities)
    network = Network(config, vocabulary.size, torch.from_numpy(content))
    network.initialise(seed)
    with torch.no_grad():
        network.outputs.ids.mul_(sharpness)
        network.outputs.projection.mul_(sharpness)
        for table in (network.inputs, network.outputs):
            generator = torch.Generator().manual_seed(seed)
            table.gate_weight.normal_(0.0, 1.0, generator=generator)
            table.gate_bias.fill_(0.3)
    trends = np.zeros(len(catalog.entities), np.float32)
    trends[:12] = np.arange(12, 0, -1)
    return Checkpoint(
        config=config,
        weights=network.state_dict(),
        content=torch.from_numpy(content),
        vocabulary=vocabulary,
        catalog=catalog,
        encoder=encoder.to_arrays(),
        rules=Rules.default(),
        trends=Trends(trends),
        lineage=Lineage("tiny", f"tiny-{seed}", random=random),
    )


@cache
def tiny_bundle(precision: Precision, *, random: bool = True) -> Path:
    """A bundle of the tiny checkpoint, exported once a session. Read only: copy it to change it."""
    folder = Path(mkdtemp(prefix="genpage-tiny-"))
    atexit.register(rmtree, folder, ignore_errors=True)
    export_bundle(tiny_checkpoint(random=random), folder / "bundle", precision=precision)
    return folder / "bundle"
