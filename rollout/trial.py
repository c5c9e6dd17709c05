"""A loaded bundle beside the active one: judged by members' pages, or only compared with them."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from genpage.context import Context
from genpage.errors import GenPageError
from genpage.exploration import NO_EXPLORATION, Exploration
from genpage.grammar import PageGrammar
from genpage.injection import inject
from genpage.page import PageRow
from genpage.request import PageRequest
from genpage.trends import Trends
from rollout.canary import Canary, Sample, Verdict
from rollout.probe import Prober
from rollout.shadow import WAITING, Shadow
from rollout.tasks import Tasks
from runtime.job import PageJob
from runtime.model import LoadedModel
from runtime.prefix import PrefixKey

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Served:
    """A page that ended, as it was served: with what was explored. ``ms`` without the queue."""

    page_id: str
    version: str
    request: PageRequest
    context: Context
    rows: Sequence[PageRow]
    sample: Sample
    first: bool
    exploration: Exploration = NO_EXPLORATION


class CanaryTrial:
    """Judges by every page that ends. ``decided`` is called once."""

    def __init__(
        self, canary: Canary, decided: Callable[[Verdict], None], clock: Clock = time.monotonic
    ) -> None:
        self.canary = canary
        self._decided = decided
        self._clock = clock
        self._over = False

    def served(self, page: Served) -> None:
        """A page ended."""
        if self._over:
            return
        verdict = self.canary.record(page.version, page.sample, self._clock())
        if verdict is not None:
            self._over = True
            self._decided(verdict)

    def end(self) -> None:
        """Nothing is judged any more."""
        self._over = True

    def document(self) -> dict[str, object]:
        """For people."""
        return {"strategy": "canary", **self.canary.document()}


class ShadowTrial:
    """Makes served pages again on the candidate, one at a time, while the engine has time."""

    def __init__(
        self,
        shadow: Shadow,
        model: Callable[[], LoadedModel],
        prober: Prober,
        tasks: Tasks,
        log: FilteringBoundLogger,
        *,
        trends: Callable[[LoadedModel], Trends],
        autoregressive: int,
    ) -> None:
        """``model`` gives the candidate as it stands: a live catalog replaces it."""
        self.shadow = shadow
        self._model = model
        self._prober = prober
        self._log = log
        self._trends = trends
        self._autoregressive = autoregressive
        self._pages = asyncio.Queue[Served](WAITING)
        self._task = tasks.start(self._compare(), "shadow")

    def served(self, page: Served) -> None:
        """A page ended; a first page that is whole is compared, where there is room."""
        whole = page.first and not page.sample.failed
        if not whole or page.version == self.shadow.version or not self.shadow.takes(page.page_id):
            return
        try:
            self._pages.put_nowait(page)
        except asyncio.QueueFull:
            self.shadow.dropped += 1

    def end(self) -> None:
        """Nothing is compared any more."""
        self._task.cancel()

    def document(self) -> dict[str, object]:
        """For people."""
        return {"strategy": "shadow", **self.shadow.document()}

    async def _compare(self) -> None:
        while True:
            page = await self._pages.get()
            await self._prober.until_idle()
            try:
                model = self._model()
                own = await self._prober.rows(self._job(page, model), model)
                self.shadow.record(page.rows, own)
            except GenPageError as error:
                self.shadow.failed += 1
                self._log.warning("a shadow page failed", why=str(error))
            except Exception:  # noqa: BLE001 - a candidate's fault must not end the comparison
                self.shadow.failed += 1
                self._log.exception("a shadow page failed")

    def _job(self, page: Served, model: LoadedModel) -> PageJob:
        request = page.request
        trends = self._trends(model)
        injection = inject(model.catalog, trends, request.at)
        return PageJob(
            page_id=page.page_id,
            key=PrefixKey(model.digest, request.user_id),
            model=model,
            prompt=model.encoder.encode(page.context, request, injection).tokens,
            grammar=PageGrammar.start(model.catalog, model.rules, page.context, request, trends),
            rows=request.rows,
            autoregressive=self._autoregressive,
            temperature=request.temperature,
            seed=request.seed,
            # By the same draws: pages of models that agree are the same, explored or not.
            exploration=page.exploration,
            drawn_as=page.page_id,
            appeal=model.appeal(page.context, request, trends),
        )


Trial = CanaryTrial | ShadowTrial
