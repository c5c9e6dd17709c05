"""Starting a client of aiokafka that may be cut off at any moment."""

from collections.abc import Awaitable
from traceback import walk_tb


async def start(starting: Awaitable[None]) -> None:
    """Wait for a client's `start` or `bootstrap`; one that is cut off leaves no socket open.

    While `AIOKafkaClient.bootstrap` waits for its first answer, the connection is in a variable of
    its own and nowhere else: cancelled there, it drops it open, and closing the client misses it.
    """
    try:
        await starting
    except BaseException as cut:
        for frame, _ in walk_tb(cut.__traceback__):
            connection = frame.f_locals.get("bootstrap_conn")
            if connection is not None:
                connection.close()
        raise
