"""Where partitions end that are not fetched, since their lane is full or waits.

aiokafka learns how a partition grows by fetching it, so the lag of a paused one would stand still.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

LOOK_S: Final = 1.0
ANSWER_S: Final = 3.0


class Growth:
    """Owned by one event loop; `watch` runs as a task of its own until it is cancelled."""

    def __init__(self) -> None:
        self._ends: dict[TopicPartition, int] = {}

    def end(self, client: AIOKafkaConsumer, place: TopicPartition) -> int:
        """Where a partition of the client's ends, as far as is known; else 0."""
        return max(client.highwater(place) or 0, self._ends.get(place, 0))

    def forget(self) -> None:
        """Others may read the partitions from now on."""
        self._ends = {}

    async def watch(self, client: AIOKafkaConsumer, wanted: Callable[[], bool]) -> None:
        """Ask for the ends of what is paused, again and again while that is wanted."""
        while True:
            await asyncio.sleep(LOOK_S)
            paused = client.paused() if wanted() else None
            if paused:
                with suppress(KafkaError, TimeoutError):
                    async with asyncio.timeout(ANSWER_S):
                        self._ends.update(await client.end_offsets(paused))
