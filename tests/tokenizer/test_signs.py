"""What the moment says of titles, on a history small enough to check by hand."""

from dataclasses import replace

import numpy as np
import pytest

from genpage.catalog import Catalog
from genpage.context import Context
from genpage.entity import Entity
from genpage.event import Action, Event
from genpage.profile import Profile
from genpage.sources import EVERYTHING, Sources
from tokenizer.past import Past
from tokenizer.signs import ASKED, SIGN_NAMES, Moment, Signs, Titles, heard

DAY = 86_400.0
NOW = 1_700_000_000.0
CATALOG = Catalog.build(
    [
        Entity("film", "film", "F", genres=("A",), duration_s=6000.0, languages=("en",)),
        Entity(
            "show", "show", "S", genres=("A", "B"), duration_s=1800.0, released_at=NOW - 14 * DAY
        ),
        Entity("game", "game", "G", genres=("B",)),
        Entity("other", "film", "O", genres=("B",), languages=("ko",)),
    ],
    [],
)
PROFILE = Profile("u", "en", "adult", "GB", 18, 0.0)


class Encoder:
    """Four unit vectors, so that the mean is a quarter of each."""

    dim = 64

    def encode(self, entities: object) -> np.ndarray:
        """One axis a title."""
        del entities
        return np.eye(4, 64, dtype=np.float32)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Nothing to keep."""
        return {}


TITLES = Titles.of(CATALOG, Encoder())


def past(*events: tuple[str, Action, float, float | None]) -> Past:
    """(title, action, days ago, seconds watched), oldest first."""
    return Past.of(
        CATALOG,
        Context(
            "u",
            events=tuple(
                Event(f"ev{n}", "u", title, action, NOW - ago * DAY, seconds)
                for n, (title, action, ago, seconds) in enumerate(events)
            ),
        ),
    )


def signs(history: Past, paces: np.ndarray | None = None) -> dict[str, list[float]]:
    """By name."""
    found = Signs.of(TITLES, history, Moment(NOW, "tv", PROFILE, paces))
    assert found.asked.shape == (ASKED,)
    assert np.isfinite(found.titles).all()
    return dict(zip(SIGN_NAMES, found.titles.tolist(), strict=True))


def test_what_a_member_did_with_a_title() -> None:
    """Begun, finished, played without an end; the newest play decides, lists can be undone."""
    found = signs(
        past(
            ("film", "play", 9.0, 6000.0),
            ("film", "play", 2.0, 600.0),
            ("show", "play", 5.0, 1700.0),
            ("game", "play", 4.0, 100.0),
            ("other", "add_to_list", 3.0, None),
            ("gone", "play", 1.0, 10.0),
        )
    )
    assert found["begun"] == [1, 0, 0, 0]
    assert found["begun_lately"] == [0.5, 0, 0, 0]
    assert found["finished"] == [0, 1, 0, 0]
    assert found["regular"] == [0, 0, 1, 0]
    assert found["listed"] == [0, 0, 0, 1]
    assert found["plays"] == pytest.approx([np.log(3), np.log(2), np.log(2), 0])
    again = signs(
        past(
            ("other", "add_to_list", 3.0, None),
            ("other", "remove_from_list", 2.0, None),
            ("film", "thumbs_up", 2.0, None),
            ("film", "thumbs_down", 1.0, None),
            ("show", "play", 2.0, 10.0),
            ("show", "abandon", 1.0, 5.0),
        )
    )
    assert again["listed"] == [0, 0, 0, 0]
    assert (again["up"], again["down"]) == ([0, 0, 0, 0], [1, 0, 0, 0])
    assert (again["begun"], again["abandoned"]) == ([0, 0, 0, 0], [0, 1, 0, 0])


def test_a_member_nobody_knows_has_signs_of_titles_alone() -> None:
    """No history: nothing own and nothing near, and what titles are all the same."""
    found = signs(past())
    for name in SIGN_NAMES[:18]:
        assert found[name] == [0, 0, 0, 0]
    assert found["kind_film"] == [1, 0, 0, 1]
    assert found["spoken"] == [1, 0, 0, 0]
    assert found["new"] == [0, 0.5, 0, 0]


def test_wishes_lie_nearest_to_what_was_liked() -> None:
    """A liked title is nearest to itself, a disliked one farthest."""
    liked = signs(past(("film", "thumbs_up", 1.0, None)))["near_ever"]
    disliked = signs(past(("film", "thumbs_down", 1.0, None)))["near_ever"]
    assert np.argmax(liked) == 0
    assert np.argmin(disliked) == 0


def test_counts_are_told_against_the_average_title() -> None:
    """Twice as busy a service says the same of its titles."""
    paces = np.tile(np.array([40.0, 30.0, 20.0, 10.0], np.float32), (5, 1))
    assert signs(past(), paces)["pace_0"] == pytest.approx(signs(past(), 2 * paces)["pace_0"])
    assert signs(past(), paces)["pace_0"] == pytest.approx(
        [np.log1p(10 * 4 * share) / 3 for share in (0.4, 0.3, 0.2, 0.1)]
    )


@pytest.mark.parametrize(
    ("off", "kept"),
    [("history", 0), ("in_session", 1), ("summary", 2)],
)
def test_what_is_switched_off_is_as_if_nobody_knew_it(off: str, kept: int) -> None:
    """Sources hide events, profile and counts alike."""
    history = past(("film", "play", 2.0, 60.0), ("show", "play", 0.0, 60.0))
    moment = Moment(NOW, "tv", PROFILE, None)
    heard_past, same = heard(history, moment, Sources.without([off]))
    assert len(heard_past.entity) == kept
    assert (same.profile, same.paces) == (PROFILE, moment.paces)
    counted = replace(moment, paces=np.ones((5, 4), np.float32))
    blind = heard(history, counted, replace(EVERYTHING, profile=False, trending=False))[1]
    assert (blind.profile, blind.paces) == (None, None)
