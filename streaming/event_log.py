"""The event log as a server holds it: a producer, the sink on it, the consumer, followers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Self

from structlog.typing import FilteringBoundLogger

from streaming.applier import Applier, Forget
from streaming.broker import Broker
from streaming.consumer import Consumer
from streaming.follower import Follower, Noun
from streaming.kafka_sink import KafkaSink
from streaming.messages import Erasure, Message, read_told
from streaming.pages_out import PagesOut
from streaming.ports import ContextStore
from streaming.producer import Producer
from streaming.sessions import State
from streaming.side_producer import SideProducer
from streaming.stock_taking import Epoch
from streaming.topics import PROFILES, Topic
from streaming.tracing import OFF, Tracing
from streaming.trending import LiveTrends


class EventLog:
    """An async context manager that is entered at once, whether or not the broker is there."""

    def __init__(
        self,
        broker: Broker,
        store: ContextStore,
        trends: LiveTrends | None,
        log: FilteringBoundLogger,
        *,
        forget: Forget,
        epoch: Epoch,
        tracing: Tracing = OFF,
    ) -> None:
        # The topics that this replica reads whole, beside the members' own.
        self.followers: list[Follower[Any]] = []
        self._erasures: Follower[Erasure | None] | None = None
        self._broker = broker
        self._log = log
        self.producer = Producer(broker, log, tracing=tracing)
        self.sink = KafkaSink(self.producer)
        self.pages = PagesOut(self.beside(), log)
        applier = Applier(store, trends, forget, self.sink.tell)
        self.consumer = Consumer(broker, applier, self.producer, log, epoch=epoch)

    async def __aenter__(self) -> Self:
        await self.producer.__aenter__()
        await self.consumer.__aenter__()
        for follower in self._readers:
            await follower.__aenter__()
        await self.pages.__aenter__()
        return self

    async def __aexit__(self, *failure: object) -> None:
        """The producer last: pages on their way and the readers' dead letters need it."""
        await self.pages.__aexit__(*failure)
        readers = [reader.__aexit__(*failure) for reader in self._readers]
        await asyncio.gather(self.consumer.__aexit__(*failure), *readers)
        await self.producer.__aexit__(*failure)

    def follow(
        self,
        topic: Topic,
        read: Callable[[Message], Noun],
        apply: Callable[[Sequence[Noun]], Awaitable[None]],
    ) -> Follower[Noun]:
        """Read all of a topic, as `Follower` does; before the log is entered."""
        follower = Follower(self._broker, self.producer, topic, read, apply, self._log)
        self.followers.append(follower)
        return follower

    def beside(self) -> SideProducer:
        """A producer of its own for what may fail without harm to members' events."""
        return SideProducer(self._broker, self.producer)

    def hear_erasures(self, forget: Forget) -> None:
        """Have ``forget`` called for whoever is erased from now on, whichever replica is told.

        Of all partitions: an erased member's pages, KV and prompts may be in any replica.
        """
        self._erasures = Follower(
            self._broker,
            self.producer,
            PROFILES,
            read_told,
            _each(forget),
            self._log,
            from_end=True,
        )

    @property
    def _readers(self) -> list[Follower[Any]]:
        return self.followers if self._erasures is None else [*self.followers, self._erasures]

    @property
    def state(self) -> State:
        """How it is; ``ended`` will not heal by itself."""
        deaf = self._erasures is not None and not self._erasures.alive
        alive = self.producer.alive and self.pages.alive and not deaf
        return self.consumer.state if alive else "ended"

    @property
    def away(self) -> bool:
        """Whether what happens now does not reach the contexts."""
        return not self.producer.up or self.state == "ended"

    @property
    def stale(self) -> bool:
        """Whether contexts lack what was on the log: it is away, or still read (again)."""
        return self.away or self.consumer.catching_up


def _each(forget: Forget) -> Callable[[Sequence[Erasure | None]], Awaitable[None]]:
    async def all_of(erasures: Sequence[Erasure | None]) -> None:
        for erasure in erasures:
            if erasure is not None:
                await forget(erasure.user_id, erasure.at)

    return all_of
