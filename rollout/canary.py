"""A canary: a bundle on trial with a share of the members. Pure.

The share is by a hash of member and version, so that a member stays on one side, and another
bundle's trial takes other members. It is judged beside the active bundle's pages of the same time:
what ails both is not its fault.
"""

import hashlib
from dataclasses import dataclass
from typing import Final, Literal

from rollout.terms import Terms, most_ms

_SPAN: Final = 1 << 64
# Of the decayed mean of latencies; about the last fifty pages count.
_WEIGHT: Final = 0.02


@dataclass(frozen=True, slots=True)
class Sample:
    """A page that ended. ``short``: it has fewer rows than were asked for."""

    failed: bool
    short: bool
    ms: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to become of it, and why."""

    kind: Literal["promote", "roll back"]
    why: str


class Tally:
    """One side's pages."""

    def __init__(self) -> None:
        self.pages = 0
        self.failed = 0
        self.short = 0
        self.ms: float | None = None

    def add(self, sample: Sample) -> None:
        """Count a page; a failed one has no latency and no rows."""
        self.pages += 1
        if sample.failed:
            self.failed += 1
            return
        self.short += sample.short
        old = self.ms
        # The first ones by their plain mean, so that none of them weighs too much.
        weight = max(_WEIGHT, 1.0 / (self.pages - self.failed))
        self.ms = sample.ms if old is None else old + weight * (sample.ms - old)

    @property
    def failed_share(self) -> float:
        """Of its pages."""
        return self.failed / self.pages if self.pages else 0.0

    @property
    def short_share(self) -> float:
        """Of its pages that did not fail."""
        done = self.pages - self.failed
        return self.short / done if done else 0.0

    def document(self) -> dict[str, object]:
        """For people."""
        return {
            "pages": self.pages,
            "failed": self.failed,
            "short": self.short,
            "mean_ms": None if self.ms is None else round(self.ms, 3),
        }


class Canary:
    """The trial's books. One owner. ``begun`` and ``now`` are on one clock, in seconds."""

    def __init__(self, version: str, terms: Terms, begun: float) -> None:
        self.version = version
        self.terms = terms
        self.begun = begun
        self.own = Tally()
        self.others = Tally()

    def takes(self, user_id: str) -> bool:
        """Whether a member is among its share."""
        return share_of(user_id, self.version) < self.terms.share

    def record(self, version: str, sample: Sample, now: float) -> Verdict | None:
        """Count a page of a version; what follows from it, None for nothing yet."""
        (self.own if version == self.version else self.others).add(sample)
        return self.verdict(now)

    def verdict(self, now: float) -> Verdict | None:
        """What follows from what was seen so far."""
        if self.own.pages < self.terms.least:
            return None
        wrong = self._wrong()
        if wrong is not None:
            return Verdict("roll back", wrong)
        if self.own.pages >= self.terms.pages and now - self.begun >= self.terms.seconds:
            return Verdict("promote", f"{self.own.pages} pages as good as the active bundle's")
        return None

    def document(self) -> dict[str, object]:
        """For people."""
        return {
            "version": self.version,
            "share": self.terms.share,
            "own": self.own.document(),
            "others": self.others.document(),
        }

    def _wrong(self) -> str | None:
        own, others, terms = self.own, self.others, self.terms
        if own.failed_share > others.failed_share + terms.error_margin:
            return f"{own.failed} of {own.pages} pages failed, {others.failed} of {others.pages}"
        if own.short_share > others.short_share + terms.short_margin:
            return f"{own.short} of {own.pages} pages lack rows, {others.short} of {others.pages}"
        # Without pages to compare with, no latency is too long.
        if own.ms is not None and others.ms is not None and others.pages >= terms.least:
            bound = most_ms(others.ms, terms.latency_ratio)
            if own.ms > bound:
                return f"a page takes {own.ms:.0f} ms, with the active bundle {others.ms:.0f} ms"
        return None


def share_of(member: str, version: str) -> float:
    """Where a member stands in [0, 1) as to a version: the same on every replica, for ever."""
    digest = hashlib.blake2b(f"{version}\0{member}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / _SPAN
