"""What is said of bundles, to people, to the log on Kafka and to metrics."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from structlog.typing import FilteringBoundLogger

from rollout.attempt import Attempt
from rollout.refusal import Kind
from rollout.status import Event, Named, Status
from rollout.terms import Strategy
from runtime.model import LoadedModel
from runtime.registry import Registry

MOST_STATUSES: Final = 200


@dataclass(slots=True)
class Numbers:
    """What is counted, for metrics; seconds. ``refused`` is by kind."""

    swaps: int = 0
    rolled_back: int = 0
    refused: dict[Kind, int] = field(default_factory=dict)
    # From taking an announcement up to new pages being made with it.
    last_swap_s: float | None = None
    # The assignment alone.
    last_activation_s: float | None = None


class Teller:
    """Keeps the latest statuses and calls ``listeners`` with each."""

    def __init__(
        self,
        replica: str,
        registry: Registry[LoadedModel],
        named: Callable[[LoadedModel | None], Named | None],
        log: FilteringBoundLogger,
        clock: Callable[[], float],
        on_trial: Callable[[], Attempt | None],
    ) -> None:
        self.numbers = Numbers()
        self.listeners: list[Callable[[Status], None]] = []
        self.statuses = deque[Status](maxlen=MOST_STATUSES)
        self._replica = replica
        self._registry = registry
        self._named = named
        self._log = log
        self._clock = clock
        self._on_trial = on_trial

    def tell(
        self,
        event: Event,
        model: LoadedModel | Named | None,
        why: str | None,
        attempt: Attempt | None = None,
    ) -> None:
        """Something happened to a bundle, on its ``attempt`` where it has one."""
        named = model if isinstance(model, Named) else self._named(model)
        swapped = event == "activated" and attempt is not None
        status = Status(
            replica=self._replica,
            event=event,
            version=None if named is None else named.version or None,
            digest=None if named is None else named.digest or None,
            bundle_uri=None if named is None else named.bundle_uri or None,
            at=self._clock(),
            strategy=None if attempt is None else attempt.announcement.rollout.strategy,
            why=why,
            kind=None if attempt is None else attempt.kind,
            retryable=None if attempt is None else attempt.retryable,
            swap_s=self.numbers.last_swap_s if swapped else None,
        )
        status = self._afterwards(status)
        self.statuses.append(status)
        say = self._log.warning if event in {"rejected", "rolled back"} else self._log.info
        say(f"bundle {event}", version=status.version, digest=status.digest, why=why)
        for listener in self.listeners:
            try:
                listener(status)
            except Exception:  # noqa: BLE001 - what it is told of has happened
                self._log.exception("a status reached not everybody", event_told=event)

    def standing(self) -> Status | None:
        """The latest once more, with what stands now; None where nothing was said yet."""
        return self._afterwards(self.statuses[-1]) if self.statuses else None

    def _afterwards(self, status: Status) -> Status:
        return replace(
            status,
            active=self._named(self._registry.active),
            previous=self._named(self._registry.previous),
            canary=self._trial_of("canary"),
            shadow=self._trial_of("shadow"),
        )

    def _trial_of(self, strategy: Strategy) -> Named | None:
        attempt = self._on_trial()
        if attempt is None or attempt.announcement.rollout.strategy != strategy:
            return None
        return self._named(self._registry.find(attempt.version or ""))
