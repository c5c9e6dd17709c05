"""What one of several servers has of Redis and Kafka, without a server around it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from kafka_clients import until

from api.fake import Logbook
from streaming.broker import Broker
from streaming.event_log import EventLog
from streaming.recent import Recent
from streaming.redis_client import RedisClient
from streaming.redis_context import RedisContextStore
from streaming.redis_epoch import RedisEpoch
from streaming.redis_erasures import RedisErasures
from streaming.redis_filling import FilledRedis
from streaming.redis_members import RedisMembers


@dataclass(frozen=True, slots=True)
class Replica:
    """What one server has of Redis and Kafka."""

    contexts: RedisContextStore
    members: RedisMembers
    recent: Recent
    epoch: RedisEpoch
    log: EventLog
    connection: FilledRedis
    lines: Logbook

    @property
    def read_again(self) -> int:
        """How many partitions it read again from the beginning."""
        told = self.lines.lines
        return sum(
            line["partitions"] for line in told if line["event"] == "partitions are read again"
        )

    async def whole(self, user: str) -> bool:
        """Whether a page of that member would not be degraded."""
        return (await self.members.read(user, "v")).current


@asynccontextmanager
async def replica(redis: str, kafka: str, group: str) -> AsyncIterator[Replica]:
    """One that reads."""
    lines, recent = Logbook(), Recent()
    told = lines.logger()
    client = RedisClient(redis)
    contexts = RedisContextStore(client, recent)
    epoch, erasures = RedisEpoch(client, contexts, told), RedisErasures(client, recent, told)
    connection = FilledRedis(client, contexts, (), epoch, erasures, told)

    async def forget(user: str, at: float | None) -> None:
        await contexts.erase(user, at)

    log = EventLog(Broker(kafka, group), contexts, None, told, forget=forget, epoch=epoch.begin)
    epoch.feed = log.consumer
    members = RedisMembers(client, contexts, recent, whole=lambda: epoch.whole)
    async with connection, log:
        await until(lambda: log.state == "ok")
        yield Replica(contexts, members, recent, epoch, log, connection, lines)
