"""What a member already knows of a title: a state that each engagement moves on."""

from genpage.event import Action
from genpage.member_rows import FINISHED_SHARE

STATES = ("new", "begun", "finished", "abandoned", "disliked", "listed", "regular")
NEW, BEGUN, FINISHED, ABANDONED, DISLIKED, LISTED, REGULAR = range(len(STATES))


def after(state: int, action: Action, watched_s: float | None, duration_s: float | None) -> int:
    """The state after an engagement. A title without a duration, a game, is played regularly."""
    if action == "play":
        if duration_s is None:
            return REGULAR
        return FINISHED if (watched_s or 0.0) >= FINISHED_SHARE * duration_s else BEGUN
    return _MOVES.get((state, action), _MOVES.get((None, action), state))


# (state or any, action) -> the state after it; all else leaves the state as it is.
_MOVES: dict[tuple[int | None, Action], int] = {
    (None, "abandon"): ABANDONED,
    (None, "thumbs_down"): DISLIKED,
    (NEW, "add_to_list"): LISTED,
    (LISTED, "remove_from_list"): NEW,
}
