"""Waiting for cancelled tasks, for so long and no longer: a client may swallow a cancellation."""

import asyncio
from collections.abc import Collection
from typing import Any

from structlog.typing import FilteringBoundLogger


async def ended(
    tasks: Collection[asyncio.Task[Any]],  # Any: whatever they return
    within_s: float,
    log: FilteringBoundLogger,
) -> None:
    """Return once all have ended, or without them: a warning says so then."""
    if not tasks:
        return
    _, left = await asyncio.wait(tasks, timeout=within_s)
    if left:
        names = sorted(task.get_name() for task in left)
        log.warning("tasks do not end", tasks=names, waited_s=within_s)
