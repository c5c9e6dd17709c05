"""Replicas without HTTP or Kafka: a real engine, real bundles of random weights."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bundles import digest_of

from api.fake import Logbook
from rollout.active import ActiveBundle
from rollout.announcement import Announcement
from rollout.attempt import Attempt
from rollout.bringer import Settings
from rollout.rollout import Rollout
from rollout.status import Status
from rollout.terms import Terms
from runtime.engine import Engine
from runtime.limits import Limits
from runtime.model import LoadedModel, LoadSettings
from runtime.registry import Registry
from runtime.sessions import SessionSettings
from runtime.worker import Worker

SLOTS = LoadSettings(slots=2, session=SessionSettings(threads=1))
_TIMES = itertools.count(1_000)


def announcement(bundle: Path, *, at: float | None = None, **terms: Any) -> Announcement:  # noqa: ANN401 - of any field
    """A bundle's announcement, newer than all made before."""
    return Announcement(
        bundle_uri=bundle.as_uri(),
        created_at=next(_TIMES) if at is None else at,
        digest=digest_of(bundle),
        rollout=Terms(**terms),
    )


@dataclass
class Replica:
    """A server's models and rollout."""

    rollout: Rollout
    registry: Registry[LoadedModel]
    worker: Worker
    logbook: Logbook
    statuses: list[Status] = field(default_factory=list)

    @property
    def active(self) -> str | None:
        """The active version."""
        return None if self.registry.active is None else self.registry.active.version

    @property
    def events(self) -> list[tuple[str, str | None]]:
        """What was said, and of which version."""
        return [(status.event, status.version) for status in self.statuses]

    async def ended(self, attempt: Attempt | None) -> Attempt:
        """Wait until an attempt is neither waiting nor on its way."""
        assert attempt is not None
        on_its_way = {"waiting", "fetching", "loading", "judging"}
        while attempt.state in on_its_way:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.005)
        return attempt

    async def take(self, bundle: Path, **terms: Any) -> Attempt:  # noqa: ANN401 - of any field
        """Announce a bundle and wait for what becomes of it."""
        return await self.ended(self.rollout.announce(announcement(bundle, **terms)))


Start = Callable[..., Awaitable[Replica]]


@asynccontextmanager
async def running(
    bundle: Path | None,
    settings: Settings,
    remembered: ActiveBundle | None = None,
    **more: Any,  # noqa: ANN401
) -> AsyncIterator[Replica]:
    """A replica that serves a bundle."""
    registry = Registry[LoadedModel]()
    worker, logbook = Worker(Engine(Limits(batch=2, queue=20))), Logbook()
    if bundle is not None:
        model = LoadedModel.load(bundle, SLOTS)
        registry.add(model)
        registry.activate(model.version)
        remembered = remembered or ActiveBundle(model.version, model.digest, str(bundle))
        del model  # the registry has it, and may let go of it
    worker.start()
    rollout = Rollout(
        replace(settings, loading=more.pop("loading", SLOTS), stagger_s=0.0),
        registry,
        worker,
        logbook.logger(),
        remembered=remembered,
        clock=more.pop("clock", time.time),
        **more,
    )
    replica = Replica(rollout, registry, worker, logbook)
    rollout.listeners.append(replica.statuses.append)
    async with rollout:
        yield replica
    await worker.close()
