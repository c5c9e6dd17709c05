"""What the rollout has under way beside pages: none of it can end more than itself."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from structlog.typing import FilteringBoundLogger


class Tasks:
    """Tasks whose failures are told, and reach nobody. Belongs to one event loop.

    A task group would cancel whoever entered it, which is the whole server.
    """

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._running = set[asyncio.Task[None]]()

    # Any: what a coroutine is sent is nobody's business here.
    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Have it done beside; the task may be cancelled."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Cancel what runs, and wait for it."""
        running = tuple(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._log.error("the rollout failed at something", at=task.get_name(), exc_info=error)
