"""The slow twin of slots, chunks, decoder and selection: one page, the plainest way.

The whole prefix is hashed again for every decision, everything allowed is sorted in full, and no
cache, batch or chunk exists. It shares with the fast path the grammar, the fake's hash function
and nothing else.
"""

from math import log

import numpy as np

from genpage.grammar import DecodedRow, PageGrammar
from runtime.arrays import FloatArray, IntArray
from runtime.fake import EMPTY, FakeModel, absorb, hidden_of


def decode_naively(
    model: FakeModel,
    prompt: IntArray,
    grammar: PageGrammar,
    rows: int,
    *,
    autoregressive: int = 4,
    temperature: float = 0.0,
    seed: int = 0,
) -> tuple[DecodedRow, ...]:
    """The rows of a page; advances ``grammar``, which must be at the page's start."""
    tokens = prompt.tolist()
    position = 0
    row_count = len(model.row_tokens)
    most = 10_000 if model.serialised is None else model.serialised

    def ranked(allowed: list[int], first: int, size: int) -> list[int]:
        scores = scores_after(model, tokens)
        noise = noise_at(seed, position, size)

        def value(index: int) -> float:
            score = float(scores[first + index])
            return score if temperature == 0 else score / temperature + noise[index]

        return sorted(allowed, key=lambda index: (-value(index), index))

    while len(grammar.rows) < rows and len(grammar.allowed_rows()):
        row = ranked(grammar.allowed_rows().tolist(), 0, row_count)[0]
        grammar.open_row(row)
        tokens.append(int(model.row_tokens[row]))
        position += 1
        placed = 0
        while grammar.room:
            order = ranked(grammar.allowed_entities().tolist(), row_count, len(model.entity_tokens))
            # Fill with the last autoregressive one, or behind the last one in the sequence.
            filling = placed == most or (autoregressive < most and placed == autoregressive - 1)
            chosen = order[: grammar.room] if filling else order[:1]
            for entity in chosen:
                grammar.add(entity)
                placed += 1
                if placed <= most:
                    tokens.append(int(model.entity_tokens[entity]))
            position += len(chosen)
    return grammar.rows


def scores_after(model: FakeModel, tokens: list[int]) -> FloatArray:
    """Scores (R + E,) behind a whole prefix, hashed from its first token."""
    state = EMPTY
    for token in tokens:
        state = absorb(state, token)
    scores: FloatArray = model.head.scores(np.array([hidden_of(state)], np.float32))[0]
    return scores


def noise_at(seed: int, position: int, size: int) -> list[float]:
    """Gumbel noise of all indices, from the generator's own numbers and the textbook formula."""
    bits = np.random.Philox(key=seed, counter=[0, position, 0, 0]).random_raw(size).tolist()
    return [-log(-log(((b >> 11) + 0.5) / 2**53)) for b in bits]
