"""What is read off the log reaches the store in as few calls as may be, in its order."""

import asyncio

import orjson
import pytest

from genpage.errors import UnavailableError
from genpage.profile import Profile
from streaming.applier import Applier
from streaming.memory import MemoryContextStore
from streaming.messages import Erasure, Message, of_erasure, of_profile
from streaming.run import Step, read_run
from streaming.topics import EVENTS, PROFILES


class Counting(MemoryContextStore):
    """A store that notes what it was given at once."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[tuple[Profile, ...]] = []

    async def put_profile(self, *profiles: Profile) -> None:
        """Note and fold in."""
        self.given.append(profiles)
        await super().put_profile(*profiles)


def step_of(*erasures: Erasure) -> Step:
    """Erasures that lie together on the log."""
    return Step(erasures, tuple(range(len(erasures))))


def erasure(user_id: str, at: float) -> Message:
    """Our own null, written then."""
    about = of_erasure(user_id, at)[1]
    return Message(PROFILES.name, about.key, None, about.headers, at)


async def test_a_run_of_profiles_is_one_call() -> None:
    """Poison among them is left out; an erasure parts those before it from those behind."""
    store = Counting()

    async def forget(user_id: str, at: float | None) -> None:
        await store.erase(user_id, at)

    applier = Applier(store, None, forget)
    before = [of_profile(Profile(f"u{n % 50}", ts=float(n))) for n in range(200)]
    poison = Message(PROFILES.name, b"u1", b"{")
    behind = [of_profile(Profile(f"u{n % 50}", ts=float(300 + n))) for n in range(50)]
    run = read_run(
        PROFILES.name,
        [
            *before[:100],
            poison,
            *before[100:],
            *(erasure(f"u{n}", 250.0) for n in range(9)),
            *behind,
        ],
    )
    assert [len(step.what) for step in run.steps] == [200, 9, 50]
    for step in run.steps:
        await applier.apply(step)
    assert [len(given) for given in store.given] == [200, 50]
    context = await store.get("u3")
    assert context is not None
    assert context.profile == Profile("u3", ts=303.0)


async def test_members_are_forgotten_beside_each_other_and_each_in_order() -> None:
    """Several wait for the store at once; what two erasures of one member say is said in turn."""
    seen: list[tuple[str, float | None]] = []
    waiting = 0
    together = asyncio.Event()

    async def forget(user_id: str, at: float | None) -> None:
        nonlocal waiting
        waiting += 1
        if waiting >= 3:
            together.set()
        async with asyncio.timeout(5):
            await together.wait()
        seen.append((user_id, at))

    told: list[Erasure] = []

    async def tell(erasure: Erasure) -> None:
        told.append(erasure)

    applier = Applier(MemoryContextStore(), None, forget, tell)
    erasures = [
        Erasure("ada", 1.0, told=True),
        Erasure("bob", 2.0),
        Erasure("ada", 3.0, told=True),
        Erasure("cyd", 4.0, told=True),
    ]
    await applier.apply(step_of(*erasures))
    assert sorted(seen) == [("ada", 1.0), ("ada", 3.0), ("bob", 2.0), ("cyd", 4.0)]
    assert [at for user, at in seen if user == "ada"] == [1.0, 3.0]
    assert told == [erasures[1]]


async def test_an_erasure_that_fails_is_raised_once_the_others_have_ended() -> None:
    """Nothing of the first try is still on its way when those that failed are asked for again."""
    gone: list[str] = []

    async def forget(user_id: str, at: float | None) -> None:
        del at
        if user_id == "u1":
            raise UnavailableError("away")
        await asyncio.sleep(0)
        gone.append(user_id)

    applier = Applier(MemoryContextStore(), None, forget)
    with pytest.raises(UnavailableError):
        await applier.apply(step_of(*(Erasure(f"u{n}", 1.0) for n in range(8))))
    assert len(gone) == 7


def test_erasures_on_both_topics_are_steps_of_their_own() -> None:
    """Events, erasures, events: what lies between two erasures is between them."""
    event = {"event_id": "1", "user_id": "ada", "entity_id": "e", "action": "play", "ts": 1.0}
    played = Message(EVENTS.name, b"ada", orjson.dumps(event), (), 1.0)
    null = Message(EVENTS.name, b"ada", None, (), 2.0)
    run = read_run(EVENTS.name, [played, played, null, null, played, null])
    assert [len(step.what) for step in run.steps] == [2, 2, 1, 1]
    assert [step.indices for step in run.steps] == [(0, 1), (2, 3), (4,), (5,)]
    halves = run.steps[1].halves()
    assert halves is not None
    assert [half.indices for half in halves] == [(2,), (3,)]
