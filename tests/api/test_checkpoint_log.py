"""What a replica says of itself: again and again, and seen where it cannot."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import orjson
import pytest
from kafka_clients import until
from senders import StandIn

from api.checkpoint_log import CheckpointLog
from api.fake import Logbook
from genpage.errors import UnavailableError
from rollout.status import Status

if TYPE_CHECKING:
    from rollout.rollout import Rollout
    from streaming.event_log import EventLog


@dataclass
class Replica:
    """What of a rollout is listened to."""

    stands: Status | None = None
    listeners: list[Callable[[Status], None]] = field(default_factory=list)
    replica: str = "one"
    # How often it was asked what stands.
    asked: int = 0

    @property
    def standing(self) -> Status | None:
        """What it says again."""
        self.asked += 1
        return self.stands

    @property
    def settings(self) -> "Replica":
        """Its name."""
        return self


@dataclass
class Log:
    """The event log, of which only the way out is there."""

    sender: StandIn
    state: str = "ok"

    def follow(self, *_: object) -> "Log":
        """A follower."""
        return self

    def beside(self) -> StandIn:
        """A producer."""
        return self.sender


def made(replica: Replica, log: Log, every_s: float = 3_600.0) -> CheckpointLog:
    """The log of a replica's checkpoints."""
    rollout, event_log = cast("Rollout", replica), cast("EventLog", log)
    return CheckpointLog(rollout, event_log, "m", Logbook().logger(), every_s=every_s)


def status(event: Any = "activated") -> Status:  # noqa: ANN401 - of one word
    """Something that happened."""
    return Status("one", event, "v1", "d" * 64, "file:///v1", 5.0)


async def test_what_stands_is_said_again_now_and_then() -> None:
    """As it was said, of the same moment, and marked; nothing before anything was said."""
    replica, log = Replica(), Log(StandIn())
    log.sender.come()
    async with made(replica, log, every_s=0.001):
        await until(lambda: replica.asked > 2)
        assert log.sender.taken == []
        replica.stands = status()
        await until(lambda: len(log.sender.taken) > 2)
    documents = [orjson.loads(message.value or b"") for message in log.sender.taken]
    again = {**status().document(), "model": "m", "repeated": True}
    assert all(each == again for each in documents)


async def test_nothing_is_said_again_while_something_waits() -> None:
    """A broker that comes back after hours gets what happened, and what stands from then on."""
    replica, log = Replica(), Log(StandIn())
    async with made(replica, log, every_s=0.001) as checkpoints:
        replica.listeners[0](status())
        replica.stands = status("rolled back")
        await until(lambda: replica.asked > 5)
        assert checkpoints.reports.waiting == 1
        log.sender.come()
        await until(lambda: len(log.sender.taken) > 2)
    first, *others = [orjson.loads(message.value or b"") for message in log.sender.taken]
    assert first == {**status().document(), "model": "m"}
    assert {each["event"] for each in others} == {"rolled back"}


async def test_a_status_that_cannot_be_told_ends_no_repetition() -> None:
    """The next one is."""
    replica, log = Replica(), Log(StandIn())
    log.sender.come()
    async with made(replica, log, every_s=0.001) as checkpoints:
        replica.stands = cast("Status", "a bug")
        # The first one has been tried once there is a second.
        await until(lambda: replica.asked > 1)
        replica.stands = status()
        await until(lambda: bool(log.sender.taken))
        assert checkpoints.state == "ok"


async def test_a_log_that_does_not_take_statuses_is_seen() -> None:
    """Until it does; the server goes on."""
    replica, log = Replica(), Log(StandIn())
    log.sender.come()
    log.sender.refuses = UnavailableError("not authorised")
    async with made(replica, log) as checkpoints:
        replica.listeners[0](status())
        await until(lambda: checkpoints.state == "stale")
        log.sender.refuses = None
        await until(lambda: checkpoints.state == "ok")


@pytest.mark.parametrize("name", ["statuses", "outbox statuses"])
async def test_a_teller_that_ended_is_seen(name: str) -> None:
    """Whichever of the two; it is no consumer, so the server stays ready."""
    async with made(Replica(), Log(StandIn())) as checkpoints:
        assert checkpoints.state == "ok"
        (task,) = [task for task in asyncio.all_tasks() if task.get_name() == name]
        task.cancel()
        await asyncio.wait([task])
        assert checkpoints.state == "stale"


async def test_what_comes_in_goes_first() -> None:
    """A follower that is away or has ended is told, whatever becomes of statuses."""
    log = Log(StandIn())
    async with made(Replica(), log) as checkpoints:
        for state in ("away", "ended"):
            log.state = state
            assert checkpoints.state == state
