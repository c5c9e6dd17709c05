"""The plain decoder obeys the grammar and selects as the contract says."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genpage.catalog import Catalog
from genpage.context import Context
from genpage.grammar import DecodedRow, PageGrammar
from genpage.request import PageRequest
from genpage.rules import Rules
from genpage.trends import Trends
from model.checkpoint import Checkpoint
from model.decode import best, decode_page
from model.packing import Packing
from model.twin import TorchTwin

PROMPT = np.array([1, 5, 530, 9, 10], np.int32)


class Recorder:
    """Fixed scores for any sequence; remembers what it was asked."""

    def __init__(self, scores: NDArray[np.float32]) -> None:
        self._scores = scores
        self.asked: list[list[int]] = []

    def scores(self, tokens: NDArray[np.int32]) -> NDArray[np.float32]:
        """The same scores after every sequence."""
        self.asked.append(tokens.tolist())
        return self._scores


def start(catalog: Catalog, entities_per_row: int) -> PageGrammar:
    """An empty page for nobody in particular."""
    request = PageRequest("u", at=1.7e9, entities_per_row=entities_per_row)
    return PageGrammar.start(catalog, Rules.default(), Context("u"), request, Trends.none(catalog))


def decode(
    scorer: TorchTwin | Recorder,
    checkpoint: Checkpoint,
    grammar: PageGrammar,
    rows: int,
    alone: int,
    serialised: int | None = None,
) -> tuple[DecodedRow, ...]:
    """Decode with the checkpoint's item tokens."""
    row_tokens, entity_tokens = checkpoint.vocabulary.item_tokens(checkpoint.catalog)
    return decode_page(
        scorer,
        PROMPT,
        grammar,
        row_tokens=row_tokens,
        entity_tokens=entity_tokens,
        rows=rows,
        autoregressive=alone,
        serialised=serialised,
    )


@pytest.mark.parametrize(("alone", "passes"), [(1, 1), (4, 4), (6, 6), (9, 6)])
def test_a_row_takes_as_many_passes_as_it_has_autoregressive_entities(
    catalog: Catalog, checkpoint: Checkpoint, alone: int, passes: int
) -> None:
    """Each row costs one pass for its token and one for each entity until the fill."""
    scorer = Recorder(np.arange(4 + 60, dtype=np.float32))
    decode(scorer, checkpoint, start(catalog, 6), 2, alone)
    assert len(scorer.asked) == 2 * (1 + passes)
    assert scorer.asked[0] == PROMPT.tolist()
    assert len(scorer.asked[1 + passes]) == len(PROMPT) + 7


@pytest.mark.parametrize(
    ("alone", "serialised", "passes"), [(4, 2, 3), (2, 2, 3), (4, 3, 4), (1, 3, 1), (4, 6, 4)]
)
def test_a_short_row_is_filled_behind_what_is_in_the_sequence(
    catalog: Catalog, checkpoint: Checkpoint, alone: int, serialised: int, passes: int
) -> None:
    """Each of those is decided alone; the row's tail stands on the page and in no sequence."""
    scorer = Recorder(np.arange(4 + 60, dtype=np.float32))
    rows = decode(scorer, checkpoint, start(catalog, 6), 2, alone, serialised)
    assert [len(row.entities) for row in rows] == [6, 6]
    assert len({entity for row in rows for entity in row.entities}) == 12
    assert len(scorer.asked) == 2 * (1 + passes)
    assert len(scorer.asked[1 + passes]) == len(PROMPT) + 1 + serialised


def test_selection_is_by_score_then_by_index(catalog: Catalog, checkpoint: Checkpoint) -> None:
    """The highest allowed scores win; of equals the lower catalog index."""
    scores = np.zeros(4 + 60, np.float32)
    scores[1] = 1.0  # r-Comedy
    scores[4 + 40] = 2.0
    scores[4 + 3] = 9.0  # a drama: not allowed in the row
    (row,) = decode(Recorder(scores), checkpoint, start(catalog, 4), 1, 2)
    assert row == DecodedRow(1, (40, 1, 4, 7))


def test_best_takes_only_what_is_allowed() -> None:
    """A disallowed index is never selected, whatever its score."""
    scores = np.array([5, 1, 5, 9, 5], np.float32)
    assert best(scores, np.array([0, 1, 2, 4], np.int32), 3) == [0, 2, 4]


def test_the_page_ends_when_the_grammar_is_exhausted(
    catalog: Catalog, checkpoint: Checkpoint
) -> None:
    """More rows than the catalog can fill give the rows that it can."""
    page = decode(TorchTwin(checkpoint), checkpoint, start(catalog, 20), 10, 4)
    assert 1 <= len(page) <= 3
    shown = [entity for row in page for entity in row.entities]
    assert len(shown) == len(set(shown)) == 20 * len(page)


def test_rows_shown_before_count(catalog: Catalog, checkpoint: Checkpoint) -> None:
    """A continued page is decoded up to the number of rows in all."""
    grammar = start(catalog, 5)
    grammar.replay([DecodedRow(0, (0, 3, 6, 9, 12))])
    page = decode(TorchTwin(checkpoint), checkpoint, grammar, 2, 4)
    assert len(page) == 2
    assert page[0].row == 0


def test_twin_scores_are_the_networks_logits(
    make_checkpoint: Callable[..., Checkpoint],
) -> None:
    """Scores after the last token are the network's logits of the catalog's tokens."""
    checkpoint = make_checkpoint(seed=2)
    network = checkpoint.network()
    rows, entities = checkpoint.vocabulary.item_tokens(checkpoint.catalog)
    logits = (
        network(torch.from_numpy(PROMPT).long(), Packing.single(len(PROMPT)))[-1].detach().numpy()
    )
    scores = TorchTwin(checkpoint).scores(PROMPT)
    np.testing.assert_allclose(scores, logits[np.concatenate([rows, entities])], atol=1e-5)
