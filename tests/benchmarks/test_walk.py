"""A peer's walk over a page: the same choices as the plain decoder's, token by token."""

import pickle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from strategies import world

from benchmarks.peers.task import PageTask
from genpage.grammar import PageGrammar
from genpage.rules import Rules
from model.decode import decode_page
from runtime.fake import FakeModel

IntArray = NDArray[np.int32]
FloatArray = NDArray[np.float32]


class Scores:
    """What a peer's logits are: some number for each token, after each sequence."""

    def __init__(self, tokens: IntArray, seed: int) -> None:
        self._tokens, self._seed = tokens, seed

    def logits(self, sequence: IntArray) -> FloatArray:
        """(n,) -> (V,)."""
        generator = np.random.default_rng([self._seed, *sequence.tolist()])
        return generator.standard_normal(int(self._tokens.max()) + 1).astype(np.float32)

    def scores(self, tokens: IntArray) -> FloatArray:
        """(n,) -> (R + E,)."""
        return self.logits(tokens)[self._tokens]


@given(st.integers(100, 2**20), st.integers(1, 4), st.integers(1, 6))
def test_a_walk_chooses_what_the_plain_decoder_chooses(seed: int, rows: int, entities: int) -> None:
    """Every title alone, by the same rules, also after a journey to another process."""
    there = world(seed)
    request = there.request
    grammar = PageGrammar.start(
        there.catalog, Rules.default(), there.context, request, there.trends
    )
    model = FakeModel.of(there.catalog, slots=1)
    names = np.concatenate([model.row_tokens, model.entity_tokens])
    scores = Scores(names, seed)
    prompt = np.array([1, 2, 3], np.int32)
    task = PageTask(prompt, grammar, rows, entities, model.row_tokens, model.entity_tokens)
    walk = pickle.loads(pickle.dumps(task)).walk()  # noqa: S301 - our own
    sequence = prompt
    while not walk.done:
        token = walk.choose(scores.logits(sequence))
        sequence = np.append(sequence, np.int32(token))
    expected = decode_page(
        scores,
        prompt,
        grammar.fork(),
        row_tokens=model.row_tokens,
        entity_tokens=model.entity_tokens,
        rows=rows,
        autoregressive=request.entities_per_row,
    )
    tokens = [
        int(token)
        for row in expected
        for token in (model.row_tokens[row.row], *model.entity_tokens[list(row.entities)])
    ]
    assert list(walk.taken) == tokens
    assert len(grammar.rows) == 0  # the task can be walked again


def test_a_page_has_a_token_for_each_row_and_title() -> None:
    """So many must a peer that keeps no rules decode, too."""
    there = world(5_000)
    grammar = PageGrammar.start(
        there.catalog, Rules.default(), there.context, there.request, there.trends
    )
    empty = np.zeros(0, np.int32)
    assert PageTask(empty, grammar, 10, 20, empty, empty).tokens == 210
