"""Which titles go together: against counting by hand, and blind to what comes later."""

from itertools import combinations

import numpy as np
import pytest

from genpage.catalog import Catalog
from genpage.entity import Entity
from tokenizer.history import Histories
from tokenizer.vocabulary import Vocabulary
from training.together import PRIOR, SITTING_S, Together

Rows = list[tuple[str, str, float]]
CATALOG = Catalog.build(
    [Entity(f"e{n}", "film", f"{('Iron', 'Blue', 'Far')[n % 3]} story {n}") for n in range(12)], []
)
VOCABULARY = Vocabulary().grown(CATALOG)


def rows(seed: int = 0, count: int = 120) -> Rows:
    """Members who have titles hours and days apart, some of them again."""
    chance = np.random.default_rng(seed)
    return [
        (f"u{chance.integers(5)}", f"e{chance.integers(12)}", float(n * 9000 + chance.integers(99)))
        for n in range(count)
    ]


def together(events: Rows) -> Together:
    """The pairs of these events."""
    users, entities, times = zip(*events, strict=True)
    plays = ["play"] * len(events)
    histories = Histories.of(VOCABULARY, users, entities, plays, times, [None] * len(events))  # type: ignore[arg-type]  # "play" is an action
    return Together.of(histories, VOCABULARY, CATALOG)


@pytest.mark.parametrize("kind", ["sit", "any"])
def test_chances_are_counted_by_hand(kind: str) -> None:
    """A weight is the pairs seen over the title's events and the prior; heaviest first."""
    events, at = rows(), 700_000.0
    pairs: dict[tuple[str, str], int] = {}
    counts: dict[str, int] = {}
    for _, entity, ts in events:
        if ts < at:
            counts[entity] = counts.get(entity, 0) + 1
    for user in {user for user, _, _ in events}:
        mine = [(e, ts) for u, e, ts in events if u == user and ts < at]
        for (one, first), (other, last) in combinations(mine, 2):
            if one != other and (kind == "any" or last - first < SITTING_S):
                for pair in ((one, other), (other, one)):
                    pairs[pair] = pairs.get(pair, 0) + 1
    lists = together(events).before(at).neighbours[kind]  # type: ignore[index]  # a kind
    found = 0
    for entity, count in counts.items():
        token = VOCABULARY.entity(entity)
        near = slice(int(lists.offsets[token]), int(lists.offsets[token + 1]))
        weights = lists.weights[near]
        assert (np.diff(weights) <= 0).all()
        for other, weight in zip(lists.tokens[near].tolist(), weights.tolist(), strict=True):
            item = VOCABULARY.item(other)
            assert item is not None
            expected = pairs[entity, item.id] / (count + PRIOR)
            assert weight == pytest.approx(expected, rel=1e-6)
            found += 1
    assert found == len(pairs) > 50


def test_what_comes_later_is_unknown() -> None:
    """The lists as of a moment do not change with what is done from it on."""
    events, at = rows(), 500_000.0
    whole, past = together(events), together([row for row in events if row[2] < at])
    for kind, lists in whole.before(at).neighbours.items():
        other = past.before(at).neighbours[kind]
        assert np.array_equal(lists.offsets, other.offsets)
        assert np.array_equal(lists.tokens, other.tokens)
        assert np.array_equal(lists.weights, other.weights)
    later = whole.before(2e6).neighbours["sit"]
    assert len(later.tokens) > len(whole.before(at).neighbours["sit"].tokens)


def test_texts_that_share_words_are_near() -> None:
    """A title's first neighbour by text shares its first word, and none is its own."""
    lists = together(rows()).text
    for number in range(12):
        token = VOCABULARY.entity(f"e{number}")
        near = lists.tokens[lists.offsets[token] : lists.offsets[token + 1]]
        assert token not in near
        nearest = VOCABULARY.item(int(near[0]))
        assert nearest is not None
        assert int(nearest.id[1:]) % 3 == number % 3
