"""How far to draft: what drafts of each kind came to, and what a pass, a token and a guess cost.

A guess is Python's time and a pass the model's, so a small model is faster without drafts: then
only one is made now and then, to see whether that still holds.

Only how long a page takes depends on it, never what stands on it: drafts are verified.
"""

import time
from collections.abc import Callable
from typing import Final, Literal

# Where a draft's scores are from. ``kept``: of the same place, behind a token that was rejected.
# ``near``: of the place before in the same row. ``far``: of another row. ``before``: no scores, but
# what the member's page before this one had. ``foretold``: by a draft head.
Source = Literal[
    "row kept",
    "row far",
    "row before",
    "row foretold",
    "entity kept",
    "entity near",
    "entity far",
    "entity before",
    "entity foretold",
    "fill",
    "fill before",
    "fill foretold",
]

BEFORE: Final[frozenset[Source]] = frozenset({"row before", "entity before", "fill before"})

# The chances that drafts begin with, as a prototype measured them, and how many drafts that is
# worth: what is measured here soon counts for more.
_CHANCES: Final[dict[Source, float]] = {
    "row kept": 0.8,
    "row far": 0.6,
    "row before": 0.8,
    "row foretold": 0.9,
    "entity kept": 0.85,
    "entity near": 0.75,
    "entity far": 0.5,
    "entity before": 0.8,
    "entity foretold": 0.8,
    "fill": 0.05,
    "fill before": 0.5,
    "fill foretold": 0.1,
}
_PRIOR: Final = 20.0
# Older drafts and passes count for less, so that a new checkpoint finds its own pace.
_FORGETS: Final = 0.995
# What a wrong token is worth all the same, in passes: behind it stand scores that foresee their
# places better than any other (0.7 to 0.8 of them are right, where others are in 0.2 to 0.5). More
# than this feeds more tokens than it saves passes; so it was measured on a trained model's pages.
_LEFT_BEHIND: Final = 0.05
# Places whose scores are kept from rejected drafts, at most; the latest ones serve best.
MOST_KEPT: Final = 12
# A token more in a pass, in passes, before any is measured.
_TOKEN: Final = 0.08
# After so many drafts, what was known of kinds that were not among them counts for half as much:
# what lost once, to a bundle or a service that is no more, is tried again.
_RECALLED: Final = 256
# Out of so many drafts that are not worth it, one is begun.
_EXPLORED: Final = 64
_LEAST, _MOST = 0.01, 1.0


class Pace:
    """Shared by the pages of an engine, whose thread owns it."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock  # seconds
        self._hits = {source: chance * _PRIOR for source, chance in _CHANCES.items()}
        self._tries = dict.fromkeys(_CHANCES, _PRIOR)
        # Weighted sums over passes: 1, tokens, seconds, tokens squared, tokens times seconds.
        self._sums = [0.0] * 5
        self.token = _TOKEN
        # A decision guessed by a copy of the page, in passes. None is measured yet.
        self.guess = 0.0
        self._guesses = [0.0, 0.0]  # weighted: how many, seconds
        # The same by the page itself: seconds, by what it is guessed from.
        self._looks = {source: [0.0, 0.0] for source in _CHANCES}
        self._pass_s = 0.0
        self._pages = 1
        self._declined = self._overlooked = self._since_recall = 0
        # Guesses that were right, and all, of each kind since the start.
        self.verified: dict[Source, tuple[int, int]] = {}
        # Kinds that nobody tried of late.
        self._idle: set[Source] = set(_CHANCES)

    def chance(self, source: Source) -> float:
        """How often a draft of this kind is what verification decides."""
        return self._hits[source] / self._tries[source]

    def worth(self, chance: float, tokens: int, guessed: int) -> bool:
        """Whether to guess ``tokens`` more that save a pass so likely, behind ``guessed``.

        Tokens that are right would have been fed anyway. Wrong ones are what a guess costs, and the
        scores that they leave behind are worth something too, where they are kept.
        """
        left = _LEFT_BEHIND if tokens == 1 and guessed < MOST_KEPT else 0.0
        if chance >= (1.0 - chance) * (self._wasted(tokens) - left) + self.guess * self._pages:
            return True
        if guessed or self.guess == 0.0:
            return False
        self._declined = (self._declined + 1) % _EXPLORED
        return self._declined == 0

    def worth_a_look(self, source: Source, chance: float, tokens: int) -> bool:
        """Whether to guess the next decision, of ``tokens`` that the pass would not have else.

        It is right with this ``chance``.
        """
        count, spent = self._looks[source]
        saved = chance - (1.0 - chance) * self._wasted(tokens)  # of the page's part of a pass
        part = self._pass_s / self._pages
        measured = count > 0.0 and part > 0.0
        if saved >= 0.0 and (not measured or saved * part * count >= spent):
            return True
        self._overlooked = (self._overlooked + 1) % _EXPLORED
        return self._overlooked == 0

    def shared_by(self, pages: int) -> None:
        """A pass is shared by so many pages: none of them saves more than its part of one."""
        self._pages = max(1, pages)

    def _wasted(self, tokens: int) -> float:
        """What tokens cost, in a page's parts of a pass."""
        return min(self.token * self._pages, _MOST) * tokens

    def looked(self, source: Source, seconds: float) -> None:
        """The next decision was guessed in so long."""
        count, spent = self._looks[source]
        self._looks[source] = [count * _FORGETS + 1.0, spent * _FORGETS + seconds]

    def drafted(self, steps: int, seconds: float) -> None:
        """So many decisions, one or more, were guessed by a copy in so long."""
        count, spent = self._guesses
        self._guesses = [count * _FORGETS + steps, spent * _FORGETS + seconds]

    def tried(self, source: Source, *, hit: bool) -> None:
        """A draft was verified."""
        self._hits[source] = self._hits[source] * _FORGETS + hit
        self._tries[source] = self._tries[source] * _FORGETS + 1.0
        right, made = self.verified.get(source, (0, 0))
        self.verified[source] = right + hit, made + 1
        self._idle.discard(source)
        self._since_recall = (self._since_recall + 1) % _RECALLED
        if self._since_recall == 0:
            for each in self._idle:
                self._hits[each] = (self._hits[each] + _CHANCES[each] * _PRIOR) / 2
                self._tries[each] = (self._tries[each] + _PRIOR) / 2
            self._idle = set(_CHANCES)

    def passed(self, tokens: int, seconds: float) -> None:
        """A pass, of so many tokens of all its pages, took the model so long.

        A straight line through them tells a token's cost. What is decided by a pass's scores is no
        part of it: that has to be decided anyway.
        """
        terms = (1.0, tokens, seconds, tokens * tokens, tokens * seconds)
        self._sums = [old * _FORGETS + new for old, new in zip(self._sums, terms, strict=True)]
        count, n, t, nn, nt = self._sums
        spread = count * nn - n * n
        if count < _PRIOR or spread <= 0.0:
            return
        token = (count * nt - n * t) / spread
        alone = (t - token * n) / count
        self.token = min(max(token / alone, _LEAST), _MOST) if alone > 0.0 else _MOST
        self._pass_s = max(0.0, alone)
        guesses, spent = self._guesses
        if alone > 0.0 and guesses:
            self.guess = spent / guesses / alone
