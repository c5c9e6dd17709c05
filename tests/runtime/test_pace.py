"""How far to draft: what a token, a guess and a pass are found to cost."""

import numpy as np
import pytest
from drafting import decode
from pages import (
    library,
    plan,
)

from runtime.fake import FakeModel
from runtime.pace import Pace


@pytest.mark.parametrize(("alone", "token"), [(7.0, 0.6), (1.0, 0.02), (1.0, 5.0)])
def test_the_cost_of_a_token_is_that_of_the_line_through_the_passes(
    alone: float, token: float
) -> None:
    """In passes; bounded, so that drafting neither ends for ever nor runs away."""
    pace = Pace()
    generator = np.random.default_rng(0)
    for tokens in generator.integers(1, 40, 400).tolist():
        pace.passed(tokens, alone + token * tokens)
    assert pace.token == pytest.approx(min(token / alone, 1.0))


class Ticks:
    """A clock that goes on by as much as it is told to each time it is read."""

    def __init__(self, each: float) -> None:
        self.now, self.each = 0.0, each

    def __call__(self) -> float:
        """Seconds."""
        self.now += self.each
        return self.now


@pytest.mark.parametrize(("guess", "drafts"), [(0.0001, True), (5.0, False)])
def test_a_guess_that_costs_more_than_a_pass_is_not_made(guess: float, *, drafts: bool) -> None:
    """A small model's passes are cheaper than guessing them away; the page is the same."""
    page = plan(library())
    model = FakeModel.of(page.catalog, steady=0.97)
    pace = Pace(Ticks(guess))
    for round_ in range(3):
        for tokens in (2, 3, 5, 9) * 10:
            pace.passed(tokens, 1.0)
        rows, passes = decode(page.job(model), model, pace)
        assert tuple(rows) == page.naive(model)
        if round_:
            plain = len(decode(page.job(model), model, None)[1])
            assert (len(passes) < 0.8 * plain) is drafts


def test_a_guess_is_tried_again_now_and_then() -> None:
    """What was too dear once is measured anew."""
    pace = Pace()
    pace.drafted(2, 8.0)
    for tokens in (2, 3, 5, 9) * 10:
        pace.passed(tokens, 1.0)
    assert pace.guess > 3.0
    tries = [pace.worth(1.0, 1, 0) for _ in range(640)]
    assert sum(tries) == 10
    for _ in range(2000):
        pace.drafted(1, 0.01)
        pace.passed(2, 1.0)
        pace.passed(8, 1.0)
    assert pace.guess == pytest.approx(0.01, rel=0.1)
    assert pace.worth(1.0, 1, 0)


@pytest.mark.parametrize(("seconds", "looks"), [(0.3, 100), (0.9, 1)])
def test_a_look_is_worth_what_it_saves(seconds: float, looks: int) -> None:
    """Of passes that take a second, by a guess that is right in eight of ten cases, nearly."""
    pace = Pace()
    for tokens in (1, 2, 3, 5) * 10:
        pace.passed(tokens, 1.0)
    assert pace.worth_a_look("row kept", pace.chance("row kept"), 1)
    pace.looked("row kept", seconds)
    assert sum(pace.worth_a_look("row kept", 0.8, 1) for _ in range(100)) == looks
    assert not pace.worth_a_look("fill", 0.05, 17)


def test_a_wrong_token_is_worth_the_scores_that_it_leaves_behind() -> None:
    """While tokens cost less than that, and as many as are kept; one that decides a fill is not."""
    pace = Pace()
    pace.token = 0.04
    assert pace.worth(0.0, 1, 5)
    assert not pace.worth(0.0, 1, 12)
    assert not pace.worth(0.0, 17, 5)
    pace.token = 0.06
    assert not pace.worth(0.0, 1, 5)
    assert pace.worth(0.02, 1, 5)


def test_what_a_draft_saves_is_shared_by_pages_decoded_at_once() -> None:
    """Of a pass of eight pages each saves an eighth, for tokens that cost as much."""
    pace = Pace()
    for tokens in (16, 24, 40, 72) * 10:
        pace.passed(tokens, 1.0 + 0.02 * tokens)
    assert pace.token == pytest.approx(0.02)
    assert pace.worth(0.1, 1, 12)
    pace.shared_by(8)
    assert not pace.worth(0.1, 1, 12)
    assert pace.worth(0.2, 1, 12)
    assert not pace.worth_a_look("entity far", 0.5, 17)
