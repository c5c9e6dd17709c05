"""What titles' appeal owes to what, on weights simple enough to say it by hand."""

from dataclasses import replace

import numpy as np
import pytest

from genpage.catalog import Catalog
from genpage.entity import Entity
from tokenizer.appeal import AFFINITY, GAIN, HIDDEN, Appeal, AppealWeights, shapes
from tokenizer.content import VectorContentEncoder
from tokenizer.grounds import GROUNDS, ground_of, owed
from tokenizer.signs import ASKED, SIGN_NAMES, SIGNS, WISHES, Signs

CONTENT, TITLES = 64, 5
CATALOG = Catalog.build([Entity(f"e{n}", "film", f"T{n}") for n in range(TITLES)], [])


class Encoder(VectorContentEncoder):
    """Content that differs by title."""

    def encode(self, entities: object) -> np.ndarray:
        """One axis a title."""
        del entities
        return np.eye(TITLES, CONTENT, dtype=np.float32)


def appeal(**weights: np.ndarray) -> Appeal:
    """All weights 0 but these."""
    zeros = {
        name: np.zeros(shape, np.float32) for name, shape in shapes(CONTENT, 2 * TITLES).items()
    }
    tokens = np.arange(TITLES, dtype=np.int32)[::-1].copy()
    return Appeal.over(AppealWeights(**{**zeros, **weights}), CATALOG, Encoder(CONTENT), tokens)


def signs() -> Signs:
    """Anything."""
    chance = np.random.default_rng(3)
    return Signs(
        chance.normal(size=(SIGNS, TITLES)).astype(np.float32),
        chance.normal(size=(WISHES, CONTENT)).astype(np.float32),
        chance.normal(size=ASKED).astype(np.float32),
    )


@pytest.mark.parametrize("sign", SIGN_NAMES)
def test_a_sign_alone_gives_all_to_its_ground(sign: str) -> None:
    """The whole is one sign's, and no other ground has a part in it."""
    number, told = SIGN_NAMES.index(sign), signs()
    plain = np.zeros(SIGNS, np.float32)
    plain[number] = 0.3
    found = owed(appeal(plain=plain), told)
    assert set(found) == set(GROUNDS)
    for ground, logits in found.items():
        expected = GAIN * 0.3 * told.titles[number] if ground == ground_of(sign) else np.zeros(5)
        assert logits == pytest.approx(expected, abs=1e-4)


def test_every_known_sign_has_a_ground() -> None:
    """None of today's falls under what has no name."""
    found = {ground_of(name) for name in SIGN_NAMES}
    assert found == {"own", "taste", "trending", "new", "kind", "fit"}
    assert ground_of("a sign of tomorrow") == "other"


def test_wishes_are_taste_and_a_titles_own_number_is_quality() -> None:
    """The affinity of contents, and what was learnt of each title."""
    wish = np.zeros((WISHES, CONTENT, AFFINITY), np.float32)
    title = np.zeros((CONTENT, AFFINITY), np.float32)
    wish[1, :, 0], title[:, 0] = 0.5, np.arange(CONTENT, dtype=np.float32)
    told = signs()
    over = appeal(wish=wish, title=title)
    found = owed(over, told)
    expected = GAIN * 0.5 * told.wishes[1].sum() * (over.titles.content @ title[:, 0])
    assert found["taste"] == pytest.approx(expected, rel=1e-4)
    each = np.arange(2 * TITLES, dtype=np.float32)
    quality = owed(appeal(quality=each), told)
    assert quality["quality"] == pytest.approx(GAIN * each[:TITLES][::-1], rel=1e-5)
    for grounds, named in ((found, "taste"), (quality, "quality")):
        assert not any(logits.any() for ground, logits in grounds.items() if ground != named)


def test_the_moment_works_through_the_hidden_units() -> None:
    """Without the hour a unit that it had opened is shut, and the sign behind it tells nothing."""
    number = SIGN_NAMES.index("pace_0")
    inner = np.zeros((SIGNS, HIDDEN), np.float32)
    asked = np.zeros((ASKED, HIDDEN), np.float32)
    outer = np.zeros(HIDDEN, np.float32)
    inner[number, 0], asked[2, 0], outer[0] = 1.0, 4.0, 0.1
    told = replace(signs(), asked=np.eye(ASKED, dtype=np.float32)[2])
    found = owed(appeal(inner=inner, asked=asked, outer=outer), told)
    pace = told.titles[number]
    whole = np.maximum(0.0, pace + 4.0)
    assert found["moment"] == pytest.approx(GAIN * 0.1 * (whole - np.maximum(0.0, pace)), abs=1e-4)
    assert found["trending"] == pytest.approx(GAIN * 0.1 * (whole - 4.0), abs=1e-4)
