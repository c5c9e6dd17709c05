"""The rollout on the event log: announcements in, statuses out."""

import asyncio
from collections.abc import Sequence
from typing import Self

from structlog.typing import FilteringBoundLogger

from rollout.announcement import Announcement
from rollout.rollout import Rollout
from rollout.silence import REPEAT_S
from rollout.status import Status
from streaming.checkpoints import StatusReports, reader
from streaming.event_log import EventLog
from streaming.topics import CHECKPOINTS


class CheckpointLog:
    """An async context manager, within that of the log and of the rollout."""

    def __init__(
        self,
        rollout: Rollout,
        event_log: EventLog,
        model: str,
        log: FilteringBoundLogger,
        *,
        every_s: float = REPEAT_S,
    ) -> None:
        """``model`` is the name under which this replica's bundles are announced."""
        self._rollout = rollout
        read = reader(model, Announcement.parse)
        self.follower = event_log.follow(CHECKPOINTS, read, self._apply)
        self.reports = StatusReports(event_log.beside(), rollout.settings.replica, log)
        self._model = model
        self._log = log
        self._every_s = every_s
        self._repeating: asyncio.Task[None] | None = None
        rollout.listeners.append(self._say)

    async def __aenter__(self) -> Self:
        await self.reports.__aenter__()
        self._repeating = asyncio.create_task(self._repeat(), name="statuses")
        return self

    async def __aexit__(self, *failure: object) -> None:
        if self._repeating is not None:
            self._repeating.cancel()
            await asyncio.wait([self._repeating])
        await self.reports.__aexit__(*failure)

    @property
    def state(self) -> str:
        """How both ways go, for probes: in, else out.

        Only what takes announcements up can have ``ended``, which the server is not ready with;
        pages are made as well while nobody is told of them.
        """
        if self.follower.state != "ok":
            return self.follower.state
        repeats = self._repeating is not None and not self._repeating.done()
        return self.reports.state if repeats else "stale"

    def _say(self, status: Status, **about: object) -> None:
        self.reports.put({**status.document(), "model": self._model, **about})

    async def _repeat(self) -> None:
        """Say now and then what stands: who died would look alive for ever."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                standing = self._rollout.standing
                # What waits for a broker that is away is not pushed out by what it says already.
                if standing is not None and not self.reports.waiting:
                    self._say(standing, repeated=True)
            except Exception:  # noqa: BLE001 - the next turn may go well
                self._log.exception("a status is not repeated")

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
