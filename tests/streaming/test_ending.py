"""Nothing that swallows a cancellation keeps a server from ending, or a partition from moving."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from kafka_clients import until

from api.fake import Logbook
from genpage.errors import UnavailableError
from streaming import producer as producing
from streaming.broker import Broker
from streaming.ending import ended
from streaming.supervision import insist


class Stubborn:
    """Work that is not impressed by a cancellation until it is let go."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()

    async def work(self) -> None:
        """Go on, whatever is said."""
        self.begun.set()
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                continue


@pytest.fixture
async def stubborn() -> AsyncIterator[Stubborn]:
    """Such work; ended when the test has."""
    made = Stubborn()
    yield made
    made.let_go.set()


async def test_a_task_that_does_not_end_is_told_of_and_left(stubborn: Stubborn) -> None:
    """One warning that names it; those that end are not in it."""
    logbook = Logbook()
    tasks = [
        asyncio.create_task(stubborn.work(), name="stubborn"),
        asyncio.create_task(asyncio.sleep(60), name="obedient"),
    ]
    await stubborn.begun.wait()
    for task in tasks:
        task.cancel()
    await ended(tasks, 0.05, logbook.logger())
    (line,) = logbook.lines
    assert (line["event"], line["tasks"]) == ("tasks do not end", ["stubborn"])
    stubborn.let_go.set()
    await ended(tasks, 5.0, logbook.logger())
    assert len(logbook.lines) == 1


async def test_a_producer_ends_within_seconds_whatever_its_client_does(
    stubborn: Stubborn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its keeper waits for a client that swallows the cancellation."""
    logbook = Logbook()

    async def connected(_: producing.Producer) -> None:
        await stubborn.work()

    monkeypatch.setattr(producing.Producer, "_connected", connected)
    monkeypatch.setattr(producing, "LAST_S", 0.05)
    async with asyncio.timeout(5):
        async with producing.Producer(Broker("localhost:9"), logbook.logger()):
            await stubborn.begun.wait()
    assert [line["event"] for line in logbook.lines] == ["tasks do not end"]


async def test_a_step_that_makes_a_failure_of_a_cancellation_is_not_insisted_on() -> None:
    """As clients do that catch everything: the task would go on for ever."""
    tried = 0

    async def apply() -> None:
        nonlocal tried
        tried += 1
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            raise UnavailableError("the store is away") from error

    told: list[UnavailableError | None] = []
    task = asyncio.create_task(insist(apply, told.append))
    await until(lambda: tried == 1)
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert task.cancelled()
    assert (tried, told) == (1, [])
