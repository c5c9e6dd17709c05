"""Greedy hybrid decoding, written plainly: the page that every faster decoder must give.

In each row the first entities are generated one by one; the last of them and all that fill the
row come from one set of scores (METHOD, "Hybrid row decoding"). Of short rows (`tokenizer.page`)
the first ``serialised`` entities are in the sequence, and the tail is filled behind them. Every
step recomputes the whole sequence through the twin.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genpage.grammar import DecodedRow, PageGrammar
from tokenizer.appeal import PageAppeal
from tokenizer.page import entities_before_fill

IntArray = NDArray[np.int32]
FloatArray = NDArray[np.float32]


class Scorer(Protocol):
    """Scores what may come next: `model.twin.TorchTwin`."""

    def scores(self, tokens: IntArray) -> FloatArray:
        """Logits after the last token, rows then entities in catalog order: (n,) -> (R + E,)."""
        ...


def decode_page(
    scorer: Scorer,
    prompt: IntArray,
    grammar: PageGrammar,
    *,
    row_tokens: IntArray,
    entity_tokens: IntArray,
    rows: int,
    autoregressive: int = 4,
    serialised: int | None = None,
    appeal: PageAppeal | None = None,
) -> tuple[DecodedRow, ...]:
    """Write ``rows`` rows (fewer where the grammar is exhausted); ``grammar`` is mutated.

    ``prompt`` ends where the first new row is predicted. Rows that the grammar already holds
    count towards ``rows``. The token arrays are `Vocabulary.item_tokens` of the catalog. What the
    ``appeal`` adds to scores is found anew at every choice.
    """
    sequence = [int(token) for token in prompt]
    first_entity = len(row_tokens)
    while len(grammar.rows) < rows:
        allowed = grammar.allowed_rows()
        if not len(allowed):
            break
        scores = scorer.scores(np.array(sequence, np.int32))[:first_entity].copy()
        if appeal is not None:
            scores[allowed] += appeal.fresh().rows(grammar, allowed)
        row = best(scores, allowed, 1)[0]
        grammar.open_row(row)
        sequence.append(int(row_tokens[row]))
        before_fill = entities_before_fill(autoregressive, serialised)
        placed: list[int] = []
        while grammar.room:
            scores = scorer.scores(np.array(sequence, np.int32))[first_entity:]
            if appeal is not None:
                scores = scores + appeal.fresh().titles(grammar)
            wanted = 1 if len(placed) < before_fill else grammar.room
            for entity in best(scores, grammar.allowed_entities(), wanted):
                grammar.add(entity)
                placed.append(entity)
                if serialised is None or len(placed) <= serialised:
                    sequence.append(int(entity_tokens[entity]))
    return grammar.rows


def best(scores: FloatArray, allowed: IntArray, count: int) -> list[int]:
    """The ``count`` allowed indices with the highest scores, ties by the lower index."""
    order = np.lexsort((allowed, -scores[allowed]))[:count]
    return [int(index) for index in allowed[order]]
