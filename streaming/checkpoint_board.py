"""Checkpoints on the log as an operator's command sees them: everything that stands there, once."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from genpage.documents import Document
from genpage.errors import UnavailableError
from streaming.broker import Broker
from streaming.checkpoints import of_announcement
from streaming.missing_topics import create_missing
from streaming.topics import CHECKPOINTS, STATUS

# An operator waits; a broker that does not answer is told soon.
PATIENCE_S: Final = 5.0
WHOLE_S: Final = 60.0
# As `rollout.orders` has them: beyond it an announcement is refused, so it hides none.
AHEAD_S: Final = 300.0
LATER_S: Final = 0.001

# Messages of the same bytes say the same.
_Same = tuple[bytes | None, bytes | None]


@dataclass(frozen=True, slots=True)
class Board:
    """The two topics, for the bundles announced under the name ``model``.

    Every method raises `UnavailableError` where the broker does not answer.
    """

    broker: Broker
    model: str
    # For all of a method, whatever the broker does in the middle of it. Seconds.
    patience_s: float = WHOLE_S

    async def announce(self, document: Document) -> Document:
        """Return once the brokers have the announcement: what they have.

        Its ``created_at`` becomes newer than what was announced before, whose clock may go ahead of
        this one; but not newer than what replicas refuse as ahead.
        """
        given = float(document["created_at"])
        moments = [_moment(each) for each in await self.announcements()]
        sane = [moment for moment in moments if moment <= given + AHEAD_S]
        document = {**document, "created_at": max([given, *(m + LATER_S for m in sane)])}
        message = of_announcement(self.model, document)
        try:
            async with (
                asyncio.timeout(self.patience_s),
                AIOKafkaProducer(
                    **self.broker.options(request_s=PATIENCE_S), enable_idempotence=True, acks="all"
                ) as producer,
            ):
                await producer.send_and_wait(
                    message.topic, message.value, message.key, headers=list(message.headers)
                )
        except (KafkaError, OSError) as error:
            raise self._away(error) from error
        return document

    async def announcements(self) -> list[Document]:
        """What was announced under the name and not compacted away since, oldest first."""
        held = await self._everything(CHECKPOINTS.name)
        return [document for key, document in held if key == self.model]

    async def statuses(self, since: float = 0.0) -> list[Document]:
        """What the replicas said since a moment (Unix seconds), oldest first.

        What was said again and again is there once, where it was said last. ``said_at`` is added to
        each: when that was, by the replica's clock.
        """
        held = await self._everything(STATUS.name, since)
        ours = [each for _, each in held if each.get("model") in {None, self.model}]
        # One whose clock is behind has older moments further on.
        return [document for document in ours if document["said_at"] >= since]

    async def _everything(self, topic: str, since: float = 0.0) -> list[tuple[str, Document]]:
        """All that a topic holds since then; what is no JSON object is passed over."""
        found: list[tuple[str, Document]] = []
        try:
            async with asyncio.timeout(self.patience_s):
                await create_missing(self.broker)
                found.extend(await self._read(topic, since))
        except (KafkaError, OSError) as error:
            raise self._away(error) from error
        return found

    async def _read(self, topic: str, since: float) -> list[tuple[str, Document]]:
        found: dict[_Same, tuple[str, Document]] = {}
        async with AIOKafkaConsumer(
            **self.broker.options(request_s=PATIENCE_S),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        ) as client:
            numbers = client.partitions_for_topic(topic) or await _partitions(client, topic)
            places = [TopicPartition(topic, number) for number in sorted(numbers)]
            client.assign(places)
            if since:
                await _seek(client, places, since)
            for place, end in (await client.end_offsets(places)).items():
                while await client.position(place) < end:
                    for record in (await client.getmany(place, timeout_ms=200)).get(place, ()):
                        _take(record, topic, found)
        return list(found.values())

    def _away(self, error: Exception) -> UnavailableError:
        why = str(error) or f"nothing within {self.patience_s:g} s"
        return UnavailableError(f"--kafka {self.broker.bootstrap} does not answer: {why}")


async def _partitions(client: AIOKafkaConsumer, topic: str) -> set[int]:
    """Of a topic that the client has not heard of yet."""
    await client.topics()
    numbers: set[int] = client.partitions_for_topic(topic) or {0}
    return numbers


def _moment(announced: Document) -> float:
    """When it was announced; one that does not say was announced at no moment that counts."""
    moment = announced.get("created_at")
    return float(moment) if isinstance(moment, int | float) else 0.0


async def _seek(client: AIOKafkaConsumer, places: list[TopicPartition], since: float) -> None:
    """Go to what was written since then, or to the end."""
    at = await client.offsets_for_times(dict.fromkeys(places, int(since * 1000)))
    ends = await client.end_offsets(places)
    for place in places:
        found = at.get(place)
        client.seek(place, ends[place] if found is None else found.offset)


def _take(
    record: "ConsumerRecord[bytes, bytes]", topic: str, found: dict[_Same, tuple[str, Document]]
) -> None:
    # A replica says the same every minute for as long as it stands: a month of that is held once.
    same = (record.key, record.value)
    found.pop(same, None)
    with suppress(orjson.JSONDecodeError):
        document = orjson.loads(record.value or b"null")
        if isinstance(document, dict):
            if topic == STATUS.name:
                document["said_at"] = record.timestamp / 1000
            found[same] = ((record.key or b"").decode(errors="replace"), document)
