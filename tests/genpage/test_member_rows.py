"""The rows that a member fills."""

from genpage.catalog import Catalog
from genpage.context import Context, apply_event
from genpage.entity import Entity
from genpage.event import Action, Event
from genpage.member_rows import because_of, member_row
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
