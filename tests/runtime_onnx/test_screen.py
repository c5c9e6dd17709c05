"""Rough scores first: the choices that exact scores of everything give, bit for bit."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from genpage.errors import ArtefactError
from runtime.arrays import FloatArray, IntArray
from runtime.head import CatalogHead
from runtime.screen import Again, Screen, _Error
from runtime.selection import top
from runtime.sessions import SessionSettings

EXACT = 7
SESSION = SessionSettings(1)
WIDTHS = (64, 128, 320, 768)


class Case:
    """A catalog of an odd size, of one width, its whole head and its screen."""

    def __init__(self, width: int) -> None:
        chance = np.random.default_rng(0)
        self.width, self.items = width, 1999
        # Titles of a kind are alike, and some are longer than others: popular ones.
        kinds = chance.standard_normal((20, width))
        own = chance.standard_normal((self.items, width))
        vectors = kinds[chance.integers(0, 20, self.items)] + 0.3 * own
        vectors *= np.exp(chance.standard_normal((self.items, 1)))
        vectors[50:60] = vectors[40:50]  # equals: the index decides
        vectors[77] = 0.0
        self.vectors: FloatArray = vectors.astype(np.float32)
        self.tokens: IntArray = np.arange(self.items, dtype=np.int32)
        self.whole = CatalogHead(self.tokens, self.of, "fp32", SESSION)
        self.screen = Screen(self.tokens, EXACT, self.of, SESSION)

    def of(self, tokens: IntArray) -> FloatArray:
        """Their vectors."""
        return self.vectors[tokens]


@pytest.fixture(scope="module", params=WIDTHS)
def case(request: pytest.FixtureRequest) -> Case:
    """One of each width."""
    return Case(request.param)


@pytest.fixture
def screening(case: Case) -> Case:
    """The same, where this processor's products let it screen; elsewhere nobody does."""
    if not case.screen.again.agrees(SESSION):
        pytest.skip("here products of 64 columns are not summed as packed ones: nobody screens")
    return case


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_choices_are_those_of_exact_scores(screening: Case, seed: int) -> None:
    """Of any items, any number of them, whatever is added; and few are computed again."""
    case = screening
    chance = np.random.default_rng(seed)
    hidden = chance.standard_normal((3, case.width)).astype(np.float32)
    hidden *= np.float32(10.0 ** chance.integers(-3, 4))
    if chance.random() < 0.5:
        hidden[1] += np.float32(5.0) * case.vectors[int(chance.integers(0, 1000))]
    lines, exact = case.screen.scores(hidden), case.whole.scores(hidden)
    np.testing.assert_array_equal(lines[:, :EXACT], exact[:, :EXACT])
    size = int(chance.integers(1, case.items - EXACT))
    columns = np.sort(chance.choice(case.tokens[EXACT:], size, replace=False))
    count = int(chance.integers(1, min(40, size) + 1))
    added = None
    if chance.random() < 0.5:
        added = (chance.standard_normal(size) * np.abs(exact).max()).astype(np.float32)
    for line, scores in zip(lines, exact, strict=True):
        expected = scores[columns] if added is None else scores[columns] + added
        places, values = case.screen.refined(line, columns, added, count)
        np.testing.assert_array_equal(values, expected[places])
        np.testing.assert_array_equal(
            top(values, columns[places], count), top(expected, columns, count)
        )


def test_few_are_computed_again(case: Case) -> None:
    """Where a state is like a title, as those of a trained model are like the next one's."""
    hidden = case.vectors[100:103] + np.float32(0.1)
    columns = case.tokens[EXACT:]
    for line in case.screen.scores(hidden):
        places, _ = case.screen.refined(line, columns, None, 17)
        assert 17 <= len(places) < len(columns) // 4


def test_a_bound_is_never_too_small(case: Case) -> None:
    """A rough score is off by no more than it says, and not by far less either."""
    chance = np.random.default_rng(3)
    hidden = chance.standard_normal((20, case.width)).astype(np.float32)
    exact, rough = case.whole.scores(hidden), case.screen.rough.scores(hidden)
    for state, scores, guesses in zip(hidden, exact, rough, strict=True):
        error = _Error.of(state)
        bounds = error.bounds(case.screen._lengths, case.screen._losses, np.abs(guesses))
        off = np.abs(scores.astype(np.float64) - guesses)
        assert (off <= bounds).all()
        assert bounds.mean() < 60 * off.mean()


def test_what_is_no_number_is_told_of(case: Case) -> None:
    """Whoever chooses gets to see it."""
    hidden = np.full((2, case.width), np.nan, np.float32)
    columns = case.tokens[EXACT:]
    places, values = case.screen.refined(case.screen.scores(hidden)[0], columns, None, 3)
    with pytest.raises(ArtefactError, match="not a number"):
        top(values, columns[places], 3)


def test_agreement_is_what_it_says(case: Case) -> None:
    """Found on some items, it holds for all, whatever this processor's products are."""
    chance = np.random.default_rng(7)
    hidden = chance.standard_normal((2, case.width)).astype(np.float32)
    columns = np.arange(case.items)
    same = all(
        np.array_equal(case.screen.again.scores(state, columns), line)
        for state, line in zip(hidden, case.whole.scores(hidden), strict=True)
    )
    assert case.screen.again.agrees(SESSION) == same


def test_without_agreement_nobody_screens(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """One last bit is enough, on any processor."""
    exact = Again.lines

    def other(self: Again, hidden: FloatArray, columns: NDArray[np.integer]) -> FloatArray:
        lines = exact(self, hidden, columns)
        lines[:, -1] = np.nextafter(lines[:, -1], np.float32(np.inf))
        return lines

    monkeypatch.setattr(Again, "lines", other)
    assert not Again(case.tokens, case.of).agrees(SESSION)
