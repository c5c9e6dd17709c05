"""What a row was chosen over, by scores that a hand can add up."""

from dataclasses import replace

import numpy as np
import pytest
from pages import library, plan

from genpage.grammar import DecodedRow
from runtime.choice import NextBest, RowChoice
from runtime.fake import FakeModel
from runtime.writer import PageWriter
from tokenizer.appeal import PageAppeal


def test_score_promise_and_the_next_best() -> None:
    """The best of the others that might have opened stands beside it."""
    scores = np.array([5.0, 4.0, 3.0], np.float32)
    allowed = np.array([0, 2, 3], np.int32)
    added = np.array([0.5, 0.25, 2.0], np.float32)
    found = RowChoice.of(scores, allowed, 0, added)
    assert found == RowChoice(5.0, 0.5, 3, NextBest(2, 4.0))
    assert RowChoice.of(scores, allowed, 3, None) == RowChoice(3.0, 0.0, 3, NextBest(0, 5.0))
    assert RowChoice.of(scores[:1], allowed[:1], 0, added[:1]) == RowChoice(5.0, 0.5, 1, None)


@pytest.mark.parametrize("fork", [False, True])
def test_a_written_row_carries_it(fork: bool) -> None:
    """The score is logit plus promise, as it was when the row opened, in a copy as well."""
    page = plan(library(entities=60, rows=4), rows=2, entities_per_row=3, autoregressive=1)
    model = FakeModel.of(page.catalog)
    worth = np.linspace(1.0, 0.0, 60).astype(np.float32)
    appeal = PageAppeal.of(worth, np.array([2.0, 0.0, 0.0, 0.0], np.float32))
    writer = PageWriter(replace(page.job(model), appeal=appeal))
    logits = np.zeros(4 + 60, np.float32)
    logits[:4] = [0.0, 3.0, 1.0, 2.0]
    writer.decide(logits)
    writer = writer.fork() if fork else writer
    _, written = writer.decide(np.zeros_like(logits))
    assert written is not None
    best = worth[page.grammar().left_for(1)].max()
    assert written.choice is not None
    assert written.choice.promise == pytest.approx(2.0 * best)
    assert written.choice.score == pytest.approx(3.0 + 2.0 * best)
    assert written.choice.candidates == 4
    assert written.choice.next_best is not None
    assert written.choice.next_best.row == 3
    # It explains the row and is no part of it.
    assert written == replace(written, choice=None)
    assert written.row == DecodedRow(1, written.row.entities)
