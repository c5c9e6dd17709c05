"""Announcements that wait: the newest wins, and what may pass is tried again."""

import math

import pytest

from rollout.announcement import Announcement
from rollout.attempt import Attempt
from rollout.queue import Queue, again_s
from rollout.refusal import Kind, RefusedError


def attempt(number: int = 1) -> Attempt:
    """An attempt whose digest is its number."""
    return Attempt(Announcement("file:///x", float(number), f"{number:064d}"), 0.0)


@pytest.mark.parametrize(
    ("kind", "tries", "wait_s"),
    [
        ("away", 0, 5.0),
        ("away", 1, 30.0),
        ("away", 1_000_000, 300.0),
        ("no-room", 3, 300.0),
        ("failed", 0, 5.0),
        ("failed", 1, None),
        ("bundle", 0, None),
        ("superseded", 0, None),
    ],
)
def test_what_may_pass_is_tried_again(kind: Kind, tries: int, wait_s: float | None) -> None:
    """A source that is away for ever, at bounded intervals; our own failure once."""
    assert again_s(kind, tries) == wait_s
    assert not math.isinf(again_s(kind, tries) or 0.0)


async def test_the_one_that_waited_is_given_back_when_something_newer_comes() -> None:
    """What was in hand learns of it too, and both are told from what is wanted."""
    queue, held, waits = Queue(), attempt(1), attempt(2)
    queue.put(held)
    assert await queue.take() is held
    queue.put(waits)
    assert queue.digests() == {held.digest, waits.digest}
    assert queue.give_up() is waits
    assert not held.wanted
    assert held.given_up.is_set()
    assert waits.given_up.is_set()
    assert queue.digests() == {held.digest}
    queue.done()
    assert queue.digests() == set()


async def test_what_comes_again_is_arriving_all_the_time() -> None:
    """From being refused to being in hand again: its part on the disk is not removed."""
    queue, away = Queue(), attempt()
    queue.put(away)
    await queue.take()
    away.refuse(RefusedError("away", "no answer"))
    queue.retry(away)
    queue.done()
    assert (queue.digests(), away.coming_again, away.tries) == ({away.digest}, True, 1)
    queue.give_up()
    assert (queue.digests(), away.coming_again) == (set(), False)


async def test_what_nobody_wants_does_not_come_again() -> None:
    """Though its source may answer later; nor what its bytes are to blame for."""
    queue, away, broken = Queue(), attempt(1), attempt(2)
    away.refuse(RefusedError("away", "no answer"))
    away.give_up()
    queue.retry(away)
    broken.refuse(RefusedError("bundle", "a NaN"))
    queue.retry(broken)
    assert queue.digests() == set()


async def test_an_end_leaves_what_waits_to_the_next_start() -> None:
    """It stops, but counts as not dealt with."""
    queue, waits = Queue(), attempt()
    queue.put(waits)
    queue.close()
    assert (waits.wanted, waits.settled) == (False, False)
