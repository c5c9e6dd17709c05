"""Training begins from random weights over the data's catalog, or from a parent's."""

from dataclasses import replace

import pytest
import torch

from dataset.folder import DataFolder
from genpage.catalog import Catalog
from genpage.entity import Entity
from genpage.errors import CheckpointError
from genpage.rules import Rules
from model.checkpoint import Checkpoint
from training.start import continued_checkpoint, fresh_checkpoint


@pytest.fixture(scope="module")
def catalog(folder: DataFolder) -> Catalog:
    """The service's catalog."""
    return folder.catalog()


@pytest.fixture(scope="module")
def parent(catalog: Catalog) -> Checkpoint:
    """Random weights over it."""
    return fresh_checkpoint(catalog, "tiny", rules=Rules.default(), seed=0)


def test_a_fresh_start_knows_the_whole_catalog(parent: Checkpoint, catalog: Catalog) -> None:
    """Every item has its own token, every title a content vector, nothing else has one."""
    rows, entities = parent.vocabulary.item_tokens(catalog)
    assert len({*rows.tolist(), *entities.tolist()}) == len(catalog.rows) + len(catalog.entities)
    lengths = parent.content.norm(dim=1)
    assert (lengths[torch.from_numpy(entities).long()] > 0).all()
    assert int((lengths > 0).sum()) == len(entities)
    assert parent.random


def test_new_tokens_start_from_their_types_fallback(parent: Checkpoint, catalog: Catalog) -> None:
    """A title of tomorrow wears the fallback's ID with its own content, on both sides."""
    newer = Catalog.build(
        [*catalog.entities, Entity("fresh", "film", "Drama number 99", genres=("Drama",))],
        catalog.rows,
    )
    child = continued_checkpoint(parent, newer)
    token, fallback = child.vocabulary.entity("fresh"), child.vocabulary.symbol("unseen:film")
    assert token == parent.vocabulary.size
    for side in ("inputs.ids", "outputs.ids"):
        assert torch.equal(child.weights[side][token], parent.weights[side][fallback])
        assert torch.equal(child.weights[side][:token], parent.weights[side])
    assert child.content[token].any()
    network = child.network()
    worn = torch.arange(child.vocabulary.size)
    worn[token] = fallback
    assert torch.equal(network.output_table()[token], network.output_table(worn)[token])


def test_a_title_that_left_keeps_what_is_known_of_it(parent: Checkpoint, catalog: Catalog) -> None:
    """It may stand in histories for years: token, ID and content stay."""
    smaller = Catalog.build(catalog.entities[1:], catalog.rows)
    child = continued_checkpoint(parent, smaller)
    gone = parent.vocabulary.entity(catalog.entities[0].id)
    assert child.vocabulary == parent.vocabulary
    assert torch.equal(child.content[gone], parent.content[gone])


def test_content_follows_the_document(parent: Checkpoint, catalog: Catalog) -> None:
    """A title whose synopsis was rewritten gets the new text's vector."""
    changed = replace(catalog.entities[0], synopsis="a crime film", genres=("Crime",))
    child = continued_checkpoint(
        parent, Catalog.build([changed, *catalog.entities[1:]], catalog.rows)
    )
    token = parent.vocabulary.entity(changed.id)
    assert not torch.equal(child.content[token], parent.content[token])
    assert torch.equal(child.content[token + 1], parent.content[token + 1])


def test_a_parent_of_an_earlier_version_gets_longer_tables(
    parent: Checkpoint, catalog: Catalog
) -> None:
    """Its weights are the same, and it may see sequences that a server's slot holds."""
    old = replace(parent, config=replace(parent.config, positions=4096))
    child = continued_checkpoint(old, catalog)
    assert child.config == parent.config
    assert child.weights.keys() == parent.weights.keys()


def test_a_parent_of_another_lineage_is_refused(parent: Checkpoint) -> None:
    """Another service's titles are none of its own; the error says what to do instead."""
    other = Catalog.build([Entity("m1", "film", "Another one", genres=("Drama",))], [])
    with pytest.raises(CheckpointError, match=r"none of the catalog's 1 titles.*another lineage"):
        continued_checkpoint(parent, other)
