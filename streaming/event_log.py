"""The event log as a server holds it: one producer, the sink on it, and the consumer."""

from typing import Self

from structlog.typing import FilteringBoundLogger

from streaming.applier import Applier, Forget
from streaming.broker import Broker
from streaming.consumer import Consumer, Epoch, State
from streaming.kafka_sink import KafkaSink
from streaming.ports import ContextStore
from streaming.producer import Producer
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
        self.producer = Producer(broker, log, tracing=tracing)
        self.sink = KafkaSink(self.producer)
        applier = Applier(store, trends, forget)
        self.consumer = Consumer(broker, applier, self.producer, log, epoch=epoch)

    async def __aenter__(self) -> Self:
        await self.producer.__aenter__()
        await self.consumer.__aenter__()
        return self

    async def __aexit__(self, *failure: object) -> None:
        """The consumer first: its last dead letters need the producer."""
        await self.consumer.__aexit__(*failure)
        await self.producer.__aexit__(*failure)

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
