"""What a training run is asked for."""

from dataclasses import dataclass
from pathlib import Path

from genpage.sources import Sources
from model.config import Size
from training.bounds import COUNT, COUNT_OR_NONE, POSITIVE, RATE, check
from training.spread import Kind
from training.start import Content


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is asked for; None is the size's own recipe, or what ``parent`` has.

    ``to`` is the first day that the run does not see, so that it can be evaluated on it. ``shards``
    are shared out among the processes; None: one each, or as an unfinished run has them.
    """

    data: Path
    out: Path
    parent: Path | None = None
    size: Size | None = None
    steps: int | None = None
    epochs: float | None = None
    batch_tokens: int | None = None
    lr: float | None = None
    seed: int = 0
    history_tokens: int | None = None
    sources: Sources | None = None
    serialised: int | None = None
    content: Content | None = None
    save_every: int = 50
    rules: Path | None = None
    to: str | None = None
    shards: int | None = None
    spread: Kind | None = None
    recompute: bool = False
    compiled: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        """Check every number; a wrong one is a `UsageError` naming it."""
        check(
            self,
            steps=COUNT,
            epochs=POSITIVE,
            batch_tokens=COUNT,
            lr=RATE,
            seed=COUNT_OR_NONE,
            history_tokens=COUNT,
            save_every=COUNT,
            shards=COUNT,
        )
