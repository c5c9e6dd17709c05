"""Pages made by the serving engine that nobody asked for: to time a bundle, or to compare it."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from genpage.errors import OverloadedError
from genpage.page import PageRow
from rollout.gates import Timed
from runtime.cases import GoldenCase
from runtime.job import PageJob
from runtime.offline import PageModel, job_of
from runtime.output import PageFailed, PageFinished, RowDecoded
from runtime.prefix import PrefixKey
from runtime.worker import Worker

# Pages of each side; the best counts, so that a moment's load does not.
PAGES: Final = 3
# Rows that are timed: a few tell what a row takes.
ROWS: Final = 2
_AGAIN_S: Final = 0.1
_LOOK_S: Final = 0.05
# How long a piece of a bundle's trial waits for a moment without pages, and how often it looks.
# A trial has some twenty pieces: under steady pages they delay a bundle by seconds.
_LULL_S: Final = 0.25
_LULL_LOOK_S: Final = 0.005
_TRIES: Final = 50


class Prober:
    """Has the worker make pages beside the members'. Belongs to the worker's event loop."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def until_idle(self) -> None:
        """Return once at most half of what the engine decodes at once is taken."""
        while self._worker.open > self._worker.limits.batch // 2:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(_LOOK_S)

    async def lull(self) -> None:
        """Return once no page is being made, after a while where there is always one."""
        until = time.monotonic() + _LULL_S
        while self._worker.open and time.monotonic() < until:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(_LULL_LOOK_S)

    async def time(
        self, candidate: PageModel, active: PageModel, cases: Sequence[GoldenCase]
    ) -> Timed:
        """The same pages on both, one after the other in turn, each at a quiet moment."""
        own: list[float] = []
        other: list[float] = []
        for case in [*cases, *cases, *cases][:PAGES]:
            for model, took in ((candidate, own), (active, other)):
                job = job_of(model, case.member)
                rows = min(ROWS, case.member.request.rows)
                await self.lull()
                ended = await self._made(replace(job, rows=rows))
                if ended is not None:
                    took.append(ended.timing.prefill_ms + ended.timing.decode_ms)
        return Timed(tuple(own), tuple(other))

    async def rows(self, job: PageJob, model: PageModel) -> list[PageRow]:
        """A page's rows by ids; raises what it failed with."""
        catalog = model.catalog
        return [
            PageRow(catalog.rows[row.row].id, tuple(catalog.entities[e].id for e in row.entities))
            for row in await self._run(job)
            if isinstance(row, RowDecoded)
        ]

    async def _made(self, job: PageJob) -> PageFinished | None:
        """How a page ended; None where the engine is too full to make it."""
        for _ in range(_TRIES):
            try:
                return next((o for o in await self._run(job) if isinstance(o, PageFinished)), None)
            except OverloadedError:
                await asyncio.sleep(_AGAIN_S)
        return None

    async def _run(self, job: PageJob) -> list[RowDecoded | PageFinished]:
        """All that is said of a page of nobody: its KV is found by no member's."""
        page_id = f"probe-{uuid.uuid4().hex}"
        job = replace(job, page_id=page_id, key=PrefixKey(job.key.digest, page_id))
        said: list[RowDecoded | PageFinished] = []
        async with self._worker.submit(job) as stream:
            async for output in stream:
                if isinstance(output, PageFailed):
                    raise output.error
                said.append(output)
        # Nobody comes back for it, and what it holds of a member is not theirs to erase by name.
        await self._worker.forget(page_id)
        return said
