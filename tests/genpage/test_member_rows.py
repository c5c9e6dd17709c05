"""The rows that a member fills."""

from typing import Literal
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from strategies import World, worlds

from genpage.catalog import Catalog
from genpage.context import Context, apply_event
from genpage.entity import Entity
from genpage.event import Action, Event
from genpage.member_rows import because_of, member_row, related
from genpage.trends import Trends

HOUR = 3600.0
FILMS = [
    Entity("a", "film", "A", genres=("Drama",), duration_s=2 * HOUR),
    Entity("b", "film", "B", genres=("Drama", "Crime"), duration_s=2 * HOUR),
    Entity("c", "film", "C", genres=("Crime",), duration_s=2 * HOUR),
    Entity("d", "film", "D", genres=("Family",), duration_s=2 * HOUR),
    Entity("g", "game", "G", duration_s=2 * HOUR),
]
CATALOG = Catalog.build(FILMS, [])


def member(*actions: tuple[Action, str, float | None]) -> Context:
    """A member who did these things, one a second."""
    context = Context("m")
    for number, (action, entity, duration) in enumerate(actions):
        event = Event(f"v{number}", "m", entity, action, float(number), duration)
        context = apply_event(context, event)
    return context


def row(kind: str, context: Context) -> list[str]:
    """The entity ids of a member's row."""
    assert kind in {"continue", "my_list", "because", "trending"}
    found = member_row(kind, CATALOG, context, Trends.none(CATALOG))  # type: ignore[arg-type]
    return [CATALOG.entities[index].id for index in found]


def test_continue_holds_what_was_begun_and_not_finished() -> None:
    """Finished, abandoned, unknown and untimed plays are no business of it; newest first."""
    context = member(
        ("play", "a", HOUR),
        ("play", "b", HOUR),
        ("play", "b", 2 * HOUR),
        ("play", "c", HOUR),
        ("play", "d", HOUR),
        ("abandon", "d", 60.0),
        ("play", "g", HOUR),
        ("play", "gone", HOUR),
        ("play", "a", HOUR),
    )
    assert row("continue", context) == ["a", "c"]


def test_my_list_is_what_was_added_and_not_removed() -> None:
    """Newest first; what the catalog lacks is left out."""
    context = member(
        ("add_to_list", "a", None),
        ("add_to_list", "b", None),
        ("remove_from_list", "a", None),
        ("add_to_list", "gone", None),
        ("add_to_list", "d", None),
    )
    assert row("my_list", context) == ["d", "b"]


def test_because_ranks_by_shared_genres_and_leaves_out_what_is_known() -> None:
    """The latest liked title is the anchor; a title without a shared genre is not related."""
    context = member(("play", "c", None), ("play", "a", None), ("thumbs_down", "d", None))
    anchor = because_of(CATALOG, context)
    assert anchor is not None
    assert CATALOG.entities[anchor].id == "a"
    assert row("because", context) == ["b"]


def test_a_member_without_history_has_empty_rows() -> None:
    """Cold start fills none of them."""
    for kind in ("continue", "my_list", "because", "trending"):
        assert row(kind, Context("nobody")) == []


@given(worlds(), st.integers(1, 8))
def test_related_titles_are_those_of_a_full_sort(world: World, limit: int) -> None:
    """By shared genres over all genres of either, ties in catalog order, however many are kept."""
    catalog, known = world.catalog, {event.entity_id for event in world.context.events}
    anchor = because_of(catalog, world.context)
    expected: list[int] = []
    if anchor is not None:
        genres = [set(entity.genres) for entity in catalog.entities]
        near = {
            index: np.float32(len(theirs & genres[anchor])) / len(theirs | genres[anchor])
            for index, theirs in enumerate(genres)
            if theirs & genres[anchor] and catalog.entities[index].id not in known
        }
        expected = sorted(near, key=lambda index: (-near[index], index))[:limit]
    with patch("genpage.member_rows.BECAUSE_LIMIT", limit):
        assert list(related(catalog, world.context)) == expected


def test_related_titles_are_not_all_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large catalog only what can be among the nearest is put in order."""
    many = [Entity(f"{n}", "film", "x", genres=("a", "b", "c")[: 1 + n % 3]) for n in range(3_000)]
    catalog = Catalog.build(many, [])
    context = apply_event(Context("m"), Event("v", "m", "2", "play", 1.0))
    sizes = []
    sort = np.argsort

    def watched(values: NDArray[np.float32], kind: Literal["stable"]) -> NDArray[np.intp]:
        sizes.append(len(values))
        return sort(values, kind=kind)

    monkeypatch.setattr(np, "argsort", watched)
    assert len(related(catalog, context)) == 100
    assert sizes == [999]
