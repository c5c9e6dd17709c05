"""The threads that load bundles, build snapshots and tidy up beside the event loop and the engine.

What takes long is done *calmly*: by a thread that the kernel gives only what others leave. A
thread's priority is its children's too, so what makes threads that stay (a session's pool) is not
done there. They are daemons: the process ends without them, whatever they are at.

While one of them works Python hands its lock over ten times as often: the engine lets go of it at
each pass, and would wait 5 ms to have it back, many times a page.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterator
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


class _Way:
    """Given by all who work aside; the interval is the process's own, so this is too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._giving = 0
        self._usual = 0.0

    @contextmanager
    def given(self) -> Iterator[None]:
        """Have threads take turns more often; the last one out sets it back."""
        with self._lock:
            if not self._giving:
                self._usual = sys.getswitchinterval()
                sys.setswitchinterval(min(SWITCH_S, self._usual))
            self._giving += 1
        try:
            yield
        finally:
            with self._lock:
                self._giving -= 1
                if not self._giving:
                    sys.setswitchinterval(self._usual)


_WAY: Final = _Way()


class Aside:
    """Runs functions on threads of its own. Belongs to one event loop."""

    def __init__(self) -> None:
        self._turns = threading.BoundedSemaphore(_THREADS)
        self._calm_turn = threading.Lock()
        self._closed = False

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``work`` returns or raises; it goes on where the caller is cancelled.

        What has not begun by then does not begin.
        """
        return await self._run(self._turns, lambda: None, partial(work, *args, **kwargs))

    async def run_calmly(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same, one at a time, behind all else that the machine has to do."""
        return await self._run(self._calm_turn, _calm_down, partial(work, *args, **kwargs))

    def close(self) -> None:
        """Take on nothing more; what runs ends with the process at the latest."""
        self._closed = True

    async def _run(
        self,
        turn: "threading.Lock | threading.Semaphore",
        prepare: Callable[[], None],
        work: Callable[[], T],
    ) -> T:
        if self._closed:
            raise RuntimeError("it is closed and takes on nothing more")
        loop = asyncio.get_running_loop()
        told: asyncio.Future[T] = loop.create_future()

        def tell(result: T | None, error: BaseException | None) -> None:
            if told.done():
                return
            if error is not None:
                told.set_exception(error)
            else:
                told.set_result(result)  # type: ignore[arg-type]  # None is a T's, where it is one

        def body() -> None:
            with turn:
                if told.cancelled() or self._closed:
                    return
                prepare()
                result, error = None, None
                try:
                    with _WAY.given():
                        result = work()
                except BaseException as raised:  # noqa: BLE001 - it is the caller's
                    error = raised
            with suppress(RuntimeError):  # the loop has ended, and nobody waits
                loop.call_soon_threadsafe(tell, result, error)

        threading.Thread(target=body, name="genpage-aside", daemon=True).start()
        return await told


def _calm_down() -> None:
    """Elsewhere than on Linux a thread has no priority of its own to set."""
    if sys.platform == "linux":
        with suppress(OSError):
            own = threading.get_native_id()
            usual = os.getpriority(os.PRIO_PROCESS, own)
            os.setpriority(os.PRIO_PROCESS, own, usual + CALM)
