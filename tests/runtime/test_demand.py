"""Demand: what is asked for more gets the room; what comes in turn displaces nobody."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.demand import WINDOW, Demand

SIZES = st.dictionaries(st.integers(0, 9), st.integers(1, 50), max_size=8)


@given(SIZES, st.lists(st.integers(0, 12)), st.integers(1, 80), st.integers(0, 4))
def test_room_is_made_for_what_is_asked_for_more(
    held: dict[int, int], askings: list[int], needed: int, pays: int
) -> None:
    """Those that go were asked for at most half as often together, and none goes in vain."""
    demand, most = Demand[int](), max(100, sum(held.values()))
    for key in askings:
        demand.ask(key)
    going = demand.displaced(12, needed, held, most, pays)
    left = most - sum(held.values())
    if going is None:
        # Those that were asked for least would have been worth more, or are not enough.
        assert needed > left or demand.of(12) < pays
        return
    gone = sum(held[key] for key in going)
    assert left + gone >= needed
    assert demand.of(12) >= pays + 2 * sum(demand.of(key) for key in going)
    if going:
        assert left + gone - held[going[-1]] < needed
        kept = [demand.of(key) for key in held if key not in going]
        assert max(demand.of(key) for key in going) <= min(kept, default=WINDOW)


def test_what_is_too_large_has_no_room() -> None:
    """However often it is asked for."""
    demand = Demand[str]()
    for _ in range(100):
        demand.ask("large")
    assert demand.displaced("large", 11, {}, 10, 1) is None
    assert demand.displaced("large", 10, {"other": 10}, 10, 1) == ("other",)
    # What it is held with already is its own.
    assert demand.displaced("large", 10, {"large": 9}, 10, 1) == ()


def test_counts_fade_and_are_bounded() -> None:
    """What was liked once gives way; a crowd that never comes again leaves nothing behind."""
    demand = Demand[int]()
    for _ in range(1_000):
        demand.ask(-1)
    for key in range(20 * WINDOW):
        demand.ask(key)
        assert len(demand) <= WINDOW + 12
    assert demand.of(-1) == 0


def test_a_copy_counts_for_itself() -> None:
    """The next snapshot's, beside pages that go on under this one."""
    demand = Demand[str]()
    demand.ask("both")
    other = demand.copy()
    assert (other.ask("both"), demand.of("both")) == (2, 1)
    other.forget("both")
    assert (other.of("both"), demand.of("both")) == (0, 1)
