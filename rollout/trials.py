"""The trial that goes on, of which there is one at most: begun, told of pages, ended."""

import time
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from genpage.trends import Trends
from rollout.attempt import Attempt
from rollout.attempts import Attempts
from rollout.canary import Canary, Verdict
from rollout.probe import Prober
from rollout.shadow import Shadow
from rollout.tasks import Tasks
from rollout.trial import CanaryTrial, Served, ShadowTrial, Trial
from runtime.model import LoadedModel
from runtime.registry import Registry


class Trials:
    """Owned by the rollout. Sends a canary's members its way, and changes its attempt's state."""

    def __init__(
        self,
        registry: Registry[LoadedModel],
        attempts: Attempts,
        prober: Prober,
        tasks: Tasks,
        log: FilteringBoundLogger,
        *,
        decided: Callable[[Attempt, Verdict], None],
        trends: Callable[[LoadedModel], Trends],
        autoregressive: int,
    ) -> None:
        """``decided`` is called once a canary is, in the call that counted its last page."""
        self.trial: Trial | None = None
        self.attempt: Attempt | None = None
        self._registry = registry
        self._attempts = attempts
        self._prober = prober
        self._tasks = tasks
        self._log = log
        self._decided = decided
        self._trends = trends
        self._autoregressive = autoregressive

    def begin(self, attempt: Attempt, model: LoadedModel) -> None:
        """Try a loaded bundle out, as announced: as a canary or as a shadow."""
        terms = attempt.announcement.rollout
        self.end()
        self.attempt = attempt
        self._attempts.change(attempt, "on trial")
        if terms.strategy == "canary":
            canary = Canary(model.version, terms, time.monotonic())
            self.trial = CanaryTrial(canary, lambda verdict: self._decided(attempt, verdict))
            self._registry.try_out(model.version, canary.takes)
        else:
            self.trial = ShadowTrial(
                Shadow(model.version, terms),
                lambda: self._registry.find(model.version) or model,
                self._prober,
                self._tasks,
                self._log,
                trends=self._trends,
                autoregressive=self._autoregressive,
            )

    def served(self, page: Served) -> None:
        """A member's page ended: what a trial is judged by, and what costs that page nothing."""
        if self.trial is None:
            return
        try:
            self.trial.served(page)
        except Exception:  # noqa: BLE001 - it is not the page's fault
            self._log.exception("a trial cannot be judged, and is ended")
            self.end()

    def end(self) -> None:
        """Nobody gets its pages any more; what was not decided is replaced."""
        self._registry.end_trial()
        if self.trial is not None:
            self.trial.end()
        if self.attempt is not None and self.attempt.state == "on trial":
            self._attempts.change(self.attempt, "replaced")
        self.trial = self.attempt = None
