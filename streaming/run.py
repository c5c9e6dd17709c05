"""A run: consecutive messages of one partition, read as the fewest steps that apply them. Pure.

The order of one member's messages is that of the partition, so a run keeps it: events are gathered
until an erasure stands between them, and erasures likewise. An erasure reaches all that lies before
it (`Ahead`).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from genpage.errors import PoisonError
from genpage.event import Event
from genpage.profile import Profile
from streaming.ahead import Ahead
from streaming.messages import Clock, Erasure, Message, read_event, read_profile
from streaming.topics import EVENTS

Thing = Event | Profile | Erasure


@dataclass(frozen=True, slots=True)
class Step:
    """What a store is asked to do at once: one kind of thing, in order.

    ``indices`` are the messages' places in the run, one for each thing.
    """

    what: tuple[Thing, ...]
    indices: tuple[int, ...]

    def halves(self) -> "tuple[Step, Step] | None":
        """The same in two steps; None for what is one thing."""
        if len(self.what) == 1:
            return None
        half = len(self.what) // 2
        first = Step(self.what[:half], self.indices[:half])
        return first, Step(self.what[half:], self.indices[half:])


@dataclass(frozen=True, slots=True)
class Poisoned:
    """A message that can never be applied, by its place in the run."""

    index: int
    error: PoisonError


@dataclass(frozen=True, slots=True)
class Run:
    """Steps in order, and what is left out of them.

    ``ahead`` is for `Ahead.add`, once the run is applied: it may be read again before.
    """

    steps: tuple[Step, ...]
    poison: tuple[Poisoned, ...]
    ahead: Mapping[str, float]


def read_run(
    topic: str,
    messages: Sequence[Message],
    before: Ahead | None = None,
    *,
    clock: Clock = time.time,
) -> Run:
    """What the messages of ``topic`` come to; no message makes it fail.

    ``before`` is of those that lie before them on the partition.
    """
    ahead: dict[str, float] = {}
    steps: list[Step] = []
    poison: list[Poisoned] = []
    gathered: list[Thing] = []
    indices: list[int] = []
    on_events = topic == EVENTS.name

    def gather() -> None:
        if gathered:
            steps.append(Step(tuple(gathered), tuple(indices)))
            gathered.clear()
            indices.clear()

    for index, message in enumerate(messages):
        try:
            read = read_event(message, clock=clock) if on_events else read_profile(message)
        except PoisonError as error:
            poison.append(Poisoned(index, error))
        except Exception as error:  # noqa: BLE001 - whatever a message does to us, the next comes
            poison.append(Poisoned(index, PoisonError("unreadable", repr(error))))
        else:
            if gathered and type(gathered[-1]) is not type(read):
                gather()
            if isinstance(read, Erasure):
                read = _reaching(read, ahead, before)
            elif message.ts is not None and read.ts > message.ts:
                ahead[read.user_id] = max(read.ts, ahead.get(read.user_id, read.ts))
            gathered.append(read)
            indices.append(index)
    gather()
    return Run(tuple(steps), tuple(poison), ahead)


def _reaching(erasure: Erasure, ahead: dict[str, float], before: Ahead | None) -> Erasure:
    """As of the newest that lies before it: of the run, which is dealt with so, and of others."""
    if erasure.at is None:
        return erasure
    at = max(erasure.at, ahead.pop(erasure.user_id, erasure.at))
    return replace(erasure, at=at if before is None else before.get(erasure.user_id, at))
