"""Where messages go that can never be applied, and the count of what was done with all others."""

from typing import Final, get_args

from structlog.typing import FilteringBoundLogger

from genpage.errors import InputError, PoisonError
from streaming.messages import Message, Poison, to_dead_letters
from streaming.producer import Producer

# Every kind of poison: of a message's own, of one that a store refuses, of one that breaks us.
KINDS: Final = (*get_args(Poison), "refused", "unreadable")


class Tally:
    """What was done so far; only ever grows. ``poison`` counts by topic and kind."""

    def __init__(self) -> None:
        self.applied = 0
        self.poison: dict[tuple[str, str], int] = {}


class DeadLetters:
    """Of one partition of a topic."""

    def __init__(
        self,
        topic: str,
        partition: int,
        producer: Producer,
        tally: Tally,
        log: FilteringBoundLogger,
    ) -> None:
        self._topic = topic
        self._partition = partition
        self._producer = producer
        self._tally = tally
        self._log = log

    async def bury(self, message: Message, offset: int, error: PoisonError) -> None:
        """Send a message to the dead letters; without its value where it is too large for them.

        `UnavailableError` while they cannot be written: bury it again.
        """
        letter = to_dead_letters(message, self._topic, self._partition, offset, error)
        try:
            await self._producer.send([letter])
        except InputError:
            await self._producer.send([Message(letter.topic, letter.key, None, letter.headers)])
        kind = (self._topic, error.kind)
        self._tally.poison[kind] = self._tally.poison.get(kind, 0) + 1
        self._log.warning("a message is poison", offset=offset, kind=error.kind)
