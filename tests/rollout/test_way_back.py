"""Which bundle a rollback of all replicas goes back to, by what they say."""

import re
from typing import Any

import pytest

from genpage.errors import ConflictError, GenPageError, NotFoundError
from rollout.announcement import Announcement
from rollout.orders import Orders
from rollout.way_back import latest, way_back

Said = dict[str, Any]


def named(version: str | None) -> Said | None:
    """A bundle."""
    if version is None:
        return None
    return {"version": version, "digest": f"d-{version}", "bundle_uri": f"file:///{version}"}


def said(active: str | None, previous: str | None = None, **trial: str) -> Said:
    """A replica's latest status."""
    on_trial = {role: named(version) for role, version in trial.items()}
    return {"replica": "r", "active": named(active), "previous": named(previous), **on_trial}


def announced(version: str, at: float) -> Said:
    """An announcement."""
    return {**(named(version) or {}), "created_at": at}


@pytest.mark.parametrize(
    ("newest", "statuses", "expected"),
    [
        # Taken by one of three, while two have not begun.
        ("v3", [said("v3", "v2"), said("v2", "v1"), said("v2", "v1")], "v2"),
        ("v3", [said("v2", "v1", canary="v3"), said("v2", "v1", canary="v3")], "v2"),
        # Promoted on one of two.
        ("v3", [said("v3", "v2"), said("v2", "v1", canary="v3")], "v2"),
        # A shadow serves nobody: it is the active version that is left.
        ("v3", [said("v2", "v1", shadow="v3")], "v1"),
        # Long dead ones say what was once.
        ("v3", [said("v1", "v0"), said("v1", "v0"), said("v3", "v2")], "v2"),
        # One that came back without a memory is not asked.
        ("v3", [said("v3"), said("v3", "v2")], "v2"),
    ],
)
def test_back_to_what_was_before_the_newest(
    newest: str, statuses: list[Said], expected: str
) -> None:
    """Whatever those say that have it not."""
    topic = [announced(newest, 2.0), announced("v0", 1.0)]
    assert way_back(topic, statuses) == named(expected)


@pytest.mark.parametrize(
    ("topic", "statuses", "error"),
    [
        ([announced("v3", 1.0)], [said("v3", "v2"), said("v3", "v1")], ConflictError),
        ([announced("v3", 1.0)], [said("v2", "v1")], NotFoundError),
        ([announced("v3", 1.0)], [said("v3")], NotFoundError),
        ([], [said("v2", "v1")], NotFoundError),
        ([announced("v3", 1.0)], [], NotFoundError),
    ],
)
def test_where_it_is_not_clear_the_operator_names_it(
    topic: list[Said], statuses: list[Said], error: type[GenPageError]
) -> None:
    """With what each replica says."""
    with pytest.raises(error, match="activate VERSION") as told:
        way_back(topic, statuses)
    assert len(re.findall("\n  r: serves", str(told.value))) == len(statuses)


def test_the_latest_of_each_replica_counts() -> None:
    """What is no status is passed over."""
    one, other = said("v1"), {**said("v2"), "replica": "q"}
    assert latest([one, {"x": 1}, other, said("v3")]) == [other, said("v3")]


def test_the_next_moment_is_newer_than_a_clock_that_went_ahead() -> None:
    """So that the next announcement is no older one."""
    orders = Orders()
    orders.take(Announcement("file:///x", 20.0), 10.0)
    after = Announcement("file:///y", orders.after(11.0))
    assert not orders.is_older(after)
    assert after.created_at > 20.0
    assert orders.after(30.0) == 30.0
