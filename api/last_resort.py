"""The process ends in time, whatever still holds it.

The interpreter joins threads that are no daemons, and a library's own may wait for something that
does not come: a process manager would kill the process, and call that a failure.
"""

import os
import sys
import threading
import time
from contextlib import suppress
from typing import Final

from structlog.typing import FilteringBoundLogger

# After the pages' grace: for streams, offsets, spans and connections, each of which has less.
LAST_S: Final = 8.0
# To say it. A log that nobody takes must not hold the process either.
_SAY_S: Final = 1.0


def end_within(seconds: float, log: FilteringBoundLogger) -> None:
    """End the process after so long, with exit code 0, unless it has ended by then."""

    def say() -> None:
        log.error("the end takes too long; the process ends as it is", after_s=seconds)
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()

    def end() -> None:
        time.sleep(seconds)
        saying = threading.Thread(target=say, name="genpage-last-words", daemon=True)
        saying.start()
        saying.join(_SAY_S)
        os._exit(0)

    threading.Thread(target=end, name="genpage-last-resort", daemon=True).start()
