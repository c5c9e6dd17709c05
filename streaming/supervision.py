"""What keeps the readers of the log going: sessions begun again, steps insisted on."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import chain, repeat
from typing import Final

from aiokafka.errors import KafkaError
from structlog.typing import FilteringBoundLogger

from genpage.errors import UnavailableError
from streaming.producer import Producer

# A session that went well for as long begins the count of failures anew. Seconds.
STEADY_S: Final = 60.0
# A session that is lost sooner, for the reason that the one before was, is not told again. Seconds.
SAID_S: Final = 10.0
# Seconds until something that is away is tried again.
_AGAIN_S: Final = (0.05, 0.1, 0.2, 0.5)
_FORESEEN: Final = (KafkaError, OSError, TimeoutError, UnavailableError)


async def supervise(
    session: Callable[[], Awaitable[None]],
    producer: Producer,
    closing: asyncio.Event,
    log: FilteringBoundLogger,
    *,
    tries: int,
    again_s: float,
) -> None:
    """Begin sessions one after the other, as long as nobody closes and once the broker answers.

    Whatever ends one that a broker can be blamed for, another begins. An error of our own is
    raised after ``tries`` in a row.
    """
    failed, said = 0, ""
    while not closing.is_set():
        await producer.until_up()
        begun = time.monotonic()
        try:
            await session()
        except (Exception, ExceptionGroup) as error:
            lasted = time.monotonic() - begun
            if foreseen(error):
                if why(error) != said or lasted > SAID_S:
                    log.warning("the session is lost", why=why(error), retry_s=again_s)
                said = why(error)
            else:
                failed = 1 if lasted > STEADY_S else failed + 1
                log.exception("the session failed", tries=failed, of=tries)
                if failed >= tries:
                    raise
            await asyncio.sleep(again_s)


async def insist(
    do: Callable[[], Awaitable[None]], blocked: Callable[[UnavailableError | None], None]
) -> None:
    """Do it, again and again while something is away; ``blocked`` is told why, and None after.

    Ends where the task is cancelled, also where a client made a failure of its own of that.
    """
    for again_s in chain(_AGAIN_S, repeat(_AGAIN_S[-1])):
        try:
            await do()
        except UnavailableError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise asyncio.CancelledError from error
            blocked(error)
            await asyncio.sleep(again_s)
        else:
            blocked(None)
            return


def foreseen(error: Exception) -> bool:
    """Whether an error, or all of a group, are the broker's or the network's."""
    if isinstance(error, ExceptionGroup):
        return error.split(_FORESEEN)[1] is None
    return isinstance(error, _FORESEEN)


def why(error: BaseException) -> str:
    """The first cause in words."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
