"""A page in the engine's hands: its job, how far it is, and when each phase began."""

from dataclasses import dataclass, field

from genpage.errors import GenPageError
from genpage.page import FinishReason
from runtime.decoder import Decoder
from runtime.job import PageJob
from runtime.output import PageFailed, PageFinished, RowDecoded, Timing
from runtime.written import Written


@dataclass(slots=True, eq=False)
class LiveJob:
    """Waiting while ``slot`` is None, in prefill until ``decoding_since`` is set, then decoding.

    Times are seconds of the engine's monotonic clock. Mutated by the scheduler (admission) and
    the engine (progress).
    """

    job: PageJob
    decoder: Decoder
    submitted: float
    slot: int | None = None
    admitted: float | None = None
    decoding_since: float | None = None
    cached: int = 0
    passes: int = 0
    prompt_tokens: int = field(init=False)

    def __post_init__(self) -> None:
        """Read off the job what progress will change."""
        self.prompt_tokens = self.decoder.length

    @property
    def decoding(self) -> bool:
        """Whether the prompt is behind it."""
        return self.decoding_since is not None

    @property
    def needs(self) -> int:
        """The most tokens that its sequence may come to, as far as its slot holds them."""
        rows, fed = self.job.rows - self.job.prompt_rows, self.job.grammar.entities_per_row
        if self.job.model.serialised is not None:
            fed = min(fed, self.job.model.serialised)
        most = len(self.job.prompt) + rows * (1 + fed)
        return min(self.job.model.backend.capacity, most)

    def due(self, patience_s: float) -> float:
        """When it should have a slot at the latest: what waiting pages are ordered by."""
        latest = self.submitted + patience_s
        return latest if self.job.deadline is None else min(self.job.deadline, latest)

    def expired(self, now: float) -> bool:
        """Whether its deadline has come."""
        return self.job.deadline is not None and now >= self.job.deadline

    def row(self, written: Written, now: float) -> RowDecoded:
        """The output for a row just finished."""
        at_ms = (now - self.submitted) * 1000
        row, drawn = written.row, written.propensities
        return RowDecoded(
            self.job.page_id, row.row, row.entities, at_ms, drawn, choice=written.choice
        )

    def finished(self, reason: FinishReason, now: float) -> PageFinished:
        """The output for its end at ``now``."""
        return PageFinished(
            self.job.page_id,
            reason,
            self._timing(now),
            self.prompt_tokens,
            self.cached,
            self.passes,
        )

    def failed(self, error: GenPageError) -> PageFailed:
        """The output for its end by an error."""
        return PageFailed(self.job.page_id, error)

    def _timing(self, now: float) -> Timing:
        admitted = now if self.admitted is None else self.admitted
        decoding = now if self.decoding_since is None else self.decoding_since
        return Timing(
            queue_ms=(admitted - self.submitted) * 1000,
            prefill_ms=(decoding - admitted) * 1000,
            decode_ms=(now - decoding) * 1000,
        )
