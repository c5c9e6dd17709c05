"""Stock of partitions: which of them a store has all of, and what a rebalance makes of it."""

import pytest

from streaming.stock import Place, Stock

ONE: Place = ("genpage.events", 0)
TWO: Place = ("genpage.events", 1)
ENDS = {ONE: 10, TWO: 20}


def stocked(epoch: str = "now") -> Stock:
    """Stock of both partitions, the second of which is read again."""
    stock = Stock()
    stock.take(stock.begin(), epoch, ENDS, {TWO: 0})
    return stock


def state_of(stock: Stock) -> tuple[bool, bool]:
    """Whether it is taken, and whether it is behind."""
    return stock.taken, stock.behind


def test_nothing_is_known_before_stock_is_taken() -> None:
    """Neither filled nor behind, and nothing may be committed."""
    stock = Stock()
    assert state_of(stock) == (False, False)
    assert stock.filled("now") == frozenset()
    assert stock.offsets({ONE: 5}) == {}
    assert stock.position(ONE) is None
    assert stock.outdated([ONE], "now") is None


def test_a_partition_is_filled_once_its_end_is_reached() -> None:
    """The end as of when stock was taken, for the epoch that it was taken for."""
    stock = stocked()
    assert state_of(stock) == (True, True)
    assert (stock.position(ONE), stock.position(TWO)) == (None, 0)
    stock.note(ONE, 9)
    assert stock.filled("now") == frozenset()
    assert stock.end(ONE) == 10
    stock.note(ONE, 10)
    assert stock.filled("now") == {ONE}
    assert stock.filled("before") == frozenset()
    assert stock.end(ONE) == 0
    stock.note(TWO, 25)
    stock.note(TWO, 26)
    assert stock.filled("now") == {ONE, TWO}
    assert state_of(stock) == (True, False)
    assert stock.position(TWO) == 26


def test_offsets_go_with_the_epoch_that_they_are_of() -> None:
    """Those of partitions alone that stock was taken of."""
    other: Place = ("genpage.profiles", 0)
    assert stocked().offsets({ONE: 3, other: 4}) == {ONE: (3, "now")}


def test_a_rewind_is_behind_until_stock_was_taken_for_it() -> None:
    """What was filled before is not known to be; another epoch makes all offsets worthless."""
    stock = stocked()
    for place, end in ENDS.items():
        stock.note(place, end)
    stock.rewind()
    assert state_of(stock) == (False, True)
    assert stock.filled("now") == frozenset()
    assert stock.outdated(ENDS, "now") == set()
    assert stock.outdated(ENDS, "next") == {ONE, TWO}
    assert stock.offsets({ONE: 10}) == {ONE: (10, "now")}
    stock.take(stock.begin(), "next", ENDS, dict.fromkeys(ENDS, 0))
    assert state_of(stock) == (True, True)
    assert stock.offsets({ONE: 10}) == {ONE: (10, "next")}
    assert stock.filled("next") == frozenset()


def test_a_rewind_while_stock_is_taken_has_it_taken_again() -> None:
    """What was found holds; but the store may have lost more since."""
    stock = Stock()
    taking = stock.begin()
    stock.rewind()
    assert stock.holds(taking)
    stock.take(taking, "now", {ONE: 0}, {})
    stock.note(ONE, 0)
    assert state_of(stock) == (False, True)
    assert stock.filled("now") == frozenset()
    stock.take(stock.begin(), "now", {ONE: 0}, {})
    assert state_of(stock)[0]


def test_stock_taken_across_a_rebalance_is_worth_nothing() -> None:
    """Another may have held the partitions meanwhile, also where they are the same again."""
    stock = stocked()
    taking = stock.begin()
    stock.forget()
    assert not stock.holds(taking)
    with pytest.raises(ValueError, match="This is a bug"):
        stock.take(taking, "now", ENDS, {})
    assert state_of(stock) == (False, False)
    assert stock.outdated([ONE], "now") is None
    assert stock.offsets({ONE: 5}) == {}
    assert stock.holds(stock.begin())


def test_partitions_beside_those_that_stock_was_taken_of_are_asked_about() -> None:
    """Of a new one only the broker knows what its offset is of."""
    assert stocked().outdated([ONE, TWO, ("genpage.events", 2)], "now") is None
