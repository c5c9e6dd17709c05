"""The threads that load bundles and tidy up, so that the event loop and the engine go on.

The one place of this room where work leaves the event loop. What takes long is done *calmly*: by a
thread that the kernel gives only what others leave. A thread's priority is its children's too, so
what makes threads that stay (a session's pool) is not done there.

While a bundle is loaded Python hands its lock over ten times as often: reading documents would
otherwise hold the engine up for 5 ms at each of its passes.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
SWITCH_S: Final = 0.0005
# Linux's niceness: about a tenth of what another thread gets where both want the processor.
CALM: Final = 10
# One for the bundle that is loaded, one that remembers and frees meanwhile.
_THREADS: Final = 2


class Aside:
    """Runs functions on threads of its own. Belongs to one event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, "genpage-rollout")
        self._calm = ThreadPoolExecutor(1, "genpage-calm", initializer=_calm_down)
        self._giving_way = 0
        self._usual = sys.getswitchinterval()

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``work`` returns or raises; it goes on where the caller is cancelled."""
        return await self._run(self._threads, partial(work, *args, **kwargs))

    async def run_calmly(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same, one at a time, behind all else that the machine has to do."""
        return await self._run(self._calm, partial(work, *args, **kwargs))

    def close(self) -> None:
        """Take on nothing more; what runs may end with the process."""
        for threads in (self._threads, self._calm):
            threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        with self._way_given():
            return await asyncio.get_running_loop().run_in_executor(threads, work)

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


def _calm_down() -> None:
    """Elsewhere than on Linux a thread has no priority of its own to set."""
    if sys.platform == "linux":
        with suppress(OSError):
            own = threading.get_native_id()
            usual = os.getpriority(os.PRIO_PROCESS, own)
            os.setpriority(os.PRIO_PROCESS, own, usual + CALM)
