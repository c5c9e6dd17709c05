"""Exploration: exact chances, seeded draws, nothing outside what is allowed."""

from collections import Counter

import numpy as np
import pytest

from genpage.errors import InputError
from genpage.exploration import Chosen, Exploration, seed_of

SCORES = np.array([0.2, 1.7, -0.4, 1.1], np.float32)
BEST = np.array([1, 3, 0, 2])


def one(policy: Exploration, position: int, seed: int = 5) -> Chosen:
    """A single choice."""
    return policy.choose(SCORES, BEST[:1], seed=seed, position=position)


def textbook(policy: Exploration, places: tuple[int, ...]) -> float:
    """The chance of these places in this order, by the formula."""
    chance, left = 1.0, list(range(len(SCORES)))
    for place in places:
        odds = {index: np.exp(float(SCORES[index]) / policy.temperature) for index in left}
        drawn = policy.share * odds[place] / sum(odds.values())
        chance *= drawn + (1 - policy.share) * (place == max(left, key=lambda i: SCORES[i]))
        left.remove(place)
    return float(chance)


def test_choices_come_as_often_as_their_chances_say() -> None:
    """Over many positions frequencies are the chances, and the share is what was declared."""
    policy = Exploration(0.3, 0.8)
    made = [one(policy, position) for position in range(20_000)]
    found = Counter(int(each.places[0]) for each in made)
    chances: dict[int, float] = {}
    for each in made[:2_000]:
        chances[int(each.places[0])] = float(policy.chances(SCORES, each)[0])
    assert sum(chances.values()) == pytest.approx(1.0)
    assert chances == pytest.approx({place: textbook(policy, (place,)) for place in range(4)})
    for place, chance in chances.items():
        assert found[place] / len(made) == pytest.approx(chance, abs=0.012)
    assert np.mean([each.drawn[0] for each in made]) == pytest.approx(0.3, abs=0.012)


def test_choices_one_after_another_have_the_chance_of_their_order() -> None:
    """Three of four, drawn without putting back: every order's chance is exact; they sum to 1."""
    policy = Exploration(0.6, 0.8)
    orders: Counter[tuple[int, ...]] = Counter()
    chances: dict[tuple[int, ...], float] = {}
    for turn in range(20_000):
        chosen = policy.choose(SCORES, BEST[:3], seed=2, position=3 * turn)
        order = tuple(chosen.places.tolist())
        orders[order] += 1
        if order not in chances:
            chances[order] = float(policy.chances(SCORES, chosen).prod())
    assert len(chances) == 24
    assert sum(chances.values()) == pytest.approx(1.0)
    for order, chance in chances.items():
        assert chance == pytest.approx(textbook(policy, order))
        assert orders[order] / 20_000 == pytest.approx(chance, abs=0.012)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_odds_are_the_chances_of_each(share: float) -> None:
    """Of all that may come next, as the textbook has them; of equals the first is the best."""
    policy = Exploration(share, 0.8)
    odds = policy.odds(SCORES)
    assert odds.tolist() == pytest.approx([textbook(policy, (place,)) for place in range(4)])
    assert odds.sum() == pytest.approx(1.0)
    level = Exploration(0.4).odds(np.ones(4, np.float32))
    assert level.tolist() == pytest.approx([0.7, 0.1, 0.1, 0.1])
    assert not len(policy.odds(SCORES[:0]))


def test_a_policy_is_called_by_what_it_draws() -> None:
    """In reports."""
    names = [Exploration(share, 0.5).name for share in (0.0, 0.02, 1.0)]
    assert names == [
        "greedy",
        "0.02 drawn at temperature 0.5",
        "all drawn at temperature 0.5",
    ]


def test_no_share_is_greedy_with_certainty() -> None:
    """The best, in order, with propensity 1."""
    policy = Exploration()
    chosen = policy.choose(SCORES, BEST, seed=1, position=0)
    assert chosen.places.tolist() == BEST.tolist()
    assert policy.chances(SCORES, chosen).tolist() == [1.0] * 4
    assert not chosen.drawn.any()


def test_a_choice_is_a_function_of_seed_and_position() -> None:
    """Taken up again, or guessed ahead, a page explores the same; another page does not."""
    policy = Exploration(0.5)

    def page(seed: int) -> list[int]:
        return [int(one(policy, position, seed).places[0]) for position in range(200)]

    assert page(3) == page(3)
    assert page(3) != page(4)
    assert seed_of("one page") == seed_of("one page") != seed_of("another")


def test_choices_made_together_draw_as_choices_made_singly() -> None:
    """How positions are grouped changes nothing: a fill explores as its titles one by one would."""
    policy = Exploration(0.5)
    for seed in range(50):
        together = policy.choose(SCORES, BEST, seed=seed, position=7)
        left = np.arange(4)
        for turn, place in enumerate(together.places.tolist()):
            scores = SCORES[left]
            best = np.array([scores.argmax()])
            single = policy.choose(scores, best, seed=seed, position=7 + turn)
            assert left[single.places[0]] == place
            left = left[left != place]


@pytest.mark.parametrize(("share", "temperature"), [(-0.1, 1.0), (1.1, 1.0), (0.1, 0.0)])
def test_what_is_no_policy_is_refused(share: float, temperature: float) -> None:
    """The field is named."""
    with pytest.raises(InputError, match=r"share|temperature"):
        Exploration(share, temperature)
