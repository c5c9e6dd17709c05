"""What the log knows of titles, rows and members: read once, then followed."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, TypeVar

from aiokafka.errors import KafkaError

from genpage.catalog_changes import Change, Withdrawal
from genpage.errors import PoisonError, UnavailableError
from genpage.profile import Profile
from streaming.broker import Broker
from streaming.catalog_messages import read_change
from streaming.collecting import reading
from streaming.messages import Erasure, Message, read_profile
from streaming.record import message_of
from streaming.topics import CATALOG, PROFILES

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer

_POLL_MS: Final = 500
_MOST_RECORDS: Final = 2_000
Noun = TypeVar("Noun")


@dataclass(frozen=True, slots=True)
class News:
    """All entities and rows if there are new ones, and the profiles that are new."""

    changes: Sequence[Change]
    profiles: Sequence[Profile]


class Known:
    """An async context manager; `UnavailableError` where no broker answers."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._client: AIOKafkaConsumer | None = None
        self._held = AsyncExitStack()
        # Withdrawn ones stay: there are pages of them.
        self._changes: dict[bytes | None, Change] = {}
        self._changed = False
        self._profiles: dict[str, Profile] = {}

    async def __aenter__(self) -> Self:
        client = reading(self._broker, (CATALOG, PROFILES), None)
        self._client = await self._held.enter_async_context(client)
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self._held.aclose()

    async def news(self) -> News:
        """What was written since the last call; the first one reads all there is."""
        await self._catch_up()
        changes = list(self._changes.values()) if self._changed else []
        profiles = list(self._profiles.values())
        self._profiles.clear()
        self._changed = False
        return News(changes, profiles)

    async def _catch_up(self) -> None:
        client = self._client
        assert client is not None
        try:
            ends = await client.end_offsets(client.assignment())
            for place, end in ends.items():
                while await client.position(place) < end:
                    found = await client.getmany(timeout_ms=_POLL_MS, max_records=_MOST_RECORDS)
                    for where, records in found.items():
                        for record in records:
                            self._take(message_of(where.topic, record))
        except KafkaError as error:
            raise UnavailableError(f"the event log does not answer: {error}") from error

    def _take(self, message: Message) -> None:
        if message.topic == CATALOG.name:
            change = _read(read_change, message)
            if change is not None and not isinstance(change, Withdrawal):
                self._changes[message.key] = change
                self._changed = True
            return
        profile = _read(read_profile, message)
        if isinstance(profile, Erasure):
            self._profiles.pop(profile.user_id, None)
        elif profile is not None:
            self._profiles[profile.user_id] = profile


def _read(reader: Callable[[Message], Noun], message: Message) -> Noun | None:
    try:
        return reader(message)
    except PoisonError:
        return None
