"""The threads that load bundles and tidy up, so that the event loop and the engine go on.

The one place of this room where work leaves the event loop. While a bundle is loaded Python hands
its lock over ten times as often: reading documents would otherwise hold the engine up for 5 ms at
each of its passes.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
SWITCH_S: Final = 0.0005
# One for the bundle that is loaded, one that remembers and frees meanwhile.
_THREADS: Final = 2


class Aside:
    """Runs functions on threads of its own. Belongs to one event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, "genpage-rollout")
        self._giving_way = 0
        self._usual = sys.getswitchinterval()

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``work`` returns or raises; it goes on where the caller is cancelled."""
        loop = asyncio.get_running_loop()
        with self._way_given():
            return await loop.run_in_executor(self._threads, partial(work, *args, **kwargs))

    def close(self) -> None:
        """Take on nothing more; what runs may end with the process."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def _way_given(self) -> Iterator[None]:
        self._giving_way += 1
        sys.setswitchinterval(SWITCH_S)
        try:
            yield
        finally:
            self._giving_way -= 1
            if not self._giving_way:
                sys.setswitchinterval(self._usual)
