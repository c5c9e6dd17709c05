"""An erasure reaches all that lies before it on its partition, events of clocks ahead too."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from genpage.context import Context
from genpage.event import Event
from streaming.ahead import Ahead
from streaming.memory import MemoryContextStore
from streaming.messages import ERASED, Erasure, Message
from streaming.run import Run, read_run

NOW = 1_800_000_000.0


def event(number: int, ts: float, written: float, user: str = "ada") -> Message:
    """An event on the log."""
    document = {"event_id": f"{number}", "user_id": user, "entity_id": "e1", "action": "play"}
    return Message(
        "genpage.events", user.encode(), orjson.dumps({**document, "ts": ts}), (), written
    )


def erasure(written: float, user: str = "ada") -> Message:
    """Our own null, written then."""
    about = (("ce_type", ERASED.encode()),)
    return Message("genpage.events", user.encode(), None, about, written)


def read(messages: list[Message], before: Ahead | None = None) -> Run:
    """The messages of one run."""
    return read_run("genpage.events", messages, before, clock=lambda: NOW + 1_000.0)


async def replayed(messages: list[Message], length: int) -> Context | None:
    """What an empty store has of Ada after all of them, in runs of ``length``, each read twice."""
    store, ahead = MemoryContextStore(clock=lambda: NOW), Ahead()
    for start in range(0, len(messages), length):
        part = messages[start : start + length]
        read(part, ahead)
        run = read(part, ahead)
        for step in run.steps:
            await store.apply([each for each in step.what if isinstance(each, Event)])
            for each in step.what:
                if isinstance(each, Erasure):
                    await store.erase(each.user_id, each.at)
        written = part[-1].ts
        assert written is not None
        ahead.add(run.ahead, written)
    return await store.get("ada")


async def test_an_erased_event_of_a_clock_ahead_stays_erased_when_the_log_is_read_again() -> None:
    """In one run or several; what is behind the erasure and newer than all before it stays."""
    messages = [
        event(1, NOW, NOW),
        event(2, NOW + 200.0, NOW + 1.0),
        event(9, NOW + 250.0, NOW + 2.0, user="bob"),
        erasure(NOW + 3.0),
    ]
    for length in (1, 2, 3, 4):
        assert await replayed(messages, length) is None
    later = [*messages, event(3, NOW + 201.0, NOW + 201.5)]
    for length in (1, 2, 3, 4, 5):
        context = await replayed(later, length)
        assert context is not None
        assert [each.event_id for each in context.events] == ["3"]


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 300)), max_size=60), st.integers(1, 9))
def test_no_run_changes_what_an_erasure_reaches(
    events: list[tuple[int, float]], length: int
) -> None:
    """However the messages are cut into runs: the newest before it, and no less than its time."""
    messages = [
        event(n, NOW + n + ahead, NOW + n, user=f"u{user}")
        for n, (user, ahead) in enumerate(events)
    ]
    messages.append(erasure(NOW + len(events), user="u0"))
    times = [NOW + n + ahead for n, (user, ahead) in enumerate(events) if user == 0]
    before = Ahead()
    for start in range(0, len(messages), length):
        run = read(messages[start : start + length], before)
        before.add(run.ahead, NOW + min(start + length, len(messages)))
    (found,) = [each for step in run.steps for each in step.what if isinstance(each, Erasure)]
    assert found.at == max([NOW + len(events), *times])


def test_what_is_remembered_is_bounded() -> None:
    """The partition passes their times; and there are never more than twice so many."""
    ahead = Ahead(most=2_000)
    for n in range(20_000):
        ahead.add({f"u{n}": NOW + n + 10.0}, NOW + n)
        assert len(ahead) <= 1_000
    for n in range(20_000):
        ahead.add({f"v{n}": NOW + 1e6}, NOW)
        assert len(ahead) <= 4_000
