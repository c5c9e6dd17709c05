"""A lane takes as much at once as may be in memory, and no more."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import orjson
import pytest
import structlog
from kafka_clients import EVENTS
from scripted_kafka import Written, up

from genpage.errors import UnavailableError
from genpage.event import Event
from streaming.applier import Applier
from streaming.dead_letters import Tally
from streaming.lane import RUN, RUN_BYTES, Lane
from streaming.memory import MemoryContextStore
from streaming.messages import VALUE_LIMIT, Erasure
from streaming.refusal import Trials

LOG = structlog.wrap_logger(
    structlog.ReturnLogger(), wrapper_class=structlog.make_filtering_bound_logger(50)
)


class Counting(MemoryContextStore):
    """A store that notes how many events it was given at once."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[int] = []

    async def apply(self, events: Sequence[Event]) -> Sequence[Event]:
        """Note and apply."""
        self.given.append(len(events))
        return await super().apply(events)


def padded(offset: int, size: int) -> Written:
    """An event of about ``size`` bytes."""
    document = {"event_id": f"{offset}", "user_id": "ada", "entity_id": "e1", "action": "play"}
    return Written(offset, orjson.dumps({**document, "ts": 1.0, "padding": "x" * (size - 120)}))


async def test_a_run_is_bounded_by_its_bytes() -> None:
    """Large messages go a few at a time, small ones by the run; all are applied, in order."""
    store = Counting()

    async def forget(user_id: str, at: float | None) -> None:
        await store.erase(user_id, at)

    lane = Lane(EVENTS, 0, Applier(store, None, forget), up(LOG), Tally(), Trials(), LOG)
    large = [padded(n, VALUE_LIMIT) for n in range(40)]
    small = [padded(n, 200) for n in range(40, 40 + RUN)]
    lane.take([*large, *small])
    assert lane.books.flow() == "pause"
    working = asyncio.create_task(lane.work())
    async with asyncio.timeout(10):
        await lane.until_idle()
    working.cancel()
    await asyncio.wait([working])
    assert max(store.given[:9]) <= RUN_BYTES // (VALUE_LIMIT - 200)
    assert sum(store.given) == 40 + RUN
    assert len(store.given) <= 12
    assert lane.books.flow() == "resume"
    context = await store.get("ada")
    assert context is not None
    assert [int(event.event_id) for event in context.events] == list(range(40 + RUN))


@pytest.mark.parametrize("failure", [UnavailableError("away"), RuntimeError("a defect")])
async def test_an_erasure_that_fails_has_no_other_one_done_or_told_again(
    failure: Exception,
) -> None:
    """They lie in one run: it alone is tried until it is done, or stands alone and is refused."""
    forgotten: Counter[str] = Counter()
    told: Counter[str] = Counter()

    async def forget(user_id: str, at: float | None) -> None:
        del at
        forgotten[user_id] += 1
        if user_id == "u9" and forgotten["u9"] < 5:
            raise failure

    async def tell(erasure: Erasure) -> None:
        told[erasure.user_id] += 1

    applier = Applier(MemoryContextStore(), None, forget, tell)
    lane = Lane(EVENTS, 0, applier, up(LOG), Tally(), Trials(), LOG)
    lane.take([Written(n, None, key=f"u{n}".encode()) for n in range(40)])
    working = asyncio.create_task(lane.work())
    async with asyncio.timeout(10):
        await lane.until_idle()
    working.cancel()
    await asyncio.wait([working])
    assert forgotten.pop("u9") >= 5
    assert set(forgotten.values()) == {1}
    assert told == Counter(f"u{n}" for n in range(40))
