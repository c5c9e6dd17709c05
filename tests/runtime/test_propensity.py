"""The probabilities of sampled pages, against the textbook's."""

import math
from dataclasses import replace

import numpy as np
import pytest
from naive_decoder import scores_after
from pages import Plan, library, plan

from genpage.page import FinishReason
from genpage.propensity import propensities
from runtime.decoder import Decoder
from runtime.fake import FakeModel

Rows = list[tuple[int, tuple[int, ...], tuple[float, ...]]]


def decoded(page: Plan, model: FakeModel) -> tuple[Rows, FinishReason]:
    """The rows with their propensities."""
    decoder, rows, fed = Decoder(page.job(model)), Rows(), list[int]()
    while decoder.reason is None:
        chunk = decoder.chunk(0, decoder.length)
        fed.extend(chunk.tokens.tolist())
        decoder.fed(chunk)
        for written in decoder.take(scores_after(model, fed)[None]):
            rows.append((written.row.row, written.row.entities, written.propensities))
    return rows, decoder.reason


def naive(page: Plan, model: FakeModel, rows: Rows, temperature: float) -> list[list[float]]:
    """The same by going over the page place by place, one softmax a place."""
    grammar, fed = page.job(model).grammar, list(page.prompt)
    count = len(model.row_tokens)

    def chance(
        scores: np.ndarray[tuple[int], np.dtype[np.float32]], of: int, out: list[int]
    ) -> float:
        weights = {index: math.exp(float(scores[index]) / temperature) for index in out}
        return weights[of] / math.fsum(weights.values())

    told = []
    for row, entities, _ in rows:
        scores = scores_after(model, fed)[:count]
        chances = [chance(scores, row, grammar.allowed_rows().tolist())]
        grammar.open_row(row)
        fed.append(int(model.row_tokens[row]))
        for place, entity in enumerate(entities):
            if place < page.autoregressive:
                scores = scores_after(model, fed)[count:]
            chances.append(chance(scores, entity, grammar.allowed_entities().tolist()))
            grammar.add(entity)
            fed.append(int(model.entity_tokens[entity]))
        told.append([chances[0] * chances[1], *chances[2:]])
    return told


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("autoregressive", [1, 3, 99])
def test_propensities_are_the_naive_ones(temperature: float, autoregressive: int) -> None:
    """Of every place, in the part decoded one by one and in the fill."""
    page = plan(library(), rows=4, entities_per_row=7, autoregressive=autoregressive)
    page = replace(page, request=replace(page.request, temperature=temperature, seed=5))
    model = FakeModel.of(page.catalog)
    rows, reason = decoded(page, model)
    assert (len(rows), reason) == (4, "complete")
    for (_, _, found), wanted in zip(rows, naive(page, model, rows, temperature), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_what_is_not_drawn_has_none() -> None:
    """Greedy pages cost nothing for it."""
    page = plan(library(), rows=2, entities_per_row=3)
    rows, _ = decoded(page, FakeModel.of(page.catalog))
    assert [found for _, _, found in rows] == [(), ()]


def test_all_orders_of_all_choices_add_up_to_one() -> None:
    """Two of four, without replacement."""
    scores, allowed = np.array([0.1, 3.0, -2.0, 0.1], np.float32), np.array([2, 5, 7, 9], np.int32)
    total = 0.0
    for first in allowed:
        for second in allowed[allowed != first]:
            chosen = np.array([first, second], np.int32)
            total += float(np.prod(propensities(scores, allowed, chosen, 0.7)))
    assert total == pytest.approx(1.0, rel=1e-12)


def test_the_coldest_draw_is_certain_and_a_choice_of_all_ends_with_one() -> None:
    """No overflow, no division by nothing; the last that is left is certain."""
    scores, allowed = np.array([1.0, 2.0, 3.0], np.float32), np.arange(3, dtype=np.int32)
    chosen = np.array([2, 1, 0], np.int32)
    assert propensities(scores, allowed, chosen, 1e-200).tolist() == [1.0, 1.0, 1.0]
    assert propensities(scores, allowed, chosen, 1e9)[-1] == 1.0
