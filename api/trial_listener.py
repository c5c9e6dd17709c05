"""Tells the rollout of the pages that ended: what a canary is judged by, what a shadow compares."""

from api.live_page import LivePage
from genpage.exploration import Exploration
from rollout.canary import Sample
from rollout.rollout import Rollout
from rollout.trial import Served


class TrialListener:
    """An `api.page_listener.PageListener`."""

    def __init__(self, rollout: Rollout, exploration: Exploration) -> None:
        self._rollout = rollout
        self._exploration = exploration

    def ended(self, page: LivePage, outcome: str) -> None:
        """A page ended. One that its client or we cut short says nothing of the bundle."""
        if self._rollout.trial is None or outcome in {"cancelled", "draining"}:
            return
        plan, spent = page.plan, page.spent
        short = outcome != "deadline" and len(page.rows) < plan.request.rows
        self._rollout.served(
            Served(
                page_id=page.page_id,
                version=plan.model.version,
                request=plan.request,
                context=plan.context,
                rows=plan.page_rows(page.rows),
                sample=Sample(page.state == "failed", short, spent.total_ms - spent.queue_ms),
                first=not plan.earlier,
                exploration=self._exploration,
            )
        )
