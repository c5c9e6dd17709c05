"""The event log as a server holds it: a producer, the sink on it, the consumer, followers."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Self

from structlog.typing import FilteringBoundLogger

from streaming.applier import Applier, Forget
from streaming.broker import Broker
from streaming.consumer import Consumer, Epoch, State
from streaming.follower import Follower, Noun
from streaming.kafka_sink import KafkaSink
from streaming.messages import Message
from streaming.ports import ContextStore
from streaming.producer import Producer
from streaming.topics import Topic
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
        epoch: Epoch | None = None,
        tracing: Tracing = OFF,
    ) -> None:
        # The topics that this replica reads whole, beside the members' own.
        self.followers: list[Follower[Any]] = []
        self._broker = broker
        self._log = log
        self.producer = Producer(broker, log, tracing=tracing)
        self.sink = KafkaSink(self.producer)
        applier = Applier(store, trends, forget)
        self.consumer = Consumer(broker, applier, self.producer, log, epoch=epoch)

    async def __aenter__(self) -> Self:
        await self.producer.__aenter__()
        await self.consumer.__aenter__()
        for follower in self.followers:
            await follower.__aenter__()
        return self

    async def __aexit__(self, *failure: object) -> None:
        """The readers first: their last dead letters need the producer."""
        for follower in self.followers:
            await follower.__aexit__(*failure)
        await self.consumer.__aexit__(*failure)
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

    @property
    def state(self) -> State:
        """How it is; ``ended`` will not heal by itself."""
        return self.consumer.state if self.producer.alive else "ended"

    @property
    def away(self) -> bool:
        """Whether what happens now does not reach the contexts."""
        return not self.producer.up or self.state == "ended"

    @property
    def stale(self) -> bool:
        """Whether contexts lack what was on the log: it is away, or still read (again)."""
        return self.away or self.consumer.catching_up
