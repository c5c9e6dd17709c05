"""Taking stock, as `streaming.stock` is told of it: what the store holds, what the broker does."""

from collections.abc import Awaitable, Callable, Collection, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from structlog.typing import FilteringBoundLogger

from genpage.errors import UnavailableError
from streaming.stock import Stock, Taking

# Names what is in the store: another one when that was lost. `UnavailableError` while it is away.
Epoch = Callable[[], Awaitable[str]]


async def take_stock(
    client: AIOKafkaConsumer,
    places: Collection[TopicPartition],
    stock: Stock,
    taking: Taking,
    epoch_of: Epoch,
    log: FilteringBoundLogger,
) -> None:
    """Go back to the beginning where the store has not what the offset says; note the ends.

    Nothing is read before, and nothing committed. The new offsets are committed at once: after a
    crash they hold. Taken in vain where partitions come or go meanwhile.
    """
    try:
        epoch = await epoch_of()
    except UnavailableError:
        if stock.holds(taking):
            client.pause(*places)
        return
    outdated = stock.outdated(places, epoch)
    if outdated is None:
        outdated = await _of_another(client, places, epoch)
    starts: Mapping[TopicPartition, int] = {}
    if outdated:
        log.warning("partitions are read again", partitions=len(outdated))
        starts = await client.beginning_offsets(outdated)
        if not stock.holds(taking):
            return
        await client.commit({place: (start, epoch) for place, start in starts.items()})
    ends = await client.end_offsets(places)
    if not stock.holds(taking):
        return
    for place, start in starts.items():
        client.seek(place, start)
    client.resume(*client.paused())
    stock.take(taking, epoch, ends, starts)


async def _of_another(
    client: AIOKafkaConsumer, places: Collection[TopicPartition], epoch: str
) -> set[TopicPartition]:
    """Those whose offset is worth nothing, since it is of what is no longer in the store."""
    # The consumer's own `committed` leaves out what was committed with the offset.
    held = await client._coordinator.fetch_committed_offsets(list(places))  # noqa: SLF001
    return {place for place, at in held.items() if at.offset >= 0 and at.metadata != epoch}
