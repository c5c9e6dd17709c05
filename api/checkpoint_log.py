"""The rollout on the event log: announcements in, statuses out."""

from collections.abc import Sequence
from typing import Self

from structlog.typing import FilteringBoundLogger

from rollout.announcement import Announcement
from rollout.rollout import Rollout
from streaming.checkpoints import StatusReports, reader
from streaming.event_log import EventLog
from streaming.topics import CHECKPOINTS


class CheckpointLog:
    """An async context manager, within that of the log and of the rollout."""

    def __init__(
        self, rollout: Rollout, event_log: EventLog, model: str, log: FilteringBoundLogger
    ) -> None:
        """``model`` is the name under which this replica's bundles are announced."""
        self._rollout = rollout
        read = reader(model, Announcement.parse)
        self.follower = event_log.follow(CHECKPOINTS, read, self._apply)
        self.reports = StatusReports(event_log.beside(), rollout.settings.replica, log)
        rollout.listeners.append(
            lambda status: self.reports.put({**status.document(), "model": model})
        )

    async def __aenter__(self) -> Self:
        await self.reports.__aenter__()
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.reports.__aexit__(*failure)

    async def _apply(self, announced: Sequence[Announcement | None]) -> None:
        """Take up what is new; of what was there before this replica, the newest alone."""
        ours = [each for each in announced if each is not None]
        if self.follower.caught_up.is_set():
            for each in ours:
                self._rollout.announce(each)
        elif ours:
            # The last of the newest: as the topic has them.
            newest = max(reversed(ours), key=lambda each: each.created_at)
            self._rollout.announce(newest, replayed=True)
