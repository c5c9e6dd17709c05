"""An event log of a server's, as it stands between a broker and a store."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from kafka_clients import one_epoch, until
from structlog.typing import FilteringBoundLogger

from streaming.broker import Broker
from streaming.event_log import EventLog
from streaming.ports import ContextStore
from streaming.stock_taking import Epoch
from streaming.tracing import OFF, Tracing
from streaming.trending import LiveTrends

QUIET: FilteringBoundLogger = structlog.wrap_logger(
    structlog.ReturnLogger(), wrapper_class=structlog.make_filtering_bound_logger(50)
)


def log_of(
    broker: Broker,
    store: ContextStore,
    trends: LiveTrends | None = None,
    *,
    log: FilteringBoundLogger = QUIET,
    epoch: Epoch = one_epoch,
    tracing: Tracing = OFF,
) -> EventLog:
    """An event log that feeds ``store``, and has members forgotten there."""

    async def forget(user_id: str, at: float | None) -> None:
        await store.erase(user_id, at)

    return EventLog(broker, store, trends, log, forget=forget, epoch=epoch, tracing=tracing)


@asynccontextmanager
async def joined(log: EventLog) -> AsyncIterator[EventLog]:
    """The log once it reads."""
    async with log:
        await until(lambda: log.state == "ok")
        yield log
